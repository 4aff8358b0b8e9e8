"""Several variables, grids or frequencies in one directory: a store for each, identical to its files, or a reason for that one."""

from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import readers
import truth
from nodes import DataNode
from publisher import Publisher, Store
from trees import FILL, LAT, File, instance_id, months, version_directory, years


def cmip5_directory(root: Path, model: str) -> Path:
    return root / "cmip5" / "output1" / "VZARR" / model / "historical" / "mon" / "atmos" / "Amon" / "r1i1p1" / "v20120101"


def write(directory: Path, stem: str, files: list[File]) -> None:
    for file in files:
        file.write(directory / f"{stem}_{months(file.start, file.months)}.nc")


def write_cmip5(directory: Path, model: str, variable: str, *, table: str = "Amon", **changes: object) -> None:
    write(directory, f"{variable}_{table}_{model}_historical_r1i1p1", years(2, variable=variable, **changes))


def write_fixed(path: Path) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("lat", 5)
        dataset.createVariable("lat", "f8", ("lat",))[:] = LAT
        dataset.createVariable("orog", "f4", ("lat",), fill_value=FILL)[:] = np.arange(5)


@dataclass
class Scanned:
    root: Path
    node: DataNode
    publisher: Publisher
    ledger: Path

    def scan(self, code: int) -> str:
        arguments = (self.root, "--data-root", f"{self.root}={self.node.url(self.root)}")
        return self.publisher.scan(*arguments, ledger=self.ledger, expect=[code]).stderr

    def stores(self) -> dict[str, Store]:
        return self.publisher.stores(self.ledger)


@pytest.fixture
def tree(vzarr_publish: Publisher, node: DataNode, tmp_path: Path, request: pytest.FixtureRequest) -> Scanned:
    root = node.root / request.node.name
    root.mkdir()
    return Scanned(root, node, vzarr_publish, tmp_path / "ledger.sqlite")


def assert_holds(tree: Scanned, store: Store, directory: Path, pattern: str) -> None:
    """The store is built beside the files of this pattern, of them and no other, and equals them."""
    files = truth.in_time_order(directory.glob(pattern))
    assert store.built, store.reason
    assert store.files == files
    assert store.manifest == directory / f"{store.id}.json"
    assert store.url == tree.node.url(store.manifest)
    found = readers.differences(store.url, files)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("apart", [False, True], ids=["one directory", "directories"])
def test_variables_of_a_version(tree: Scanned, apart: bool) -> None:
    version = cmip5_directory(tree.root, "M")
    name = instance_id(version, tree.root)
    of = {variable: version / variable if apart else version for variable in ("pr", "ta", "tas")}
    for variable, directory in of.items():
        write_cmip5(directory, "M", variable)
    tree.scan(0)
    stores = tree.stores()
    assert set(stores) == {f"{name}.{variable}" for variable in of}
    for variable, directory in of.items():
        assert_holds(tree, stores[f"{name}.{variable}"], directory, f"{variable}_*.nc")
    assert "3 unchanged" in tree.scan(0)
    # One more year of one variable.
    before = {store.id: store.manifest.stat() for store in stores.values()}
    write(of["tas"], "tas_Amon_M_historical_r1i1p1", [File(start=24)])
    assert "1 built, 2 unchanged" in tree.scan(0)
    stores = tree.stores()
    assert_holds(tree, stores[f"{name}.tas"], of["tas"], "tas_*.nc")
    for variable in ("pr", "ta"):
        assert stores[f"{name}.{variable}"].manifest.stat() == before[f"{name}.{variable}"]


def test_a_bad_file_of_one_variable(tree: Scanned) -> None:
    directory = cmip5_directory(tree.root, "M")
    name = instance_id(directory, tree.root)
    for variable in ("pr", "ta", "tas"):
        write_cmip5(directory, "M", variable)
    bad = next(directory.glob("ta_*.nc"))
    bad.write_bytes(bad.read_bytes()[:3000])
    tree.scan(1)
    stores = tree.stores()
    spoilt = stores.pop(f"{name}.ta")
    assert (spoilt.status, spoilt.manifest) == ("failed", None)
    assert spoilt.reason.startswith("truncated") and str(bad) in spoilt.reason
    assert set(stores) == {f"{name}.pr", f"{name}.tas"}
    for store in stores.values():
        assert_holds(tree, store, directory, f"{store.id.rsplit('.', 1)[1]}_*.nc")


def test_two_grids(tree: Scanned) -> None:
    directory = version_directory(tree.root, "M")
    name = instance_id(directory, tree.root)
    write(directory, "tas_Amon_M_historical_r1i1p1f1_gn", years(2))
    tree.scan(0)
    alone = tree.stores()[name].manifest.read_bytes()
    # The same shape, so that nothing but the latitudes tells them apart.
    write(directory, "tas_Amon_M_historical_r1i1p1f1_gr", years(2, lat=tuple(LAT + 0.5)))
    assert "grid_label is `gr` in the file name and `gn` in the directory" in tree.scan(0)
    stores = tree.stores()
    assert set(stores) == {name, f"{name}.gr"}
    assert_holds(tree, stores[name], directory, "*_gn_*.nc")
    assert_holds(tree, stores[f"{name}.gr"], directory, "*_gr_*.nc")
    assert stores[name].manifest.read_bytes() == alone


def test_two_frequencies(tree: Scanned) -> None:
    directory = cmip5_directory(tree.root, "M")
    name = instance_id(directory, tree.root)
    write_cmip5(directory, "M", "tas")
    write_cmip5(directory, "M", "tas", table="day", frequency=None)
    tree.scan(0)
    stores = tree.stores()
    assert set(stores) == {f"{name}.tas", f"{name}.tas.day"}
    assert_holds(tree, stores[f"{name}.tas"], directory, "tas_Amon_*.nc")
    assert_holds(tree, stores[f"{name}.tas.day"], directory, "tas_day_*.nc")


def test_a_fixed_field_among_series(tree: Scanned) -> None:
    directory = cmip5_directory(tree.root, "M")
    name = instance_id(directory, tree.root)
    write_cmip5(directory, "M", "tas")
    write_fixed(directory / "orog_fx_M_historical_r0i0p0.nc")
    assert "cmor_table is `fx` in the file name and `Amon` in the directory" in tree.scan(0)
    stores = tree.stores()
    assert set(stores) == {f"{name}.orog", f"{name}.tas"}
    assert_holds(tree, stores[f"{name}.orog"], directory, "orog_*.nc")
    assert_holds(tree, stores[f"{name}.tas"], directory, "tas_*.nc")


def test_each_store_is_verified_by_itself(tree: Scanned) -> None:
    directory = cmip5_directory(tree.root, "M")
    name = instance_id(directory, tree.root)
    for variable in ("pr", "tas"):
        write_cmip5(directory, "M", variable)
    tree.scan(0)
    verify = ("verify", "--all", "--http", "--ledger", tree.ledger)
    done = tree.publisher.run(*verify)
    assert done.returncode == 0 and "2 verified" in done.stderr, done.stderr
    next(directory.glob("tas_*.nc")).touch()
    assert tree.publisher.run(*verify, f"{name}.pr").returncode == 0
    assert tree.publisher.run(*verify, f"{name}.tas").returncode == 1
