"""HDF5 files of every feature, made on the fly: each family of products varies a few features together.

Not all features with all others: within a family the remaining ones go round, so that over the family every pair of them that matters
meets. What must be refused says so, with words that the reason has to hold.
"""

import ctypes
import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin  # registers its filters with libhdf5
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

VERSIONS = {
    "earliest": ("earliest", "v108"),
    "v108": ("v108", "v108"),
    "v110": ("v110", "v110"),
    "v112": ("v112", "v112"),
    "v114": ("v114", "v114"),
    "latest": ("latest", "latest"),
}
# Before HDF5 1.10 every chunked dataset has a version 1 B-tree.
OLD = ("earliest", "v108")
FILLS = {"undefined": h5d.FILL_VALUE_UNDEFINED, "default": h5d.FILL_VALUE_DEFAULT, "chosen": h5d.FILL_VALUE_USER_DEFINED}
TIMES = {"never": h5d.FILL_TIME_NEVER, "alloc": h5d.FILL_TIME_ALLOC, "ifset": h5d.FILL_TIME_IFSET}
ALLOCATIONS = {"early": h5d.ALLOC_TIME_EARLY, "late": h5d.ALLOC_TIME_LATE, "incr": h5d.ALLOC_TIME_INCR}
WRITTEN = ["full", "sparse", "nothing"]


@dataclass(frozen=True)
class Product:
    family: str
    name: str
    write: Callable[[Path], None]
    # What the reason of its refusal must hold; None: it must be right.
    refused: str | None = None
    # The kind of chunk index that `inspect` must name.
    index: str | None = None

    @property
    def id(self) -> str:
        return f"{self.family}-{self.name}"


@dataclass(frozen=True)
class Array:
    """A chunked array, and the index that HDF5 1.10 and later choose for it."""

    index: str
    shape: tuple[int, ...]
    greatest: tuple[int | None, ...]
    chunk: tuple[int, ...]


ARRAYS = {
    "single": Array("single", (12, 10), (12, 10), (12, 10)),
    "single-bounded": Array("fixed-array", (9, 10), (12, 10), (12, 10)),
    "fixed": Array("fixed-array", (12, 10), (12, 10), (5, 4)),
    "fixed-bounded": Array("fixed-array", (12, 10), (20, 17), (5, 4)),
    "fixed-paged": Array("fixed-array", (3000,), (3000,), (1,)),
    "fixed-paged-bounded": Array("fixed-array", (60, 40), (80, 41), (1, 1)),
    "extensible": Array("extensible-array", (12, 10), (None, 10), (5, 4)),
    "extensible-super-blocks": Array("extensible-array", (900,), (None,), (1,)),
    "extensible-bounded": Array("extensible-array", (7, 5, 6), (None, 8, 6), (1, 3, 4)),
    "extensible-last": Array("extensible-array", (10, 12), (10, None), (4, 5)),
    "extensible-last-bounded": Array("extensible-array", (10, 400), (19, None), (4, 2)),
    "extensible-middle": Array("extensible-array", (3, 40, 5), (5, None, 9), (2, 3, 2)),
    "btree-v2": Array("btree-v2", (12, 10), (None, None), (5, 4)),
    "btree-v2-deep": Array("btree-v2", (60, 40), (None, None), (1, 2)),
    "btree-v2-of-three": Array("btree-v2", (6, 7, 8), (None, 7, None), (2, 3, 5)),
}

