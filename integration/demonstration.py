"""The part of `demo` that needs Python: see there."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

import readers
import truth
from nodes import DataNode
from trees import FILL, LAT, LON, file_name, version_directory, write_series, years


def surface_altitude(root: Path, source_id: str) -> None:
    """A fixed field: one file, no time."""
    path = version_directory(root, source_id, table="fx", variable="orog") / file_name(source_id, "", table="fx", variable="orog")
    path.parent.mkdir(parents=True)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.Conventions = "CF-1.7 CMIP-6.2"
        for name, values, units in (("lat", LAT, "degrees_north"), ("lon", LON, "degrees_east")):
            dataset.createDimension(name, len(values))
            axis = dataset.createVariable(name, "f8", (name,))
            axis.units = units
            axis[:] = values
        orog = dataset.createVariable("orog", "f4", ("lat", "lon"), fill_value=FILL, compression="zlib", shuffle=True)
        orog.setncatts({"standard_name": "surface_altitude", "units": "m"})
        orog[:] = np.arange(35.0).reshape(5, 7)


def make_tree(root: Path) -> None:
    write_series(version_directory(root, "DEMO-1-0"), years(3), "DEMO-1-0")
    write_series(version_directory(root, "DEMO-2-0"), years(2, calendar="360_day"), "DEMO-2-0")
    surface_altitude(root, "DEMO-1-0")


def run(*words: object, shown: bool = True) -> str:
    """Runs the tool; unless told otherwise, showing the command and what it says."""
    arguments = [str(word) for word in words]
    if shown:
        print("\n$", shlex.join(["vzarr-publish", *arguments]), flush=True)
    done = subprocess.run([os.environ["VZARR_PUBLISH"], *arguments], stdout=subprocess.PIPE, text=True)
    if shown:
        print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"vzarr-publish {words[0]} ended with exit code {done.returncode}")
    return done.stdout


def demonstrate(place: Path) -> None:
    root = place / "data"
    make_tree(root)
    print(f"\nMade a CMIP6 tree of {sum(1 for _ in root.rglob('*.nc'))} NetCDF files below {root}")
    with DataNode(root, place / "nginx") as node:
        print(f"nginx serves it at {node.base}")
        run("scan", root, "--data-root", f"{root}={node.base}", "--ledger", place / "ledger.sqlite")
        run("list", "--ledger", place / "ledger.sqlite")
        listed = run("list", "--json", "--ledger", place / "ledger.sqlite", shown=False)
        stores = [json.loads(line) for line in listed.splitlines()]
        if len(stores) != 3 or any(store["status"] != "built" for store in stores):
            sys.exit(f"three datasets must have become stores:\n{listed}")
        for harmless in (r"Object at .*zarr\.json is not recognized", "Numcodecs codecs are not in the Zarr version 3"):
            warnings.filterwarnings("ignore", message=harmless)
        for store in stores:
            url = store["url"]
            print(f'\n>>> xr.open_dataset("{url}", engine="kerchunk", chunks={{}})')
            print(xr.open_dataset(url, engine="kerchunk", chunks={}))
            files = truth.in_time_order(map(Path, store["files"]))
            if found := readers.differences(url, files):
                sys.exit("The store DIFFERS from the NetCDF files:\n" + "\n".join(found))
            names = "\n".join(f"  {file.name}" for file in files)
            print(
                f"Read by {' and by '.join(readers.READERS)}, every variable, attribute and coordinate equals what is in\n{names}"
            )


def main() -> None:
    if "--keep" in sys.argv[1:]:
        place = Path(tempfile.mkdtemp(prefix="vzarr-demo-"))
        demonstrate(place)
        print(f"\nKept: {place}")
    else:
        with tempfile.TemporaryDirectory(prefix="vzarr-demo-") as directory:
            demonstrate(Path(directory))


if __name__ == "__main__":
    main()
