"""The comparison itself: it finds nothing between equals, and each kind of error between a dataset and its spoilt twin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import truth
from trees import FILL, File, write_series, years


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    directory = tmp_path_factory.mktemp("truth")
    write_series(directory, years(2), "truth")
    return truth.in_time_order(directory.glob("*.nc"))


def opened(files: list[Path], **options: object) -> xr.Dataset:
    with xr.open_mfdataset(files, engine="netcdf4", **truth.CONCATENATION, **options) as dataset:
        return dataset.load()


def test_equal_datasets_do_not_differ(files: list[Path]) -> None:
    assert truth.decoded_differences(opened(files), files) == []
    assert truth.raw_differences(opened(files, decode_cf=False), files) == []


def _set(name: str, index: tuple, value: object) -> Callable[[xr.Dataset], xr.Dataset]:
    def spoil(dataset: xr.Dataset) -> xr.Dataset:
        dataset[name].values[index] = value
        return dataset

    return spoil


def _without(mapping: Callable[[xr.Dataset], dict], key: str) -> Callable[[xr.Dataset], xr.Dataset]:
    def spoil(dataset: xr.Dataset) -> xr.Dataset:
        del mapping(dataset)[key]
        return dataset

    return spoil


def _with(mapping: Callable[[xr.Dataset], dict], key: str, value: object) -> Callable[[xr.Dataset], xr.Dataset]:
    def spoil(dataset: xr.Dataset) -> xr.Dataset:
        mapping(dataset)[key] = value
        return dataset

    return spoil


SPOILT_DECODED = {
    "one value": (_set("tas", (3, 1, 2), 0.0), "tas: 1 of 840 values"),
    "one value by one bit": (_set("tas", (3, 1, 2), np.nextafter(np.float32(258.76), np.float32(0))), "tas: 1 of 840 values"),
    "a gap filled": (lambda ds: ds.fillna({"tas": np.float32(0)}), "tas: 24 of 840 values"),
    "a scalar": (_set("height", (), 9.97e36), "height: 1 of 1 values"),
    "the order of time": (lambda ds: ds.isel(time=slice(None, None, -1)), "time: 24 of 24 values"),
    "half the series": (lambda ds: ds.isel(time=slice(0, 12)), "dimensions"),
    "a variable missing": (lambda ds: ds.drop_vars("lat_bnds"), "lat_bnds"),
    "a variable more": (lambda ds: ds.assign(lat_copy=ds.lat_bnds), "lat_copy"),
    "a static variable along time": (lambda ds: ds.assign(lat_bnds=ds.lat_bnds.expand_dims(time=ds.time)), "lat_bnds: dimensions"),
    "dimensions transposed": (lambda ds: ds.assign(tas=ds.tas.transpose()), "tas: dimensions"),
    "another type": (lambda ds: ds.assign(tas=ds.tas.astype("f8")), "tas: dtype float64"),
    "a coordinate demoted": (lambda ds: ds.reset_coords("height"), "coordinates missing from the store: ['height']"),
    "an attribute missing": (_without(lambda ds: ds.tas.attrs, "units"), "tas: attributes missing"),
    "an attribute more": (_with(lambda ds: ds.lat.attrs, "note", "x"), "lat: attributes only in the store"),
    "an attribute as text": (_with(lambda ds: ds.attrs, "realization_index", "1"), "global: attribute realization_index"),
    "an attribute as list": (_with(lambda ds: ds.attrs, "realization_index", [1]), "global: attribute realization_index"),
    "an attribute of another file": (_with(lambda ds: ds.attrs, "tracking_id", "hdl:21.14100/0"), "global: attribute tracking_id"),
    "the time units": (_with(lambda ds: ds.time.encoding, "units", "days since 1900-01-01"), "time: encoding units"),
    "the calendar": (_with(lambda ds: ds.time.encoding, "calendar", "360_day"), "time: encoding calendar"),
    "the fill value": (_without(lambda ds: ds.tas.encoding, "_FillValue"), "tas: encoding _FillValue"),
}

SPOILT_RAW = {
    "a fill value taken for data": (lambda ds: ds.assign(tas=ds.tas.where(ds.tas != FILL, -999)), "tas: 24 of 840 values"),
    "the sign of zero": (lambda ds: ds.assign_coords(lon=np.where(ds.lon == 0, -0.0, ds.lon)), "lon: 1 of 7 values"),
    "another fill value": (_with(lambda ds: ds.tas.attrs, "_FillValue", np.float32(0)), "tas: attribute _FillValue"),
    "no fill value": (_without(lambda ds: ds.tas.attrs, "_FillValue"), "tas: attributes missing"),
    "other time units": (_with(lambda ds: ds.time.attrs, "units", "days since 1851-01-01"), "time: attribute units"),
    "bounds of another file": (_set("time_bnds", (12, 0), 0.0), "time_bnds: 1 of 48 values"),
}


@pytest.mark.parametrize(("spoil", "expected"), SPOILT_DECODED.values(), ids=SPOILT_DECODED)
def test_a_decoded_difference_is_found(files: list[Path], spoil: Callable, expected: str) -> None:
    found = truth.decoded_differences(spoil(opened(files)), files)
    assert any(expected in difference for difference in found), found


@pytest.mark.parametrize(("spoil", "expected"), SPOILT_RAW.values(), ids=SPOILT_RAW)
def test_a_raw_difference_is_found(files: list[Path], spoil: Callable, expected: str) -> None:
    found = truth.raw_differences(spoil(opened(files, decode_cf=False)), files)
    assert any(expected in difference for difference in found), found


def test_all_differences_are_reported(files: list[Path]) -> None:
    spoilt = opened(files).drop_vars("lat_bnds").assign_attrs(title="other")
    spoilt["tas"].values[0, 1, 2] = 0
    spoilt["height"].values[()] = 3
    assert len(truth.decoded_differences(spoilt, files)) == 4


def test_time_orders_the_files_and_not_their_names(tmp_path: Path) -> None:
    File(start=12).write(tmp_path / "a.nc")
    File(start=0).write(tmp_path / "b.nc")
    assert [file.name for file in truth.in_time_order(tmp_path.glob("*.nc"))] == ["b.nc", "a.nc"]


def test_units_that_change_between_files_are_restated(tmp_path: Path) -> None:
    File(start=0).write(tmp_path / "a.nc")
    File(start=12, time_units="days since 1851-01-01").write(tmp_path / "b.nc")
    variables, _ = truth.raw((tmp_path / "a.nc", tmp_path / "b.nc"))
    assert variables["time"].values[12] == 365 + 15.5
    assert variables["time_bnds"].values[12].tolist() == [365, 396]
