"""Indexes files in a loop with a Python package, and prints the times as reader_bench does.

    peer_python.py hidefix|h5py|kerchunk|virtualizarr [--seconds 0.3] [--passes N] FILE...

hidefix makes its chunk index and reads no attributes. h5py lists all chunks with `chunk_iter` and reads all attributes. kerchunk
and VirtualiZarr make the references of a whole file, as esgcet has them do. What a package needs to start is not counted.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path


def with_hidefix() -> Callable[[str], None]:
    import hidefix

    return lambda path: hidefix.Index(path)


def with_h5py() -> Callable[[str], None]:
    import h5py

    def read(path: str) -> None:
        with h5py.File(path) as file:
            dict(file.attrs)
            for dataset in file.values():
                for name in dataset.attrs:
                    if name != "REFERENCE_LIST":
                        dataset.attrs[name]
                if dataset.chunks:
                    chunks: list[object] = []
                    dataset.id.chunk_iter(chunks.append)
                else:
                    dataset.id.get_offset()

    return read


def with_kerchunk() -> Callable[[str], None]:
    from kerchunk.hdf import SingleHdf5ToZarr

    return lambda path: SingleHdf5ToZarr(path, inline_threshold=0).translate()


def with_virtualizarr() -> Callable[[str], None]:
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import HDFParser

    registry = ObjectStoreRegistry({"file://": LocalStore()})
    parser = HDFParser()
    return lambda path: parser(url=Path(path).as_uri(), registry=registry)


PACKAGES = {"hidefix": with_hidefix, "h5py": with_h5py, "kerchunk": with_kerchunk, "virtualizarr": with_virtualizarr}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", choices=PACKAGES)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--passes", type=int)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    read = PACKAGES[arguments.package]()

    def one_pass() -> float:
        before = time.perf_counter()
        for path in arguments.files:
            read(path)
        return time.perf_counter() - before

    if arguments.passes is None:
        one_pass()
    start, start_cpu = time.perf_counter(), time.process_time()
    walls: list[float] = []
    while len(walls) < arguments.passes if arguments.passes else time.perf_counter() - start < arguments.seconds:
        walls.append(one_pass())
    print(json.dumps({"walls": walls, "cpu": time.process_time() - start_cpu}))


if __name__ == "__main__":
    main()
