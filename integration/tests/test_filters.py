"""Every HDF5 filter that climate files may have gone through: are small variables decoded as libhdf5 decodes them, and is bulk data
either given to readers as it is, or refused by the filter's name?

The witness is h5py with the filters of hdf5plugin. `traps.py` has whole datasets for the filters that netCDF4 reads too.
"""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

import readers
import truth
from publisher import Publisher, Store
from trees import File, file_name, months, rewrite, version_directory

# Where netCDF4 was imported first, h5py has found the plugins that come with it, and fails to write by its blosc.
hdf5plugin.register(force=True)

LENGTH, LONG = 1000, 120_000
CHUNKS = [(1,), (7,), (8,), (300,), (1000,)]
NUMBERS = ["i1", "u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8", "<f4", ">f4", "<f8", ">f8"]

H5PY = {
    "lzf": {"compression": "lzf"},
    "lzf-shuffle": {"compression": "lzf", "shuffle": True},
    "lzf-fletcher32": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "deflate": {"compression": "gzip", "shuffle": True, "fletcher32": True},
}
PLUGINS = {
    "lz4": hdf5plugin.LZ4(),
    "lz4-small-blocks": hdf5plugin.LZ4(nbytes=100),
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle-lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle-lz4-small-blocks": hdf5plugin.Bitshuffle(nelems=16, cname="lz4"),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "zstd": hdf5plugin.Zstd(),
    "bzip2": hdf5plugin.BZip2(),
    **{
        f"blosc-{cname}-{shuffle}-{level}": hdf5plugin.Blosc(cname=cname, clevel=level, shuffle=shuffle)
        for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
        for shuffle in (0, 1, 2)
        for level in (0, 1, 9)
    },
}
SHUFFLED = {f"{name}-fletcher32": {**PLUGINS[name], "fletcher32": True} for name in ("lz4", "bitshuffle-lz4", "zstd")}
LOSSLESS = H5PY | PLUGINS | SHUFFLED | {"nbit": {"compression": 5}}

SCALE_OFFSET = {
    "whole": {"scaleoffset": 0},
    "whole-deflate": {"scaleoffset": 0, "compression": "gzip"},
    "of-5-bits": {"scaleoffset": 5},
    "of-16-bits": {"scaleoffset": 16},  # those of some types, which then are left as they are
    **{f"by-{digits}-digits": {"scaleoffset": digits} for digits in (1, 2, 5)},
}


