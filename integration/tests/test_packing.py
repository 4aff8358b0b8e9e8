"""Packing by attributes of single precision, which JSON does not have: the integers are as in the files, and the tool says what changes."""

from pathlib import Path

import netCDF4
import numpy as np

import readers
import truth
from publisher import Publisher
from trees import years, version_directory, write_series


def _single_precision(dataset: netCDF4.Dataset) -> None:
    dataset["tas"].scale_factor = np.float32(0.01)
    dataset["tas"].add_offset = np.float32(273.15)


def test_single_precision_is_announced(vzarr_publish: Publisher, tmp_path: Path) -> None:
    packed = {"dtype": "i2", "packing": (0.01, 273.15), "fill": -999, "missing": -999}
    write_series(version_directory(tmp_path, "packed"), years(2, also=_single_precision, **packed), "packed")
    vzarr_publish.scan(tmp_path, ledger=tmp_path / "ledger.sqlite", expect=[0])
    (store,) = vzarr_publish.stores(tmp_path / "ledger.sqlite").values()
    warnings = "\n".join(vzarr_publish.warnings(store, tmp_path / "ledger.sqlite"))
    assert "`scale_factor`, 0.01" in warnings and "`add_offset`, 273.15" in warnings, warnings
    assert "unpack in double precision" in warnings
    for read in readers.READERS.values():
        with read(str(store.manifest), decode=False) as raw:
            assert truth.raw_differences(raw, store.files) == []
        with read(str(store.manifest)) as decoded:
            assert decoded["tas"].dtype == np.float64
