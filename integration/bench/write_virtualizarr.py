"""Writes the references of some files as VirtualiZarr does, in kerchunk's format: to be compared with ours.

    write_virtualizarr.py MANIFEST URL_OF_ROOT ROOT FILE...

Coordinates are loaded and so inlined, as its documentation advises, and times bounds with them, which it else refers to.
"""

import sys
from pathlib import Path

import xarray as xr
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import HDFParser


def main() -> None:
    manifest, url, root, *files = sys.argv[1:]
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    loaded = ["time", "time_bnds", "lat", "lon"]
    parts = [
        open_virtual_dataset(
            url=Path(file).as_uri(), registry=registry, parser=HDFParser(), loadable_variables=loaded, decode_times=False
        )
        for file in files
    ]
    whole = xr.concat(parts, dim="time", data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")
    whole = whole.vz.rename_paths(lambda path: path.removeprefix("file://").replace(root, url, 1))
    whole.vz.to_kerchunk(manifest, format="json")


if __name__ == "__main__":
    main()
