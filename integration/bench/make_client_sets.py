"""Makes one dataset for `client.py` to read: NetCDF files, and the same data as native Zarr V3.

    make_client_sets.py DIRECTORY STEPS

Ten files with a chunk for each step, tiny, so that the number of references is what readers feel. The native store has the chunks
that the files have, byte for byte, and the metadata of our manifest, so that nothing differs but where readers find things.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

import make_reader_sets as files
import make_trees as trees

COUNT, SIDE = 10, 4


def write(path: Path, first: int, steps: int) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update(files.GLOBAL)
        time = first + np.arange(steps) + 0.5
        bounds = np.stack([time - 0.5, time + 0.5], axis=1)
        for name, values in (("time", time), ("lat", np.arange(SIDE, dtype="f8")), ("lon", np.arange(SIDE, dtype="f8"))):
            file.create_dataset(name, data=values, chunks=(min(512, steps),) if name == "time" else None)
            file[name].make_scale(name)
        file.create_dataset("time_bnds", data=bounds, chunks=(min(512, steps), 2))
        file.create_dataset("bnds", (2,), "f4")  # never written, as netCDF leaves it
        file["bnds"].make_scale("This is a netCDF dimension but not a netCDF variable.         2")
        values = np.random.default_rng(first).normal(280, 10, (steps, SIDE, SIDE)).astype("f4")
        file.create_dataset("tas", data=values, chunks=(1, SIDE, SIDE), compression=1, shuffle=True, fillvalue=files.FILL)
        for name, dimensions in (("time_bnds", ("time", "bnds")), ("tas", ("time", "lat", "lon"))):
            for axis, dimension in enumerate(dimensions):
                file[name].dims[axis].attach_scale(file[dimension])
        for name in ("time", "lat", "lon", "tas"):
            left_out = ("coordinates", "cell_measures") if name == "tas" else ("bounds",) if name != "time" else ()
            kept = {key: value for key, value in files.VARIABLES[name].items() if key not in left_out}
            file[name].attrs.update(kept)
        file["tas"].attrs["_FillValue"] = files.FILL


def unpack(manifest: Path, store: Path) -> None:
    """The V3 half of a manifest as a store of its own."""
    opened: dict[str, int] = {}
    for key, value in json.loads(manifest.read_bytes())["refs"].items():
        if key.rpartition("/")[2].startswith(".z"):
            continue
        path = store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, list):
            file, first, size = value
            if file not in opened:
                opened[file] = os.open(file, os.O_RDONLY)
            content = os.pread(opened[file], size, first)
        else:
            content = base64.b64decode(value.removeprefix("base64:")) if value.startswith("base64:") else value.encode()
        path.write_bytes(content)
    for descriptor in opened.values():
        os.close(descriptor)


def main() -> None:
    root, steps = Path(sys.argv[1]), int(sys.argv[2])
    note = root / "made-from.json"
    made_from = [steps, *(Path(module).read_text() for module in (__file__, files.__file__, trees.__file__))]
    if note.is_file() and json.loads(note.read_text()) == made_from:
        return
    shutil.rmtree(root, ignore_errors=True)
    directory = trees.directory_of(root, "CLIENT")
    directory.mkdir(parents=True)
    each = steps // COUNT
    for number in range(COUNT):
        write(directory / trees.name_of("CLIENT", number * each, each), number * each, each)
    local = root / "local"
    command = [os.environ["VZARR_PUBLISH"], "scan", root, "--quiet", "--output-dir", local, "--ledger", local / "ledger.sqlite"]
    subprocess.run(command, check=True)
    [manifest] = local.glob("**/*.json")
    unpack(manifest, root / "native.zarr")
    note.write_text(json.dumps(made_from))


if __name__ == "__main__":
    main()