# Identifiers of filters with their parameters, in the order of writing. A function sets what needs more.
FILTERS: dict[str, list] = {
    "plain": [],
    "deflate": [(1, (4,))],
    "shuffle-deflate": [(2, ()), (1, (4,))],
    "shuffle": [(2, ())],
    "fletcher32": [(3, ())],
    "shuffle-deflate-fletcher32": [(2, ()), (1, (1,)), (3, ())],
    "fletcher32-shuffle-deflate": [(3, ()), (2, ()), (1, (9,))],
    "fletcher32-deflate": [(3, ()), (1, (2,))],
    "deflate-shuffle": [(1, (2,)), (2, ())],
    "lzf": [(32000, ())],
    "shuffle-lzf-fletcher32": [(2, ()), (32000, ()), (3, ())],
    "szip-nearest": [lambda creation: creation.set_szip(32, 8)],
    "szip-entropy": [lambda creation: creation.set_szip(4, 8)],
    "scaleoffset": [lambda creation: creation.set_scaleoffset(2, 0)],
    "nbit": [(5, ())],
    "zstd": [(32015, (3,))],
    "shuffle-zstd-fletcher32": [(2, ()), (32015, (3,)), (3, ())],
    "bzip2": [(307, (9,))],
    "lz4": [(32004, ())],
    "blosc": [(32001, (0, 0, 0, 0, 5, 1, 0))],
    "blosc-zstd-bitshuffle": [(32001, (0, 0, 0, 0, 5, 2, 5))],
    "bitshuffle": [(32008, (0, 0))],
    "bitshuffle-lz4": [(32008, (0, 2))],
}
# The parts of the covering family take turns with those that Python decodes.
TURNS = ["plain", "deflate", "shuffle-deflate", "fletcher32", "shuffle-deflate-fletcher32", "fletcher32-deflate", "lzf"]
NUMBERS = [order + kind for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8") for order in "<>"]


# ---- writing -----------------------------------------------------------------------------------------------------------------


def creation_of(array: Array | None, filters: str = "plain") -> h5p.PropDCID:
    creation = h5p.create(h5p.DATASET_CREATE)
    if array:
        creation.set_chunk(array.chunk)
    for step in FILTERS[filters]:
        if callable(step):
            step(creation)
        else:
            # Compressors give up on chunks that do not get smaller: then they are skipped for those.
            creation.set_filter(step[0], h5z.FLAG_OPTIONAL if step[0] > 255 else h5z.FLAG_MANDATORY, step[1])
    return creation


def create(file: h5py.File, name: str, array: Array, dtype, creation: h5p.PropDCID) -> h5py.Dataset:
    greatest = tuple(h5s.UNLIMITED if most is None else most for most in array.greatest)
    space = h5s.create_simple(array.shape, greatest) if array.shape else h5s.create(h5s.SCALAR)
    kind = dtype if isinstance(dtype, h5t.TypeID) else h5t.py_create(np.dtype(dtype), logical=True)
    return h5py.Dataset(h5d.create(file.id, name.encode(), kind, space, creation))


def values(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Numbers that differ from element to element, in every byte of them."""
    count = math.prod(shape)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (np.arange(1, count + 1) * np.pi).astype(dtype).reshape(shape)
    mixed = np.arange(1, count + 1, dtype="u8") * np.uint64(0x9E3779B97F4A7C15)
    return mixed.astype(f"u{dtype.itemsize}").view(dtype.newbyteorder("=")).reshape(shape)


def fill_in(dataset: h5py.Dataset, written: str) -> None:
    data = values(dataset.shape, dataset.dtype)
    if written == "full":
        dataset[...] = data
    elif written == "sparse":
        for place in ([0] * dataset.ndim, [length // 2 for length in dataset.shape], [length - 1 for length in dataset.shape]):
            dataset[tuple(place)] = data[tuple(place)]


def set_fill(creation: h5p.PropDCID, fill: str, dtype: str) -> None:
    if fill == "undefined":
        # h5py has no name for a fill value that is none.
        assert ctypes.CDLL(h5p.__file__).H5Pset_fill_value(ctypes.c_int64(creation.id), ctypes.c_int64(h5t.NATIVE_INT32.id), None) >= 0
    elif fill == "chosen":
        creation.set_fill_value(np.array(77, np.dtype(dtype).newbyteorder("=")))


def unfiltered_edges(creation: h5p.PropDCID) -> None:
    """Chunks that reach beyond the array are stored as they are (H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS)."""
    assert ctypes.CDLL(h5p.__file__).H5Pset_chunk_opts(ctypes.c_int64(creation.id), ctypes.c_uint(2)) >= 0


# ---- families ----------------------------------------------------------------------------------------------------------------


def indexes() -> Iterator[Product]:
    """Every version and chunk index, three times over, with filters, types, byte orders and what is written going round."""
    turns = [itertools.cycle(options) for options in (TURNS, NUMBERS, WRITTEN, ["chosen", "default"], ["late", "incr"])]
    for round_, version, (name, array) in itertools.product(range(3), VERSIONS, ARRAYS.items()):
        chosen = tuple(next(turn) for turn in turns)

        def write(path: Path, version=version, array=array, chosen=chosen):
            filters, dtype, written, fill, allocation = chosen
            creation = creation_of(array, filters)
            creation.set_alloc_time(ALLOCATIONS[allocation])
            set_fill(creation, fill, dtype)
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                fill_in(create(file, "x", array, dtype, creation), written)

        index = "btree-v1" if version in OLD else array.index
        yield Product("index", f"{version}-{name}-{round_}", write, index=index)


def implicit() -> Iterator[Product]:
    """Without filters and with all space allocated at once, chunks follow each other without an index."""
    shapes = (((12, 10), (5, 4)), ((7,), (2,)), ((3, 4, 5), (2, 2, 2)))
    for version, written, (shape, chunk) in itertools.product(VERSIONS, WRITTEN, shapes):
        array = Array("implicit", shape, shape, chunk)

        def write(path: Path, version=version, array=array, written=written):
            creation = creation_of(array)
            creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                fill_in(create(file, "x", array, "<f4", creation), written)

        yield Product("implicit", f"{version}-{written}-{len(shape)}", write, index="btree-v1" if version in OLD else "implicit")


def filters() -> Iterator[Product]:
    for name, version, dtype in itertools.product(FILTERS, ("earliest", "latest"), ("<i4", ">i2", "<f8")):
        if name == "scaleoffset" and dtype == "<f8":
            continue  # parameters of integers

        def write(path: Path, name=name, version=version, dtype=dtype):
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                array = ARRAYS["extensible"]
                dataset = create(file, "x", array, dtype, creation_of(array, name))
                dataset[...] = np.arange(120).reshape(array.shape) // 3

        yield Product("filter", f"{name}-{version}-{dtype}", write)


COMPOUND = np.dtype([("a", "i4"), ("b", "f8")])
ENUMERATION = h5py.enum_dtype({"land": 0, "sea": 1}, "i1")
TYPES: dict[str, tuple[object, str | None]] = {
    **{kind: (kind, None) for kind in NUMBERS},
    "char": ("S1", None),
    "bool": (bool, None),
    "enum": (ENUMERATION, None),
    "compound": (COMPOUND, "compound"),
    "complex": ("c16", "compound|complex"),
    "opaque": ("V5", "opaque"),
    "array": (np.dtype(("i4", (3,))), "array"),
    "reference": (h5py.ref_dtype, "reference"),
    "region-reference": (h5py.regionref_dtype, "reference"),
    "sequence": (h5py.vlen_dtype("i4"), "sequence"),
    "bit-field": (h5t.STD_B16LE, "bit field"),
    "long-double": (np.longdouble, "not IEEE 754"),
    "text": (h5py.string_dtype(), None),
    "ascii-text": (h5py.string_dtype("ascii"), None),
    "fixed-text": ("S7", None),
    "fixed-utf8": (h5py.string_dtype("utf-8", 6), None),
}


def _odd_integer() -> h5t.TypeID:
    kind = h5t.NATIVE_INT32.copy()
    kind.set_precision(31)
    return kind


TYPES["odd-integer"] = (_odd_integer(), "integer of 31 bits")


def types() -> Iterator[Product]:
    layouts = ("contiguous", "chunked", "scalar")
    for (name, (dtype, refused)), version, layout in itertools.product(TYPES.items(), ("earliest", "v110", "latest"), layouts):

        def write(path: Path, dtype=dtype, version=version, layout=layout):
            shape = () if layout == "scalar" else (10,)
            array = Array("", shape, shape, (4,))
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                dataset = create(file, "x", array, dtype, creation_of(array if layout == "chunked" else None))
                write_any(dataset)

        yield Product("type", f"{name}-{version}-{layout}", write, refused)


def write_any(dataset: h5py.Dataset) -> None:
    kind = dataset.dtype
    if text := h5py.check_string_dtype(kind):
        words = [b"Arktis", b"", "S\u00fc\u00df".encode(), b"xy"] * 3
        chosen = np.array(words[: dataset.size], kind if text.length else object).reshape(dataset.shape)
        dataset[...] = chosen if dataset.shape else chosen[()]
    elif isinstance(dataset.id.get_type(), (h5t.TypeIntegerID, h5t.TypeFloatID)):
        dataset[...] = values(dataset.shape, kind) if kind.itemsize <= 8 else 1
    elif h5py.check_enum_dtype(kind) or kind == bool:
        dataset[...] = np.arange(dataset.size).reshape(dataset.shape) % 2


def compact() -> Iterator[Product]:
    for version, dtype, shape in itertools.product(VERSIONS, ("<f8", ">i2", "S1"), ((10,), (2, 3), ())):

        def write(path: Path, version=version, dtype=dtype, shape=shape):
            creation = h5p.create(h5p.DATASET_CREATE)
            creation.set_layout(h5d.COMPACT)
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                write_any(create(file, "x", Array("", shape, shape, ()), dtype, creation))

        yield Product("compact", f"{version}-{dtype}-{len(shape)}", write)


def spaces() -> Iterator[Product]:
    """Arrays of no elements and of no dataspace, and those whose data lie elsewhere."""

    def null(file: h5py.File) -> None:
        file["x"] = h5py.Empty("f4")

    def nothing_yet(file: h5py.File) -> None:
        file.create_dataset("x", (0, 4), "f4", maxshape=(None, 4), chunks=(2, 3))

    def shrunk(file: h5py.File) -> None:
        file.create_dataset("x", data=values((12, 4), "f4"), maxshape=(None, 4), chunks=(2, 3), compression=1)
        file["x"].resize((5, 3))

    def grown(file: h5py.File) -> None:
        nothing_yet(file)
        for length in (1, 5, 30):
            file["x"].resize((length, 4))
            file["x"][-1] = length

    def shrunk_and_grown(file: h5py.File) -> None:
        shrunk(file)
        file["x"].resize((20, 4))

    def scale_of_nothing(file: h5py.File) -> None:
        """A dimension of length 0, which netCDF takes for an unlimited one."""
        file.create_dataset("t", (0,), "f8").make_scale("t")
        file.create_dataset("x", (0, 4), "f4").dims[0].attach_scale(file["t"])
        file["y"] = np.arange(4.0)
        file["y"].make_scale("y")
        file["x"].dims[1].attach_scale(file["y"])

    def shorter_than_its_scale(file: h5py.File) -> None:
        """As netCDF writes where a variable along an unlimited dimension has fewer rows than another."""
        for name, length in (("t", 7), ("x", 5), ("late", 0)):
            file.create_dataset(name, (length,), "f8", maxshape=(None,), chunks=(2,), fillvalue=-1.0)[...] = np.arange(length)
        file["t"].make_scale("t")
        file["x"].dims[0].attach_scale(file["t"])
        file["late"].dims[0].attach_scale(file["t"])

    def several_scales(file: h5py.File) -> None:
        for name in ("x", "a", "b"):
            file[name] = np.arange(4.0)
        for name in ("a", "b"):
            file[name].make_scale(name)
            file["x"].dims[0].attach_scale(file[name])

    def external(file: h5py.File) -> None:
        file.create_dataset("x", (4,), "f4", external=[("elsewhere.bin", 0, 16)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((4,), "f4")
        layout[...] = h5py.VirtualSource("elsewhere.h5", "y", (4,))
        file.create_virtual_dataset("x", layout)

    reasons = {null: "null dataspace", external: "external", virtual: "virtual"}
    lengths = (null, nothing_yet, shrunk, grown, shrunk_and_grown, scale_of_nothing, shorter_than_its_scale, several_scales)
    for write, version in itertools.product((*lengths, external, virtual), VERSIONS):
        if write is virtual and version in OLD:
            continue  # came with HDF5 1.10

        def write_file(path: Path, write=write, version=version):
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                write(file)

        yield Product("space", f"{write.__name__}-{version}", write_file, reasons.get(write))


ATTRIBUTES: dict[str, tuple[object, str | None]] = {
    **{kind: (np.array(3, kind), None) for kind in NUMBERS},
    **{f"many-{kind}": (np.array([1, 2, 250 % 128], kind), None) for kind in NUMBERS},
    "special-floats": (np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], "f4"), None),
    "special-doubles": (np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324], "f8"), None),
    "largest-integers": (np.array([2**64 - 1, 2**63, 0], "u8"), None),
    "text": ("some text", None),
    "unicode": ("Gr\u00fc\u00dfe \u2260", None),
    "empty-text": ("", None),
    "bytes": (np.bytes_(b"fixed ascii"), None),
    "padded-bytes": (np.array(b"abc", "S10"), None),
    "texts": (np.array(["one", "", "three"], object), None),
    "fixed-texts": (np.array([b"one", b"", b"three"], "S6"), None),
    "one-in-array": (np.array([5], "i4"), None),
    "one-text-in-array": (np.array(["alone"], object), None),
    "empty-array": (np.zeros(0, "f8"), None),
    "null": (h5py.Empty("f4"), None),
    "null-text": (h5py.Empty("S1"), None),
    "matrix": (np.arange(6).reshape(2, 3), "more than one dimension"),
    "half": (np.float16(1.5), "16-bit"),
    "reference": (None, None),
    "bool": (True, None),
    "complex": (1j, None),
    "opaque": (np.void(b"abc"), None),
    "compound": (np.array((1, 2.0), COMPOUND), None),
}


def attributes() -> Iterator[Product]:
    """All kinds of attributes that can be shown in one file, and a file for each that is refused."""
    shown = {name: value for name, (value, refused) in ATTRIBUTES.items() if not refused}
    kinds = [("shown", shown, None)] + [(name, {name: value}, refused) for name, (value, refused) in ATTRIBUTES.items() if refused]
    few = [(name, {name: value}, None) for name, value in shown.items() if not name.startswith("many-")]
    for (name, some, refused), version, dense in itertools.product(kinds + few, ("earliest", "v108", "latest"), (False, True)):
        if len(some) == 1 and not refused and (version == "v108" or dense):
            continue

        def write(path: Path, some=some, version=version, dense=dense):
            with h5py.File(path, "w", libver=VERSIONS[version], track_order=dense) as file:
                file["x"] = np.arange(3)
                for item, (key, value) in itertools.product((file, file["x"]), some.items()):
                    # More than eight attributes are stored apart, in files of HDF5 1.8 and later.
                    for number in range(20 if dense else 1):
                        item.attrs[f"{key}_{number}"] = file["x"].ref if value is None else value

        yield Product("attribute", f"{name}-{version}-{'dense' if dense else 'single'}", write, refused)


def huge_attributes() -> Iterator[Product]:
    """An object header takes messages of up to 64 KiB; larger ones are stored apart, by files of HDF5 1.8 and later."""
    huge = {"text": "h" * 100_000, "numbers": np.arange(20_000.0), "bytes": np.bytes_(b"b" * 70_000)}
    sizes = {"text": 65_000, "numbers": 8_000, "bytes": 64_000}
    for (name, value), version, number in itertools.product(huge.items(), VERSIONS, (1, 12)):

        def write(path: Path, name=name, value=value, version=version, number=number):
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                file["x"] = np.arange(3)
                is_limited = version == "earliest" and name != "text"  # which lies in the global heap
                for which in range(number):
                    file["x"].attrs[f"{name}_{which}"] = value[: sizes[name]] if is_limited else value

        yield Product("huge-attribute", f"{name}-{version}-{number}", write)


STRATEGIES: dict[str, dict] = {
    "usual": {},
    "page": {"fs_strategy": "page", "fs_page_size": 512},
    "page-persist": {"fs_strategy": "page", "fs_persist": True, "fs_page_size": 4096},
    "aggregate": {"fs_strategy": "aggregate"},
    "fsm": {"fs_strategy": "fsm"},
    "fsm-persist": {"fs_strategy": "fsm", "fs_persist": True, "fs_threshold": 1},
    "none": {"fs_strategy": "none"},
}


def containers() -> Iterator[Product]:
    """What is around the objects: user blocks, management of space, order of creation."""
    versions = ("earliest", "v110", "latest")
    for (name, strategy), block, version, tracked in itertools.product(STRATEGIES.items(), (0, 512, 4096), versions, (False, True)):
        if strategy and version == "earliest" or 0 < block < strategy.get("fs_page_size", 0):
            continue  # came with HDF5 1.10; not possible

        def write(path: Path, strategy=strategy, block=block, version=version, tracked=tracked):
            with h5py.File(path, "w", libver=VERSIONS[version], userblock_size=block, track_order=tracked, **strategy) as file:
                for array in ("single", "fixed", "extensible", "btree-v2"):
                    fill_in(create(file, f"z-{array}", ARRAYS[array], "<f4", creation_of(ARRAYS[array], "shuffle-deflate")), "sparse")
                file["contiguous"] = values((5, 4), "<i2")
                file["temporary"] = values((500,), "<f8")
                file["names"] = ["a", "bc", ""]
                file["contiguous"].attrs["long"] = "l" * 5000
                del file["temporary"]
                for number in range(12):
                    file.attrs[f"attribute_{number}"] = number
            if block:
                with open(path, "r+b") as stored:
                    stored.write(b"a user block " * (block // 13))

        yield Product("container", f"{name}-{block}-{version}-{'tracked' if tracked else 'untracked'}", write)


MASKED = {
    "shuffle-deflate": ("shuffle", "deflate"),
    "deflate-fletcher32": ("deflate", "fletcher32"),
    "shuffle-deflate-fletcher32": ("shuffle", "deflate", "fletcher32"),
}
FILTERS["deflate-fletcher32"] = [(1, (4,)), (3, ())]


def masks() -> Iterator[Product]:
    """Chunks that skipped filters, each chunk of a variable others."""
    kinds = ("single", "fixed", "fixed-paged", "extensible", "extensible-super-blocks", "extensible-last", "btree-v2", "btree-v2-deep")
    for (filters, names), kind, version in itertools.product(MASKED.items(), kinds, ("earliest", "v110", "latest")):

        def write(path: Path, filters=filters, names=names, kind=kind, version=version):
            array = ARRAYS[kind]
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                dataset = create(file, "x", array, "<f4", creation_of(array, filters))
                grid = itertools.product(*(range(0, length, step) for length, step in zip(array.shape, array.chunk)))
                for number, place in enumerate(grid):
                    mask = (number + 1) % 2 ** len(names)
                    chunk = values(array.chunk, "<f4") + np.float32(number)
                    dataset.id.write_direct_chunk(place, encode(chunk.tobytes(), names, mask), mask)

        yield Product("mask", f"{filters}-{kind}-{version}", write, index="btree-v1" if version in OLD else ARRAYS[kind].index)


def encode(chunk: bytes, names: tuple[str, ...], mask: int) -> bytes:
    for number, name in enumerate(names):
        if mask >> number & 1:
            continue
        if name == "shuffle":
            chunk = np.frombuffer(chunk, "u1").reshape(-1, 4).T.tobytes()
        elif name == "deflate":
            chunk = zlib.compress(chunk)
        else:
            chunk += fletcher32(chunk).to_bytes(4, "little")
    return chunk


def fletcher32(chunk: bytes) -> int:
    """As HDF5 has it: over words of two bytes, the first the more significant, and what is left over as a word of its own."""
    low = high = 0
    padded = chunk + b"\0" * (len(chunk) % 2)
    for word in np.frombuffer(padded, ">u2").tolist():
        low = (low + word) % 65535
        high = (high + low) % 65535
    # Sums are held from 1 to 65535 there, and 0 only for no words at all.
    if padded:
        low, high = low or 65535 * any(padded), high or 65535 * any(padded)
    return high << 16 | low


def partial_chunks() -> Iterator[Product]:
    """Chunks at the edges that are stored without filters, although their filter mask says nothing of it."""
    kinds = ("single-bounded", "fixed", "fixed-bounded", "extensible", "extensible-last", "extensible-middle", "btree-v2")
    for kind, version, filters in itertools.product(kinds, ("v110", "v114", "latest"), ("shuffle-deflate", "deflate-fletcher32")):

        def write(path: Path, kind=kind, version=version, filters=filters):
            array = ARRAYS[kind]
            creation = creation_of(array, filters)
            unfiltered_edges(creation)
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                fill_in(create(file, "x", array, "<f4", creation), "full")

        yield Product("partial", f"{kind}-{version}-{filters}", write)


def fills() -> Iterator[Product]:
    versions = itertools.cycle(VERSIONS)
    layouts = ("contiguous", "chunked", "compact")
    for fill, time, allocation, layout, written in itertools.product(FILLS, TIMES, ALLOCATIONS, layouts, ("nothing", "sparse")):
        if layout == "compact" and allocation != "early":
            continue  # not possible
        if fill == "undefined" and time == "alloc":
            continue  # refused by libhdf5

        def write(path: Path, chosen=(fill, time, allocation, layout, written), version=next(versions)):
            fill, time, allocation, layout, written = chosen
            array = ARRAYS["extensible"] if layout == "chunked" else Array("", (12, 10), (12, 10), ())
            creation = creation_of(array if layout == "chunked" else None, "deflate" if layout == "chunked" else "plain")
            if layout == "compact":
                creation.set_layout(h5d.COMPACT)
            creation.set_fill_time(TIMES[time])
            creation.set_alloc_time(ALLOCATIONS[allocation])
            set_fill(creation, fill, "<f4")
            with h5py.File(path, "w", libver=VERSIONS[version]) as file:
                dataset = create(file, "x", array, "<f4", creation)
                if written == "sparse":
                    fill_in(dataset, "sparse")

        yield Product("fill", f"{fill}-{time}-{allocation}-{layout}-{written}", write)


FAMILIES = (indexes, implicit, filters, types, compact, spaces, attributes, huge_attributes, containers, masks, partial_chunks, fills)


def all_products() -> list[Product]:
    assert hdf5plugin
    return [product for family in FAMILIES for product in family()]
