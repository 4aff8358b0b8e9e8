"""Variables without time that differ among the files: refused with the largest difference, or taken from the first file, as the store
then says."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

import readers
import truth
from publisher import Publisher
from trees import LAT, File, differing, version_directory, write_series

ATTRIBUTE = "vzarr_publish_from_first_file"


def _orography(height: float):
    """A field that is too large to be kept in the manifest."""

    def add(dataset: netCDF4.Dataset) -> None:
        dataset.createDimension("y", 300)
        dataset.createDimension("x", 400)
        orog = dataset.createVariable("orog", "f4", ("y", "x"), compression="zlib", chunksizes=(100, 400))
        field = np.random.default_rng(1).normal(size=(300, 400)).astype("f4")
        field[299, 399] = height
        orog[:] = field

    return add


CASES: dict[str, tuple[list[File], str, str]] = {
    "height": (differing(height=[2.0, 10.0]), "height", "in 1 values, most in 10 instead of 2"),
    "lat": (differing(lat=[tuple(LAT), tuple(LAT + 0.25)]), "lat", "in 5 values, most in "),
    "orog": (differing(also=[_orography(8.0), _orography(8.5)]), "orog", "in 1 values, most in 8.5 instead of 8"),
    "seams": (differing(height=[2.0, 10.0, 2.0], chunks=[(5, 5, 7)] * 3), "height", "in 1 values, most in 10 instead of 2"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_file_or_none(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    files, variable, told = CASES[name]
    tree, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    write_series(version_directory(tree, name), files, name)
    vzarr_publish.scan(tree, ledger=ledger, expect=[1])
    (refused,) = vzarr_publish.stores(ledger).values()
    assert refused.reason.startswith("static-differs") and f"`{variable}`" in refused.reason and told in refused.reason
    assert "--on-static-mismatch first" in vzarr_publish.explanation(refused, ledger)

    vzarr_publish.scan(tree, "--on-static-mismatch", "first", ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    warnings = [line for line in vzarr_publish.warnings(store, ledger) if "[static-differs]" in line]
    names = ["lat", "lat_bnds"] if variable == "lat" else [variable]
    assert {name for name in names if any(f"`{name}`" in line for line in warnings)} == set(names), warnings
    with readers.rectilinear(), readers.zarr_v3(str(store.manifest), decode=False) as opened:
        assert opened.attrs.pop(ATTRIBUTE).split() == names
        # The truth, too, takes from the first file what has no time; decoded, xarray would join two grids to one.
        assert truth.raw_differences(opened, store.files) == []
    verified = vzarr_publish.run("verify", "--all", "--ledger", ledger)
    if "without libnetcdf" not in verified.stderr:
        assert verified.returncode == 0, verified.stderr