def _kinds(dtype: np.dtype) -> dict[str, np.ndarray]:
    """Numbers that compress in different ways: not at all, to almost nothing, and in between."""
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, LENGTH * dtype.itemsize, dtype="u1").view(dtype)
    noise = np.nan_to_num(noise) if dtype.kind == "f" else noise
    steps = (np.arange(LENGTH) // 3 % 100).astype(dtype)
    return {"noise": noise, "steps": steps, "same": np.full(LENGTH, 17, dtype)}


def _scaled(dtype: np.dtype) -> dict[str, np.ndarray]:
    """Numbers that lie close together, with a fill value among them."""
    numbers = (100 + np.arange(LENGTH) % 30).astype(dtype)
    if dtype.kind == "f":
        numbers += (np.arange(LENGTH) % 7 / 8).astype(dtype)
    if dtype.kind in "if" and dtype.itemsize > 1:
        numbers -= dtype.type(115)
    holes = numbers.copy()
    holes[::11] = 99 if dtype.itemsize == 1 else 999
    return {"close": numbers, "holes": holes, "same": np.full(LENGTH, 17, dtype)}


def _can_scale(dtype: np.dtype, factor: int) -> bool:
    """Of whole numbers the factor is a number of bits, of others of digits; the table has different ones for both."""
    is_number_of_bits = factor in (0, 5, 16)
    return dtype.kind != "f" and factor <= 8 * dtype.itemsize if is_number_of_bits else dtype.kind == "f"


def _add(file: h5py.File, name: str, scale: str, data: np.ndarray, **options: object) -> None:
    variable = file.create_dataset(name, data=data, track_order=True, **options)
    variable.dims[0].attach_scale(file[scale])


def _write(path: Path, options: dict[str, object], *, scaled: bool = False) -> list[str]:
    """A file of a series with variables that went through the filter beside it; their names."""

    def dimension(dataset) -> None:
        dataset.createDimension("station", LENGTH)

    File(also=dimension).write(path)
    names = []
    with h5py.File(path, "r+", track_order=True) as file:
        for dtype in map(np.dtype, NUMBERS):
            if scaled and not _can_scale(dtype, options["scaleoffset"]):
                continue
            kinds = (_scaled if scaled else _kinds)(dtype)
            for kind, data in kinds.items():
                for chunks in CHUNKS if dtype.str in ("<f4", "<i2", "<f8") else [(300,)]:
                    name = f"{kind}_{dtype.str.strip('<|').replace('>', 'big_')}_{chunks[0]}"
                    fill = {"fillvalue": dtype.type(999 if dtype.itemsize > 1 else 99)} if scaled else {}
                    _add(file, name, "station", data, chunks=chunks, **fill, **options)
                    names.append(name)
        # A coordinate, which may be large: of several blocks, and in one chunk.
        long = np.cumsum(np.arange(LONG) % 50 + 1).astype("f8")
        if not scaled:
            axis = file.create_dataset("long", data=long, chunks=(LONG,), track_order=True, **options)
            axis.make_scale("long")
            names.append("long")
            # One chunk as it is, which HDF5 marks in its filter mask.
            mixed = file.create_dataset("mixed", data=np.arange(LENGTH, dtype="<f4"), chunks=(300,), track_order=True, **options)
            filters = mixed.id.get_create_plist().get_nfilters()
            mixed.id.write_direct_chunk((300,), np.arange(300, dtype="<f4").tobytes(), filter_mask=2**filters - 1)
            mixed.dims[0].attach_scale(file["station"])
            names.append("mixed")
    return names


def _scan(vzarr_publish: Publisher, root: Path, state: Path) -> Store:
    vzarr_publish.scan(root, ledger=state / "ledger.sqlite")
    (store,) = vzarr_publish.stores(state / "ledger.sqlite").values()
    return store


def _path(root: Path, name: str) -> Path:
    return version_directory(root, name) / file_name(name, months(0, 12))


def _differences(store: Store, path: Path, names: list[str]) -> list[str]:
    found = []
    with h5py.File(path) as file:
        for reader, read in readers.READERS.items():
            with read(str(store.manifest), decode=False) as opened:
                for name in names:
                    ours, theirs = opened[name].values, file[name][...]
                    if ours.dtype.newbyteorder("=") != theirs.dtype.newbyteorder("="):
                        found.append(f"{reader}: {name} is of type {ours.dtype}")
                    elif not truth.same_values(ours, theirs).all():
                        wrong = np.flatnonzero(~truth.same_values(ours, theirs))
                        found.append(f"{reader}: {name} differs at {wrong[:5]}: {ours[wrong[:5]]}, {theirs[wrong[:5]]}")
    return found


@pytest.mark.parametrize("name", LOSSLESS)
def test_small_variables_are_decoded(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = _path(tmp_path, name)
    names = _write(path, LOSSLESS[name])
    store = _scan(vzarr_publish, tmp_path, tmp_path)
    assert store.built, store.reason
    assert not _differences(store, path, names)


@pytest.mark.parametrize("name", SCALE_OFFSET)
def test_scaled_numbers_are_those_of_libhdf5(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = _path(tmp_path, name)
    names = _write(path, SCALE_OFFSET[name], scaled=True)
    store = _scan(vzarr_publish, tmp_path, tmp_path)
    assert store.built, store.reason
    assert not _differences(store, path, names)


BULK = {
    "lzf (32000)": H5PY["lzf"],
    "lz4 (32004)": PLUGINS["lz4"],
    "bitshuffle (32008)": PLUGINS["bitshuffle-lz4"],
    "scaleoffset (6)": {"scaleoffset": 2},
}
UNDECODED = {"szip (4)": {"compression": "szip"}}


def _write_bulk(root: Path, options: object) -> Path:
    path = _path(root / "tree", "bulk")
    File().write(root / "plain.nc")
    path.parent.mkdir(parents=True)
    rewrite(root / "plain.nc", path, storage={"tas": options})
    return path


@pytest.mark.parametrize("filter", BULK)
def test_bulk_data_no_reader_decodes_is_encoded_anew(filter: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = _write_bulk(tmp_path, BULK[filter])
    store = _scan(vzarr_publish, tmp_path / "tree", tmp_path)
    assert store.built and store.variables["tas"] == "seamed" and store.reencoded_bytes, store.reason
    assert not _differences(store, path, ["tas"])


@pytest.mark.parametrize("filter", BULK | UNDECODED)
def test_bulk_data_that_may_not_be_encoded_anew_is_refused_by_name(filter: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    _write_bulk(tmp_path, (BULK | UNDECODED)[filter])
    forbidding = ("--max-reencode", 0) if filter in BULK else ()
    vzarr_publish.scan(tmp_path / "tree", *forbidding, ledger=tmp_path / "ledger.sqlite", expect=[1])
    (store,) = vzarr_publish.stores(tmp_path / "ledger.sqlite").values()
    told = vzarr_publish.explanation(store, tmp_path / "ledger.sqlite")
    assert filter in told and "h5repack" in told


@pytest.mark.parametrize("options", [hdf5plugin.Blosc(cname="snappy"), {"compression": "szip"}], ids=["blosc-snappy", "szip"])
def test_small_variables_that_are_not_decoded_are_refused_by_name(options, vzarr_publish: Publisher, tmp_path: Path) -> None:
    path = _path(tmp_path / "tree", "small")
    File().write(path)
    with h5py.File(path, "r+") as file:
        # What cannot be made smaller would be stored as it is.
        file.create_dataset("station", (500,), "f4", track_order=True).make_scale("station")
        _add(file, "weight", "station", np.zeros(500), chunks=(500,), **options)
    store = _scan(vzarr_publish, tmp_path / "tree", tmp_path)
    assert not store.built
    told = vzarr_publish.explanation(store, tmp_path / "ledger.sqlite")
    assert "weight" in told and ("snappy" in told or "szip (4)" in told)
