"""What `inspect` finds in a file against what libhdf5 says through h5py: every chunk, filter and shape."""

from importlib.metadata import distribution
from pathlib import Path

import h5py
import netCDF4
import pytest

import trees
from publisher import Publisher
from traps import TRAPS, Verdict


# What netCDF-C calls the dataset of a dimension without a variable, before its length.
NOT_A_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."


def libhdf5(file: h5py.File) -> dict[str, dict]:
    """The variables of a NetCDF4 file in the words of `inspect --json --chunks`."""
    variables = {}
    for name, item in file.items():
        if not isinstance(item, h5py.Dataset) or item.attrs.get("NAME", b"").startswith(NOT_A_VARIABLE):
            continue
        creation = item.id.get_create_plist()
        filters = [creation.get_filter(number) for number in range(creation.get_nfilters())]
        variables[_netcdf_name(name)] = {
            "shape": list(item.shape),
            "chunk_shape": list(item.chunks) if item.chunks else None,
            "filters": [{"id": code, "client_data": list(values)} for code, _, values, _ in filters],
            "chunks": _chunks(item),
        }
    return variables


def _netcdf_name(name: str) -> str:
    # netCDF-C renames a variable that shares the name of a dimension it does not belong to.
    return name.removeprefix("_nc4_non_coord_")


def _chunks(item: h5py.Dataset) -> list[dict]:
    if item.chunks:
        infos = [item.id.get_chunk_info(number) for number in range(item.id.get_num_chunks())]
        return [
            {"offset": list(info.chunk_offset), "byte_offset": info.byte_offset, "size": info.size, "filter_mask": info.filter_mask}
            for info in infos
        ]
    if item.id.get_offset() is None:
        return []  # compact, or never written
    return [{"offset": [0] * item.ndim, "byte_offset": item.id.get_offset(), "size": item.id.get_storage_size(), "filter_mask": 0}]


def differences(found: dict, expected: dict[str, dict]) -> list[str]:
    ours = {variable["name"]: variable for variable in found["variables"]}
    if ours.keys() != expected.keys():
        return [f"variables {sorted(ours)}, libhdf5 has {sorted(expected)}"]
    wrong = []
    for name, theirs in expected.items():
        variable = ours[name]
        plain = {
            "shape": variable["shape"],
            "filters": [{"id": f["id"], "client_data": f["client_data"]} for f in variable["filters"]],
        }
        if theirs["chunk_shape"] is not None:
            plain["chunk_shape"] = variable["chunk_shape"]
        for key, value in plain.items():
            if value != theirs[key]:
                wrong.append(f"{name}: {key} is {value}, in libhdf5 {theirs[key]}")
        by_offset = [sorted(chunks, key=lambda chunk: chunk["offset"]) for chunks in (variable["chunks"], theirs["chunks"])]
        for our_chunk, their_chunk in zip(*by_offset, strict=False):
            if our_chunk != their_chunk:
                wrong.append(f"{name}: chunk {our_chunk}, in libhdf5 {their_chunk}")
        if len(by_offset[0]) != len(by_offset[1]):
            wrong.append(f"{name}: {len(by_offset[0])} chunks, in libhdf5 {len(by_offset[1])}")
    return wrong


def compare(vzarr_publish: Publisher, path: Path) -> list[str]:
    with h5py.File(path) as file:
        expected = libhdf5(file)
    assert expected
    with netCDF4.Dataset(path) as dataset:
        # A variable reaches as far as its dimensions, even where HDF5 has not been given the last of its rows.
        for name, variable in dataset.variables.items():
            expected[name]["shape"] = list(variable.shape)
    return [f"{path.name}: {difference}" for difference in differences(vzarr_publish.inspect(path), expected)]


# `inspect` leaves out a variable that it does not read, and says so.
LEFT_OUT = "shorter-than-its-dimension-unfilled"
MADE = [trap for trap in TRAPS if trap.verdict is not Verdict.EITHER and not trap.name.startswith("netcdf3") and trap.name != LEFT_OUT]


@pytest.mark.parametrize("trap", MADE, ids=lambda trap: trap.name)
def test_made_files(trap, vzarr_publish: Publisher, tmp_path: Path) -> None:
    trap.write(trap.directory(tmp_path))
    wrong = [line for path in sorted(trap.directory(tmp_path).glob("[!.]*.nc")) for line in compare(vzarr_publish, path)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_a_variable_that_is_not_read_is_named(vzarr_publish: Publisher, tmp_path: Path) -> None:
    [trap] = [trap for trap in TRAPS if trap.name == LEFT_OUT]
    trap.write(tmp_path)
    done = vzarr_publish.run("inspect", next(tmp_path.glob("*.nc")))
    assert done.returncode == 1 and "variable tas" in done.stdout and "`lagging`" in done.stderr, done


def test_real_files(vzarr_publish: Publisher) -> None:
    root = Path(distribution("ESMValTool_sample_data").locate_file("esmvaltool_sample_data/data/timeseries/CMIP6"))
    files = sorted(root.rglob("*.nc"))
    assert len(files) == 326
    wrong = [line for path in files for line in compare(vzarr_publish, path)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_many_chunks(vzarr_publish: Publisher, tmp_path: Path) -> None:
    """More chunks than one node of the index holds, in two dimensions."""
    path = tmp_path / "many.nc"
    trees.File(months=1500, chunks=(1, 3, 4)).write(path)
    assert compare(vzarr_publish, path) == []


def test_a_wrong_chunk_is_found(tmp_path: Path) -> None:
    """The comparison itself: it notices a byte."""
    path = tmp_path / "file.nc"
    trees.File().write(path)
    with h5py.File(path) as file:
        expected = libhdf5(file)
    found = {"variables": [{"name": name, **variable} for name, variable in libhdf5(h5py.File(path)).items()]}
    assert differences(found, expected) == []
    tas = next(variable for variable in found["variables"] if variable["name"] == "tas")
    tas["chunks"][5]["byte_offset"] += 1
    tas["filters"].reverse()
    tas["chunks"].pop()
    assert len(differences(found, expected)) == 3
