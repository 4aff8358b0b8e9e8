"""Twelve files of ten years of days, repacked as CMIP7 asks for: one store, little encoded anew, identical to the files."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import readers
from publisher import REPOSITORY, Publisher
from trees import FILL, version_directory

PACKER = REPOSITORY / "integration" / "repack" / ".venv" / "bin" / "cmip7repack"
FILES, DAYS, ROWS, COLUMNS = 12, 3650, 24, 36


def _write(path: Path, number: int) -> None:
    """Ten years of 365 days as they leave a model: a chunk for each."""
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.setncatts({"Conventions": "CF-1.12", "mip_era": "CMIP7", "variable_id": "tas", "frequency": "day"})
        for name, length in (("time", None), ("lat", ROWS), ("lon", COLUMNS), ("bnds", 2)):
            dataset.createDimension(name, length)
        time = dataset.createVariable("time", "f8", ("time",), chunksizes=(512,))
        time.setncatts({"units": "days since 1850-01-01", "calendar": "noleap", "bounds": "time_bnds", "standard_name": "time"})
        bounds = dataset.createVariable("time_bnds", "f8", ("time", "bnds"), chunksizes=(1, 2))
        starts = np.arange(number * DAYS, (number + 1) * DAYS, dtype="f8")
        time[:], bounds[:] = starts + 0.5, np.stack([starts, starts + 1], axis=1)
        for name, length in (("lat", ROWS), ("lon", COLUMNS)):
            dataset.createVariable(name, "f8", (name,))[:] = np.arange(length) * 5.0
        tas = dataset.createVariable(
            "tas", "f4", ("time", "lat", "lon"), fill_value=FILL, compression="zlib", complevel=1, chunksizes=(1, ROWS, COLUMNS)
        )
        tas.setncatts({"units": "K", "standard_name": "air_temperature"})
        noise = np.random.default_rng(number).integers(0, 8, size=(DAYS, ROWS, COLUMNS))
        tas[:] = (250 + noise / 2 + np.arange(ROWS)[:, None]).astype("f4")


def _by_cmip7repack(file: Path) -> None:
    if not PACKER.exists():
        pytest.skip(f"no {PACKER.relative_to(REPOSITORY)}: integration/setup makes it")
    done = subprocess.run([PACKER, "-o", file], env=os.environ | {"PATH": f"{PACKER.parent}:{os.environ['PATH']}"}, capture_output=True, text=True)
    assert done.returncode == 0 and "successfully" in done.stdout, f"{done.stdout}\n{done.stderr}"


def _by_h5repack(file: Path) -> None:
    """The same filters in chunks of 37 steps, which cmip7repack gives grids of 144 x 192."""
    packed = file.with_suffix(".packed")
    filters = [argument for name in ("SHUF", "GZIP=4", "FLET") for argument in ("-f", f"tas:{name}")]
    subprocess.run(["h5repack", *filters, "-l", f"tas:CHUNK=37x{ROWS}x{COLUMNS}", file, packed], check=True)
    packed.rename(file)


# How, to chunks of how many steps, and the settings to be tried.
PACKERS: dict[str, tuple[Callable[[Path], None], int, tuple[str, ...]]] = {
    "cmip7repack": (_by_cmip7repack, 1213, ("faithful", "portable")),
    "h5repack": (_by_h5repack, 37, ("faithful",)),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked")
    for number in range(FILES):
        first = 1850 + 10 * number
        _write(directory / f"tas_day_repacked_historical_r1i1p1f1_gn_{first}0101-{first + 9}1231.nc", number)
    return directory


@pytest.mark.skipif(not shutil.which("h5repack"), reason="no h5repack: integration/setup installs it")
@pytest.mark.parametrize("packer", PACKERS)
def test_repacked(packer: str, unpacked: Path, vzarr_publish: Publisher, tmp_path: Path, record_property) -> None:
    pack, steps, choices = PACKERS[packer]
    root = tmp_path / "tree"
    directory = version_directory(root, "repacked", table="day")
    shutil.copytree(unpacked, directory)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(pack, directory.iterdir()))
    tas = next(variable for variable in vzarr_publish.inspect(next(directory.iterdir()))["variables"] if variable["name"] == "tas")
    assert tas["chunk_shape"][0] == steps and [it["id"] for it in tas["filters"]] == [2, 1, 3]
    for choice in choices:
        ledger = tmp_path / f"{choice}.sqlite"
        arguments = (root, "--codecs", choice, "--output-dir", tmp_path / choice)
        told = vzarr_publish.run("check", *arguments[:3]).stdout
        share = re.search(r"with chunks encoded anew, .* \(([0-9.]+) ?%\) encoded anew", told)
        assert share and 0 < float(share[1]) < 2, told
        vzarr_publish.scan(*arguments, ledger=ledger, expect=[0])
        (store,) = vzarr_publish.stores(ledger).values()
        assert store.manifest and len(store.segments) == FILES and store.variables["tas"] == "seamed"
        assert ("fletcher32" in store.manifest.read_text()) == (choice == "faithful")
        record_property("dataset", (f"repacked by {packer}, {choice}, {share[1]} % encoded anew", store.form, store.id, None))
        with readers.rectilinear(), readers.zarr_v3(str(store.manifest), decode=False) as whole:
            assert not readers.truth.raw_differences(whole, store.files)
    verified = vzarr_publish.run("verify", "--all", "--ledger", ledger)
    assert verified.returncode == 0 or "without libnetcdf" in verified.stderr, verified.stderr
