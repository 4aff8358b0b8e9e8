"""Files that h5py writes and netCDF-C does not: does `inspect` show the variables and dimensions that libnetcdf shows, and name what
it does not read?"""

import ctypes
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from publisher import Publisher

VERSIONS = ["earliest", "v108", "latest"]


def _without_scales(file: h5py.File) -> None:
    for name, shape, greatest in [
        ("square", (3, 3), (3, 3)),
        ("plane", (3, 4), (3, 4)),
        ("growing", (3, 4), (None, 4)),
        ("series", (3,), (None,)),
        ("cube", (4, 3, 3), (4, 3, 3)),
        ("other", (9, 2), (None, 2)),
        ("bounded", (3, 4), (7, 4)),
    ]:
        chunks = None if shape == greatest else shape
        file.create_dataset(name, shape, "f4", maxshape=greatest, chunks=chunks)


def _beside_a_scale(file: h5py.File) -> None:
    _without_scales(file)
    file["lat"] = np.arange(4.0)
    file["lat"].make_scale("lat")


def _fixed_strings(file: h5py.File) -> None:
    file["names"] = np.array([b"abc", b"defgh", b""], "S5")
    file["name"] = np.bytes_(b"hello")


def _soft_links(file: h5py.File) -> None:
    file["x"] = np.arange(3)
    file["absolute"] = h5py.SoftLink("/x")
    file["relative"] = h5py.SoftLink("x")


def _unknown_attributes(file: h5py.File) -> None:
    file["x"] = np.arange(3)
    for attributes in (file.attrs, file["x"].attrs):
        attributes["boolean"] = True
        attributes["booleans"] = np.array([True, False])
        attributes["reference"] = file["x"].ref
        attributes["complex"] = 1j
        attributes["opaque"] = np.void(b"abc")
        attributes["known"] = 1


def _many_members(file: h5py.File) -> None:
    for number in range(400):
        file[f"member_{number:03}"] = np.float64(number)
    file["long_name_" + "x" * 200] = np.float64(0)


VIEWS = [_without_scales, _beside_a_scale, _fixed_strings, _soft_links, _unknown_attributes, _many_members]


@pytest.mark.parametrize("write", VIEWS, ids=lambda write: write.__name__.strip("_"))
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("in_order", [True, False], ids=["by-creation", "by-name"])
@pytest.mark.parametrize("deflated", [True, False], ids=["deflated-heap", "plain-heap"])
def test_what_libnetcdf_shows(
    write: Callable[[h5py.File], None], version: str, in_order: bool, deflated: bool, vzarr_publish: Publisher, tmp_path: Path
) -> None:
    path = tmp_path / "file.nc"
    with _created(path, version, in_order, deflated) as file:
        write(file)
    found = vzarr_publish.inspect(path)
    with netCDF4.Dataset(path) as dataset:
        dimensions = {name: (len(dimension), dimension.isunlimited()) for name, dimension in dataset.dimensions.items()}
        variables = {name: (variable.dimensions, variable.shape) for name, variable in dataset.variables.items()}
    assert {each["name"]: (each["size"], each["unlimited"]) for each in found["dimensions"]} == dimensions
    assert {each["name"]: (tuple(each["dimensions"]), tuple(each["shape"])) for each in found["variables"]} == variables


REFUSED = {
    "a link to nowhere": (lambda file: file.__setitem__("s", h5py.SoftLink("/nowhere")), "link `s`"),
    "a link into a group": (lambda file: file.__setitem__("s", h5py.SoftLink("/g/x")), "link `s`"),
    "a link to a file": (lambda file: file.__setitem__("s", h5py.ExternalLink("other.h5", "/x")), "link `s`"),
    # What libnetcdf shows of these depends on how it was built.
    "a variable of booleans": (lambda file: file.__setitem__("flag", np.array([True])), "variable `flag`"),
    "an attribute of 16 bits": (lambda file: file.attrs.__setitem__("half", np.float16(1.5)), "attribute `half`"),
    "an attribute of rank 2": (lambda file: file.attrs.create("matrix", np.eye(2)), "attribute `matrix`"),
}


@pytest.mark.parametrize(("write", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_is_named(write: Callable[[h5py.File], None], named: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    with h5py.File(path, "w") as file:
        write(file)
    done = vzarr_publish.run("inspect", path)
    assert done.returncode != 0
    assert named in done.stderr


def _created(path: Path, version: str, in_order: bool, deflated: bool) -> h5py.File:
    creation, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    oldest = {"earliest": h5py.h5f.LIBVER_EARLIEST, "v108": h5py.h5f.LIBVER_V18, "latest": h5py.h5f.LIBVER_LATEST}[version]
    access.set_libver_bounds(oldest, h5py.h5f.LIBVER_LATEST)
    if in_order:
        creation.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    if deflated:
        # h5py has no name for this on a group, which deflates the heap of many links.
        assert ctypes.CDLL(h5py.h5p.__file__).H5Pset_deflate(ctypes.c_int64(creation.id), ctypes.c_uint(6)) >= 0
    return h5py.File(h5py.h5f.create(bytes(path), h5py.h5f.ACC_TRUNC, creation, access))
