"""Files that h5py writes and netCDF-C does not: does `inspect` show the variables and dimensions that libnetcdf shows, and name what
it does not read?"""

import ctypes
import json
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


def _two_scales_of_one_dimension(file: h5py.File) -> None:
    file.create_dataset("x", (4, 3), "f4")
    for name, length, axis in [("first", 4, 0), ("second", 4, 0), ("lon", 3, 1)]:
        file[name] = np.arange(length)
        file[name].make_scale()
        file["x"].dims[axis].attach_scale(file[name])


def _no_length(file: h5py.File) -> None:
    for name, shape in [("x", (0, 4)), ("y", (0, 0)), ("z", (4, 0))]:
        file.create_dataset(name, shape, "f4")


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


def _enumerations(file: h5py.File) -> None:
    file["flag"] = np.array([True, False])
    file["kind"] = h5py.enum_dtype({"land": 1, "sea": -2}, basetype="<i2")
    file.create_dataset("surface", data=np.array([1, -2, 1]), dtype=file["kind"])


def _empty_attributes(file: h5py.File) -> None:
    file["x"] = np.arange(3)
    file["x"].attrs["null"] = h5py.Empty("f4")
    file["x"].attrs["nulls"] = h5py.Empty(h5py.string_dtype())
    file["x"].attrs["none"] = np.zeros(0, "f4")
    file["x"].attrs.create("texts", np.array([["a", "b"]], object), dtype=h5py.string_dtype())


def _many_members(file: h5py.File) -> None:
    for number in range(400):
        file[f"member_{number:03}"] = np.float64(number)
    file["long_name_" + "x" * 200] = np.float64(0)


VIEWS = [
    _without_scales,
    _beside_a_scale,
    _two_scales_of_one_dimension,
    _no_length,
    _fixed_strings,
    _soft_links,
    _unknown_attributes,
    _enumerations,
    _empty_attributes,
    _many_members,
]


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
        attributes = {name: set(variable.ncattrs()) for name, variable in dataset.variables.items()}
    assert {each["name"]: (each["size"], each["unlimited"]) for each in found["dimensions"]} == dimensions
    assert {each["name"]: (tuple(each["dimensions"]), tuple(each["shape"])) for each in found["variables"]} == variables
    assert {each["name"]: {attribute["name"] for attribute in each["attributes"]} for each in found["variables"]} == attributes


def _one_scale(file: h5py.File) -> None:
    file["lat"] = np.arange(4.0)
    file["lat"].make_scale()
    file.create_dataset("x", (4, 3), "f4").dims[0].attach_scale(file["lat"])


def _low_level(file: h5py.File, datatype: h5py.h5t.TypeID) -> None:
    h5py.h5d.create(file.id, b"x", datatype, h5py.h5s.create_simple((3,)))


def _of_24_bits() -> h5py.h5t.TypeID:
    datatype = h5py.h5t.STD_I32LE.copy()
    datatype.set_precision(24)
    return datatype


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (3,))
    file.create_virtual_dataset("x", layout)


REFUSED = {
    "a link to nowhere": (lambda file: file.__setitem__("s", h5py.SoftLink("/nowhere")), "link `s`"),
    "a link into a group": (lambda file: file.__setitem__("s", h5py.SoftLink("/g/x")), "link `s`"),
    "a link to a file": (lambda file: file.__setitem__("s", h5py.ExternalLink("other.h5", "/x")), "link `s`"),
    # libnetcdf fails on these, or passes over them.
    "a scale on the first of two dimensions": (_one_scale, "variable `x`: a scale on only some of the dimensions"),
    "a null dataspace": (lambda file: file.__setitem__("x", h5py.Empty("f4")), "variable `x`: a variable with a null dataspace"),
    "a compound": (lambda file: file.__setitem__("x", np.zeros(3, "i4,f8")), "variable `x`: a variable of the compound datatype class"),
    "an opaque": (lambda file: file.__setitem__("x", np.zeros(3, "V5")), "variable `x`: a variable of the opaque datatype class"),
    "an array": (lambda file: file.create_dataset("x", (2,), np.dtype(("i4", (2,)))), "variable `x`: a variable of the array datatype class"),
    "sequences": (lambda file: file.create_dataset("x", (2,), h5py.vlen_dtype("i4")), "variable `x`: a variable of variable-length sequences"),
    "references": (lambda file: file.create_dataset("x", (2,), h5py.ref_dtype), "variable `x`: a variable of object references"),
    "bits": (lambda file: _low_level(file, h5py.h5t.STD_B8LE), "variable `x`: a variable of the bit field datatype class"),
    "24 bits of 32": (lambda file: _low_level(file, _of_24_bits()), "variable `x`: an integer of 24 bits at bit 0 of 4 bytes"),
    "external data": (lambda file: file.create_dataset("x", (2,), "f4", external="x.raw"), "variable `x`: a dataset whose data lie in external files"),
    "a virtual dataset": (_virtual, "variable `x`: a virtual dataset"),
    # What libnetcdf shows of these depends on how it was built.
    "an attribute of 16 bits": (lambda file: file.attrs.__setitem__("half", np.float16(1.5)), "attribute `half`"),
    "an attribute of rank 2": (lambda file: file.attrs.create("matrix", np.eye(2)), "attribute `matrix`"),
}


@pytest.mark.parametrize(("write", "named"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_is_named(write: Callable[[h5py.File], None], named: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    with h5py.File(path, "w") as file:
        file["other"] = np.arange(3)
        write(file)
    done = vzarr_publish.run("inspect", path, "--json")
    assert done.returncode == 1
    assert named in done.stderr
    shown = json.loads(done.stdout)
    assert shown["refused"]
    assert "other" in [variable["name"] for variable in shown["variables"]]


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
