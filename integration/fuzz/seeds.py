"""Inputs that the fuzzer starts from: small files of every kind, and for the target of a structure, where it lies in them.

    seeds.py DIRECTORY              one directory for each target is made there, and what is in them stays
    seeds.py --files DIRECTORY      the files alone
"""

import bz2
import sys
import tempfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import h5py
import netCDF4
import numpy as np

# The targets that read a structure in a file, by the signature it has.
SIGNATURES = {
    b"OHDR": ("object_header", "attribute", "symbol_table"),
    b"TREE": ("btree_v1",),
    b"BTHD": ("btree_v2",),
    b"FAHD": ("fixed_array",),
    b"EAHD": ("extensible_array",),
    b"FRHP": ("fractal_heap",),
    b"GCOL": ("global_heap",),
}
# The targets that read the body of a message, by its kind.
MESSAGES = {0x01: "dataspace", 0x03: "datatype", 0x04: "fill_value", 0x05: "fill_value", 0x06: "link", 0x08: "layout", 0x0B: "filter_pipeline"}


def write_classic(path: Path, format: str) -> None:
    with netCDF4.Dataset(path, "w", format=format) as dataset:
        dataset.title = "a title"
        dataset.createDimension("time", None)
        dataset.createDimension("x", 3)
        dataset.createVariable("time", "f8", ("time",))[:] = np.arange(4.0)
        dataset.createVariable("x", "i2", ("x",))[:] = np.arange(3)
        data = dataset.createVariable("tas", "f4", ("time", "x"), fill_value=1e20)
        data.units = "K"
        data[:] = np.arange(12.0).reshape(4, 3)
        dataset.createVariable("flag", "i1", ("time",))[:] = np.arange(4)


def write_netcdf4(path: Path) -> None:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("time", None)
        dataset.createDimension("x", 3)
        time = dataset.createVariable("time", "f8", ("time",), chunksizes=(2,))
        time.setncattr_string("names", ["one", "two"])
        time[:] = np.arange(4.0)
        dataset.createVariable("name", str, ("x",))[:] = np.array(["a", "", "bc"], dtype=object)
        options = {"compression": "zlib", "fletcher32": True, "chunksizes": (1, 3)}
        dataset.createVariable("tas", "f4", ("time", "x"), fill_value=1e20, **options)[:] = np.ones((4, 3))
        dataset.createVariable("zstd", "f4", ("time", "x"), compression="zstd", chunksizes=(1, 3))[:] = np.ones((4, 3))
        dataset.createVariable("bzip2", "f4", ("time", "x"), compression="bzip2", chunksizes=(1, 3))[:] = np.ones((4, 3))
        for number in range(12):
            dataset["tas"].setncattr(f"note_{number}", number)


def write_chunks(file: h5py.File, **filters: object) -> None:
    """Every chunk index that this version of the format knows."""
    numbers = np.arange(24, dtype=">i2").reshape(4, 6)
    file.create_dataset("single", data=numbers, chunks=(4, 6), **filters)
    file.create_dataset("fixed", data=numbers, chunks=(1, 2), **filters)
    file.create_dataset("one_unlimited", data=numbers, chunks=(1, 2), maxshape=(None, 6), **filters)
    file.create_dataset("two_unlimited", data=numbers, chunks=(1, 2), maxshape=(None, None), **filters)


def write_filtered_chunks(file: h5py.File) -> None:
    write_chunks(file, compression="gzip", shuffle=True, fletcher32=True)


def write_many_chunks(file: h5py.File) -> None:
    file.create_dataset("many", data=np.arange(600, dtype="i1"), chunks=(1,), maxshape=(None,))


def write_kinds(file: h5py.File) -> None:
    """Every other layout, kinds of types, and attributes that lie in the header."""
    file["scalar"] = 1.5
    file["text"] = np.array([b"one", b"three"])
    file["strings"] = np.array(["one", "two"], dtype=object)
    file["contiguous"] = np.arange(3, dtype=">i2")
    file["kind"] = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    file.create_dataset("unwritten", (3,), "f4", fillvalue=-1)
    file["contiguous"].attrs["list"] = ["some", "text"]
    file["contiguous"].make_scale("x")
    file["contiguous"].dims[0].label = "a label"
    file["unwritten"].dims[0].attach_scale(file["contiguous"])
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((3,)), plist)


