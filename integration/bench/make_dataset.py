"""Writes the dataset that is measured: one CMIP6 monthly series in many files, laid out as CMOR writes it by default."""

import sys
from pathlib import Path

import cftime
import netCDF4
import numpy as np

DRS = "CMIP6/CMIP/VZARR/BENCH-1-0/historical/r1i1p1f1/Amon/tas/gn/v20260101"
NY, NX = 96, 144
UNITS, CALENDAR = "days since 0001-01-01", "noleap"


def write(path: Path, first_month: int, months: int) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.setncatts({"Conventions": "CF-1.7 CMIP-6.2", "mip_era": "CMIP6", "activity_id": "CMIP", "institution_id": "VZARR"})
        dataset.setncatts(
            {"source_id": "BENCH-1-0", "experiment_id": "historical", "variant_label": "r1i1p1f1", "table_id": "Amon"}
        )
        dataset.setncatts(
            {"variable_id": "tas", "grid_label": "gn", "frequency": "mon", "tracking_id": f"hdl:21.14100/{first_month:08}"}
        )
        for name, size in (("time", None), ("lat", NY), ("lon", NX), ("bnds", 2)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",), chunksizes=(512,))
        time.setncatts({"units": UNITS, "calendar": CALENDAR, "axis": "T", "standard_name": "time", "bounds": "time_bnds"})
        bounds = dataset.createVariable("time_bnds", "f8", ("time", "bnds"), chunksizes=(1, 2))
        for name, start, end, size, units in (("lat", -89, 89, NY, "degrees_north"), ("lon", 0, 357.5, NX, "degrees_east")):
            axis = dataset.createVariable(name, "f8", (name,))
            axis.setncatts({"units": units, "bounds": f"{name}_bnds"})
            axis[:] = np.linspace(start, end, size)
            half = (end - start) / (size - 1) / 2
            dataset.createVariable(f"{name}_bnds", "f8", (name, "bnds"))[:] = np.stack([axis[:] - half, axis[:] + half], axis=1)
        height = dataset.createVariable("height", "f8", ())
        height.setncatts({"units": "m", "axis": "Z"})
        height[...] = 2.0
        fill = np.float32(1e20)
        tas = dataset.createVariable(
            "tas",
            "f4",
            ("time", "lat", "lon"),
            chunksizes=(1, NY, NX),
            compression="zlib",
            complevel=1,
            shuffle=True,
            fill_value=fill,
        )
        tas.setncatts({"units": "K", "standard_name": "air_temperature", "coordinates": "height", "missing_value": fill})
        ends = [
            cftime.datetime(1 + month // 12, month % 12 + 1, 1, calendar=CALENDAR)
            for month in range(first_month, first_month + months + 1)
        ]
        edges = cftime.date2num(ends, UNITS, CALENDAR).astype("f8")
        field = (250 + 40 * np.cos(np.linspace(-1.5, 1.5, NY))[:, None] + np.zeros(NX)).astype("f4")
        # Noise, so that a chunk compresses about as badly as real air temperature and the index lies spread through the file.
        noise = np.random.default_rng(first_month).normal(scale=3, size=(16, NY, NX)).round(1).astype("f4")
        for step in range(months):  # step by step, as a model writes: the chunks of both variables lie interleaved
            tas[step] = field + noise[step % len(noise)]
            bounds[step] = edges[step : step + 2]
            time[step] = edges[step : step + 2].mean()


def main(root: str, files: str, months: str) -> None:
    directory = Path(root) / DRS
    directory.mkdir(parents=True)
    for number in range(int(files)):
        first = number * int(months)
        last = first + int(months) - 1
        time_range = "-".join(f"{1 + month // 12:04}{month % 12 + 1:02}" for month in (first, last))
        write(directory / f"tas_Amon_BENCH-1-0_historical_r1i1p1f1_gn_{time_range}.nc", first, int(months))
    print(directory)


if __name__ == "__main__":
    main(*sys.argv[1:])
