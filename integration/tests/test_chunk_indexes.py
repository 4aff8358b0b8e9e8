"""Every kind of HDF5 chunk index: are the chunks where `inspect` says they are?

The witness is the data: chunks are read at the places that `inspect` gives, decoded here, and compared with what libhdf5 reads.
libhdf5's own table of chunks would not do, for it is wrong where the unlimited dimension of an extensible array is not the first
(HDF5 2.0.0 and 2.2.0).
"""

import json
import math
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from publisher import Publisher

# What the file may hold, by HDF5 version: B-trees of version 1; the indexes of HDF5 1.10; layout version 5 of HDF5 2.
VERSIONS = [("earliest", "v108"), ("v110", "v110"), ("latest", "latest")]

# Shape, greatest shape, chunk shape. None: without bound.
ARRAYS = [
    ((20,), (20,), (3,)),  # fixed array
    ((20,), (50,), (3,)),  # fixed array over more chunks than there are
    ((20, 6), (40, 9), (3, 4)),
    ((3000,), (3000,), (1,)),  # fixed array in pages
    ((3000, 2), (5000, 3), (1, 1)),
    ((20,), (None,), (3,)),  # extensible array, small enough for its index block
    ((20, 6), (None, 6), (3, 4)),
    ((7, 5, 6), (None, 5, 6), (1, 5, 6)),
    ((3000,), (None,), (1,)),  # extensible array with super blocks
    ((140_000,), (None,), (1,)),  # extensible array with pages, which begin behind 131,060 elements
    ((4, 6), (10, None), (2, 2)),  # extensible array, unlimited dimension not the first
    ((5, 3000), (5, None), (2, 1)),
    ((3, 40, 50), (3, 60, None), (1, 7, 9)),
    ((20, 6), (None, None), (3, 4)),  # version 2 B-tree
    ((300, 40), (None, None), (3, 4)),  # version 2 B-tree of several levels
    ((12, 12), (12, 12), (12, 12)),  # single chunk
]

FILTERS = {"plain": {}, "deflate": {"compression": "gzip", "shuffle": True}, "fletcher32": {"fletcher32": True}}
FILL = -5.0


@pytest.mark.parametrize("version", VERSIONS, ids="-".join)
@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("written", ["full", "sparse"])
def test_data_at_the_places_given(version: tuple[str, str], filters: str, written: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    wrong = []
    for number, (shape, greatest, chunk) in enumerate(ARRAYS):
        path = tmp_path / f"{number}.h5"
        _write(path, version, (shape, greatest, chunk), FILTERS[filters], sparse=written == "sparse")
        with h5py.File(path) as file:
            expected = file["x"][...]
        done = vzarr_publish.run("inspect", path, "--json", "--chunks")
        if done.returncode:
            wrong.append(f"{shape} up to {greatest} in chunks of {chunk}: {done.stderr}")
            continue
        found = next(variable for variable in json.loads(done.stdout)["variables"] if variable["name"] == "x")
        if not np.array_equal(_read(path, found), expected):
            wrong.append(f"{shape} up to {greatest} in chunks of {chunk}: other data")
    assert not wrong, "\n".join(wrong)


def _write(path: Path, version: tuple[str, str], array: tuple, filters: dict, sparse: bool) -> None:
    shape, greatest, chunk = array
    with h5py.File(path, "w", libver=version) as file:
        x = file.create_dataset("x", shape, "<f4", maxshape=greatest, chunks=chunk, fillvalue=FILL, **filters)
        for axis, (length, most) in enumerate(zip(shape, greatest)):
            scale = file.create_dataset(f"d{axis}", (length,), "i4", maxshape=(most,), chunks=None if most == length else (length,))
            scale.make_scale()
            x.dims[axis].attach_scale(scale)
        if math.prod(shape) > 100_000:
            x[-2000:] = np.arange(2000)
        elif not sparse:
            x[...] = np.arange(1, math.prod(shape) + 1).reshape(shape)
        if not sparse:
            return
        first, last = [0] * len(shape), [length - 1 for length in shape]
        middle = [length // 2 for length in shape]
        for value, place in enumerate((first, middle, last)):
            x[tuple(place)] = value


def _read(path: Path, variable: dict) -> np.ndarray:
    """The variable, put together from its chunks."""
    shape, chunk_shape = variable["shape"], variable["chunk_shape"]
    data = np.full(shape, FILL, "<f4")
    stored = path.read_bytes()
    for chunk in variable["chunks"]:
        block = _decode(stored[chunk["byte_offset"] :][: chunk["size"]], variable["filters"]).reshape(chunk_shape)
        lengths = [min(length, size - start) for start, length, size in zip(chunk["offset"], chunk_shape, shape)]
        place = tuple(slice(start, start + length) for start, length in zip(chunk["offset"], lengths))
        data[place] = block[tuple(map(slice, lengths))]
    return data


def _decode(stored: bytes, filters: list[dict]) -> np.ndarray:
    for name in reversed([step["name"] for step in filters]):
        if name == "deflate":
            stored = zlib.decompress(stored)
        elif name == "shuffle":
            stored = np.frombuffer(stored, "u1").reshape(4, -1).T.tobytes()
        elif name == "fletcher32":
            stored = stored[:-4]
    return np.frombuffer(stored, "<f4")