def write_many_names(file: h5py.File) -> None:
    """More attributes and links than lie in a header."""
    file["data"] = np.arange(3)
    for number in range(12):
        file["data"].attrs[f"note_{number}"] = np.arange(number)
        file[f"link_{number}"] = h5py.SoftLink("/data")


def files(directory: Path) -> Iterator[Path]:
    for format in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"):
        write_classic(directory / format, format)
    write_netcdf4(directory / "NETCDF4")
    for libver in ("earliest", "v108", "latest"):
        for track_order in (False, True):
            for write in (write_chunks, write_filtered_chunks, write_many_chunks, write_kinds, write_many_names):
                path = directory / f"{libver}_{track_order}_{write.__name__}"
                with h5py.File(path, "w", libver=libver if libver == "earliest" else (libver, libver), track_order=track_order) as file:
                    write(file)
    yield from sorted(directory.iterdir())


def object_addresses(path: Path) -> list[int]:
    with h5py.File(path) as file:
        addresses = [h5py.h5o.get_info(file.id).addr]
        file.visititems(lambda _, found: addresses.append(h5py.h5o.get_info(found.id).addr))
    return addresses


def messages(content: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The messages in the first block of the object header at `at`: kind and body."""

    def number(position: int, width: int) -> int:
        return int.from_bytes(content[position : position + width], "little")

    if content[at : at + 4] == b"OHDR":
        flags = content[at + 5]
        width = 1 << (flags & 3)
        start = at + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        kind_width, prefix, end = 1, 6 if flags & 4 else 4, start + width + number(start, width)
        start += width
        size_at = 1
    else:
        kind_width, prefix, start, end, size_at = 2, 8, at + 16, at + 16 + number(at + 8, 4), 2
    while start + prefix <= end:
        size = number(start + size_at, 2)
        yield number(start, kind_width), content[start + prefix : start + prefix + size]
        start += prefix + size


def parameters(address: int, unlimited: int, element_size: int = 2, rank: int = 2) -> bytes:
    """As `in_file_with_grid` in src/lib.rs reads them."""
    return bytes([rank - 1, unlimited, element_size, 4, 6, 1, 1, 1, 2, 1, 1, 0]) + address.to_bytes(4, "little")


def texts() -> Iterator[tuple[str, bytes]]:
    """What is no NetCDF: the target and its input."""
    id = "CMIP6.CMIP.INM.INM-CM5-0.historical.r1i1p1f1.Amon.tas.gr1"
    directory = f"/data/{id.replace('.', '/')}/v20190610"
    name = "tas_Amon_INM-CM5-0_historical_r1i1p1f1_gr1_185001-194912.nc"
    digest = sha256(b"").hexdigest()
    for version in ("#20190610", ".v20190610"):
        options = f"mod_time=1560124800.5 | checksum={digest} | checksum_type=SHA256 | dataset_tech_notes=http://a=b"
        yield "mapfile", f"# a mapfile\n{id}{version} | {directory}/{name} | 12345 | {options}\n".encode()
        yield "mapfile", f"{id}{version} | /d/a y.nc | 0 | checksum=1220{digest}\n".encode()
    yield (
        "config",
        b"data_node: n.org\ndata_roots: {/data: esgf}\nmountpoint_map: {/css: /real}\nglobus_uuid: none\nproject: cmip6\n"
        b"https_url: 'https://h/{}/{}|application/netcdf|HTTPServer'\nstac_config: {stac_api: https://stac.org}\n"
        b"kerchunk: {data_dir: {/refs: https://r}, filter_frequency: mon, format: json}\ncmip6_clone: primavera\n"
        b"user_project_config: {x: {DRS: [a, b], CONST_ATTR: {project: X}}, clone_project: cmip6}\n",
    )
    yield (
        "config",
        b"data_roots: {/z: https://h/z}\nledger: l.sqlite\noutput_dir: /o\njobs: 8\nproject: [CMIP6]\ncontiguous_chunk: 4MiB\n"
        b"max_reencode: 5\non_overlap: first\non_static_mismatch: refuse\ncodecs: portable\nproject_files: a\ncv: b\n",
    )
    for path in sorted((Path(__file__).parents[2] / "src/drs/projects").glob("*.yaml")):
        yaml = path.read_bytes()
        yield "project", yaml
        yield "project", yaml + b"\0" + f"{directory}/{name}".encode()
    yield "project", b"name: X\ndirectory: [a, b, version]\nversion: vN\nvalues: {a: [X]}\nfile_name: [b]\nvariable: b\n\0/d/X/b/v1/b_1850.nc"
    for path in (
        f"{directory}/{name}",
        "/data/cmip5/output1/MOHC/HadGEM2-ES/rcp45/day/land/day/r1i1p1/v20111128/mrsos/mrsos_day_HadGEM2-ES_rcp45_r1i1p1_20051201-20151130.nc",
        "/data/cordex/output/EUR-11/DMI/ICHEC-EC-EARTH/historical/r3i1p1/DMI-HIRHAM5/v1/day/pr/v20131119/"
        "pr_EUR-11_ICHEC-EC-EARTH_historical_r3i1p1_DMI-HIRHAM5_v1_day_19510101-19551231.nc",
        "/data/E3SM/1_0/historical/1deg/atmos/native/model-output/mon/ens1/v1/20180129.DECKv1b.ne30_oEC.cam.h0.0001-01.nc",
        "185001-201412-clim",
    ):
        yield "path", path.encode()
    document = '"{\\"zarr_format\\":3,\\"node_type\\":\\"group\\"}"'
    yield (
        "manifest",
        f'{{"version":1,"refs":{{\n"zarr.json":{document},\n"tas/c/0":["https://h/a.nc",3,4],\n"x/c/0":"base64:AAE=",\n'
        f'"w":["u"]\n}},"sources":{{\n"https://h/a.nc":{{"size":7,"steps":3}}\n}}}}\n'.encode(),
    )


def main(corpus: Path) -> None:
    def keep(target: str, content: bytes) -> None:
        directory = corpus / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / sha256(content).hexdigest()[:16]).write_bytes(content)

    with tempfile.TemporaryDirectory() as temporary:
        for path in files(Path(temporary)):
            content = path.read_bytes()
            keep("file", content)
            if content.startswith(b"CDF"):
                keep("netcdf3", content[3:])
                continue
            keep("superblock", content[:512])
            for signature, targets in SIGNATURES.items():
                at = content.find(signature)
                while at >= 0:
                    for target in targets:
                        keep(target, parameters(at, 0))
                        keep(target, parameters(at, 0) + content)
                        keep(target, parameters(at, 1) + content)
                    at = content.find(signature, at + 1)
            for at in object_addresses(path):
                for target in SIGNATURES[b"OHDR"]:
                    keep(target, parameters(at, 0) + content)
                for kind, body in messages(content, at):
                    if kind in MESSAGES:
                        keep(MESSAGES[kind], bytes([0x14 if kind in (0x04, 0x08) else 0x10]) + body)
    for target, content in texts():
        keep(target, content)
    plain = np.arange(64, dtype="f4").tobytes()
    for filter, stored in ((1, zlib.compress(plain)), (2, plain), (3, plain + bytes(4)), (4, bz2.compress(plain))):
        keep("filters", bytes([filter, 0, 0, 4, 0, 0, 1]) + stored)
        keep("filters", bytes([2, filter, 0, 4, 0, 0, 1]) + stored)


if __name__ == "__main__":
    if sys.argv[1] == "--files":
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        list(files(Path(sys.argv[2])))
    else:
        main(Path(sys.argv[1]))
