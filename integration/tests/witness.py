"""What `inspect` says of one file against what libhdf5 and libnetcdf read from it.

The witness is the data, decoded: chunks are read at the places that `inspect` gives and decoded here, in Python, and must be bit for
bit what libhdf5 reads. Its own table of chunks would not do: it is wrong where the unlimited dimension of an extensible array is not
the first (HDF5 2.0.0 and 2.2.0). Beyond the data, libnetcdf says which variables, dimensions, types and attributes there are.

Files may be broken on purpose, and some crash the libraries: `judge` looks at a file in a process of its own.
"""

import bz2
import json
import math
import multiprocessing
import os
import re
import struct
import subprocess
import traceback
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import netCDF4
import numcodecs.blosc
import numcodecs.lz4
import numcodecs.zstd
import numpy as np

RIGHT, REFUSED, BOTH_REFUSE, WRONG = "indexed-right", "refused-by-name", "both-refuse", "WRONG"
# Not compared: more elements than this would take the memory of the machine.
MOST_BYTES = 400_000_000
LIMIT_SECONDS = 40
NAMES = {1: "deflate", 2: "shuffle", 3: "fletcher32", 307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32015: "zstd"}
# Rounding filters: the values that they stored are what every reader gets.
UNDONE_BY_NOTHING = {32022, 32023}
# What netCDF-C puts before the name of a variable that shares it with a dimension of others.
NON_COORDINATE = "_nc4_non_coord_"
ERROR = re.compile(r"error: (.*?)(?: \[([a-z0-9-]+)\])?$", re.MULTILINE)

# A file that is sound must not be called broken. These are broken, although libnetcdf or libhdf5 opens them: how, and why they are here.
BROKEN = {
    "bad_unlimited.nc1": "two record dimensions",
    "bad_unlimited.nc2": "two record dimensions",
    "bad_unlimited.nc5": "two record dimensions",
    "bad_xtype.nc1": "a type of CDF-5 in CDF-1",
    "bad_xtype.nc2": "a type of CDF-5 in CDF-2",
    **{f"bad_padding_name_{what}.nc{version}": "no data" for what in ("var", "vattr") for version in (1, 2, 5)},
    **{f"bad_padding_value_vattr.nc{version}": "no data" for version in (1, 2, 5)},
}
# Files where ours is the better answer, or where there is no telling.
KNOWN = {
    "bad_large_rec_2_vars.nc2": "libnetcdf refuses record variables above 4 GiB before the last; the header leaves no doubt",
    "bad_large_rec_var.nc2": "likewise",
}


class NotDecoded(Exception):
    """The witness cannot tell: there is no decoder in Python, or no reader."""


@dataclass
class Judgement:
    outcome: str
    # What differs, or why it was refused.
    said: list[str] = field(default_factory=list)
    # The code of a refusal, such as `unsupported`.
    code: str | None = None
    # Variables whose data were compared, and those where that was not possible.
    compared: int = 0
    passed_over: list[str] = field(default_factory=list)
    # Places of chunks that were compared, by kind of index or layout.
    layouts: dict[str, int] = field(default_factory=dict)


def judge(binary: Path, path: Path, seconds: float = LIMIT_SECONDS) -> Judgement:
    """The judgement on one file, made in a process of its own."""
    for libraries in (("libnetcdf", "libhdf5"), ("libhdf5",), ()):
        judgement = _in_a_process(binary, path, libraries, seconds)
        if judgement:
            break
        # The library did not survive the file: libnetcdf does not end where groups are linked in a ring.
    else:
        return Judgement(WRONG, ["the comparison itself fails"], "comparison")
    if len(libraries) < 2:
        judgement.passed_over.append("libnetcdf does not survive the file")
    return judgement


def _in_a_process(binary: Path, path: Path, libraries: tuple[str, ...], seconds: float) -> Judgement | None:
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, binary, path, libraries), daemon=True)
    process.start()
    sending.close()
    try:
        return receiving.recv() if receiving.poll(seconds) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()
        receiving.close()


def _send(connection, binary: Path, path: Path, libraries: tuple[str, ...]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        connection.send(compare(binary, path, libraries))
    except Exception:
        connection.send(Judgement(WRONG, [traceback.format_exc(limit=-4)], "comparison"))
    connection.close()


def inspect(binary: Path, path: Path) -> dict | Judgement:
    """What `inspect` prints, or the judgement on its refusal."""
    try:
        done = subprocess.run([binary, "inspect", path, "--json", "--chunks"], capture_output=True, timeout=LIMIT_SECONDS / 2)
    except subprocess.TimeoutExpired:
        return Judgement(WRONG, ["inspect does not end"], "hang")
    if done.returncode == 0:
        return json.loads(done.stdout)
    said = done.stderr.decode(errors="replace")
    found = ERROR.search(said)
    if done.returncode not in (1, 3) or "panicked" in said or not found:
        return Judgement(WRONG, [f"exit {done.returncode}: {said}"], "panic")
    reason, code = found.groups()
    return Judgement(REFUSED, [reason.split("`: ", 1)[-1]], code)


def compare(binary: Path, path: Path, libraries: tuple[str, ...] = ("libnetcdf", "libhdf5")) -> Judgement:
    told = inspect(binary, path)
    if isinstance(told, Judgement):
        if told.outcome == REFUSED and not _is_read_by_a_library(path, libraries):
            told.outcome = BOTH_REFUSE
        return told
    return judge_told(told, path, libraries)


def judge_told(told: dict, path: Path, libraries: tuple[str, ...] = ("libnetcdf", "libhdf5")) -> Judgement:
    """The judgement on what `inspect` told."""
    judgement = Judgement(RIGHT)
    refused = {item["variable"] for item in told.get("refused", []) if item["variable"]}
    if "libnetcdf" in libraries:
        judgement.said += _against_libnetcdf(told, path, refused)
        if not told["format"].startswith("HDF5"):
            judgement.said += _against_classic(told, path, judgement)
    if "libhdf5" in libraries and told["format"].startswith("HDF5"):
        judgement.said += _against_libhdf5(told, path, judgement)
    if judgement.said:
        judgement.outcome = WRONG
    elif refused:
        judgement.outcome = REFUSED
        judgement.said = sorted(f"{item['variable']}: {item['reason']}" for item in told["refused"])
        judgement.code = told["refused"][0]["code"]
    return judgement


def _is_read_by_a_library(path: Path, libraries: tuple[str, ...]) -> bool:
    """Whether one of the libraries opens the file and reads all the variables that we would be asked for."""
    try:
        if "libnetcdf" in libraries:
            netCDF4.Dataset(path).close()
            return True
    except Exception:
        pass
    try:
        with h5py.File(path) as file:
            for name, item in file.items():
                list(item.attrs.items())
                if isinstance(item, h5py.Dataset) and item.size and item.size * item.dtype.itemsize < MOST_BYTES:
                    item[...]
            return True
    except Exception:
        return False


# ---- libnetcdf ---------------------------------------------------------------------------------------------------------------


def _against_libnetcdf(told: dict, path: Path, refused: set[str]) -> list[str]:
    """Names, dimensions, types and attributes."""
    try:
        dataset = netCDF4.Dataset(path)
    except Exception:
        return []
    with dataset:
        dataset.set_auto_maskandscale(False)
        ours = {variable["name"]: variable for variable in told["variables"]}
        wrong = []
        theirs = {name for name in dataset.variables if name not in refused}
        if ours.keys() != theirs:
            wrong.append(f"variables: only ours {sorted(ours.keys() - theirs)}, only libnetcdf's {sorted(theirs - ours.keys())}")
        for name in ours.keys() & theirs:
            wrong += _variable_against_libnetcdf(ours[name], dataset.variables[name])
        dimensions = {d["name"]: (d["size"], d["unlimited"]) for d in told["dimensions"]}
        expected = {name: (len(d), d.isunlimited()) for name, d in dataset.dimensions.items()}
        if dimensions != expected and not refused:
            wrong.append(f"dimensions {_only(dimensions, expected)}, in libnetcdf {_only(expected, dimensions)}")
        if all(item["variable"] for item in told.get("refused", [])):
            wrong += _attributes(told, dataset, "the file")
        return wrong


def _only(these: dict, others: dict) -> dict:
    return {key: value for key, value in these.items() if others.get(key) != value}


def _variable_against_libnetcdf(ours: dict, theirs: netCDF4.Variable) -> list[str]:
    name, wrong = ours["name"], []
    if tuple(ours["dimensions"]) != theirs.dimensions:
        wrong.append(f"{name}: dimensions {ours['dimensions']}, in libnetcdf {theirs.dimensions}")
    if tuple(ours["shape"]) != theirs.shape:
        wrong.append(f"{name}: shape {ours['shape']}, in libnetcdf {theirs.shape}")
    try:
        dtype, endian = theirs.dtype, theirs.endian()
    except Exception:
        return wrong
    if dtype is str:
        expected = "string"
    elif isinstance(theirs.datatype, (np.dtype, netCDF4.EnumType)):
        # Enumerations are shown as the integers that they are made of.
        expected = "|S1" if dtype.kind == "S" else np.dtype(dtype).newbyteorder({"big": ">", "little": "<"}.get(endian, "=")).str
    else:
        expected = f"a type defined by the file ({theirs.datatype})"
    found = ours["dtype"]
    if found != expected and not (found[1:] == expected[1:] and endian == "native"):
        wrong.append(f"{name}: type {found}, in libnetcdf {expected}")
    return wrong + _attributes(ours, theirs, name)


def _attributes(ours: dict, theirs: netCDF4.Dataset | netCDF4.Variable, of: str) -> list[str]:
    if "attributes" not in ours:
        return []
    wrong = []
    found = {attribute["name"]: attribute for attribute in ours["attributes"]}
    expected = theirs.ncattrs()
    if set(expected) != found.keys():
        wrong.append(f"{of}: attributes only ours {sorted(found.keys() - set(expected))}, not ours {sorted(set(expected) - found.keys())}")
    for name in expected:
        try:
            value = theirs.getncattr(name)
        except Exception:
            continue
        if name in found and not _same_value(found[name]["value"], value):
            wrong.append(f"{of}: attribute {name} is {found[name]!r:.200}, in libnetcdf {value!r:.200}")
    return wrong


def _same_value(ours, theirs) -> bool:
    ours, theirs = np.atleast_1d(np.array(ours, dtype=object)), np.atleast_1d(np.array(theirs, dtype=object))
    if ours.size == 0 and theirs.size == 1 and theirs[0] == "" or theirs.size == 0 and ours.size == 1 and ours[0] == "":
        return True
    return ours.size == theirs.size and all(_same_element(a, b) for a, b in zip(ours.ravel(), theirs.ravel()))


def _same_element(ours, theirs) -> bool:
    if isinstance(theirs, (bytes, np.bytes_)):
        theirs = theirs.decode("latin1")
    if isinstance(theirs, str):
        # Text that is not UTF-8 is Latin-1 to us; netCDF4 shows marks in its place.
        return isinstance(ours, str) and (ours.rstrip("\0") == theirs.rstrip("\0") or "\ufffd" in theirs)
    if isinstance(ours, str):  # JSON has no numbers for them: NaN, Infinity, -Infinity, or the bits of a NaN
        return bool(np.isnan(theirs)) if ours.startswith("0x") else _same_number(float(ours), theirs)
    return _same_number(ours, theirs)


def _same_number(ours, theirs) -> bool:
    if isinstance(theirs, (np.float32, np.float64, float)):
        kind = type(theirs)
        return kind(ours) == theirs or bool(np.isnan(kind(ours)) and np.isnan(theirs))
    return int(ours) == int(theirs)


# ---- NetCDF classic ----------------------------------------------------------------------------------------------------------


def _against_classic(told: dict, path: Path, judgement: Judgement) -> list[str]:
    wrong = []
    try:
        dataset = netCDF4.Dataset(path)
    except Exception as error:
        return [f"libnetcdf does not open the file: {error}"]
    with dataset:
        dataset.set_auto_maskandscale(False)
        dataset.set_auto_chartostring(False)
        for variable in told["variables"]:
            if variable["name"] not in dataset.variables:
                continue
            try:
                expected = np.asarray(dataset.variables[variable["name"]][...])
            except Exception as error:
                judgement.passed_over.append(f"libnetcdf cannot read: {error}")
                continue
            dtype = np.dtype(variable["dtype"])
            expected = expected.astype(dtype)
            found, known = assemble(path, variable, dtype, _fill_told(variable, dtype))
            judgement.compared += 1
            judgement.layouts["netcdf-classic"] = judgement.layouts.get("netcdf-classic", 0) + 1
            shape = found.shape
            found, expected, known = found.reshape(-1), expected.reshape(-1), known.reshape(-1)
            if found.shape == expected.shape and not _same_bytes(found[known], expected[known]):
                wrong.append(f"{variable['name']}: {_first_difference(found, expected, shape)}")
    return wrong


# ---- libhdf5 -----------------------------------------------------------------------------------------------------------------


def _against_libhdf5(told: dict, path: Path, judgement: Judgement) -> list[str]:
    wrong = []
    try:
        file = h5py.File(path)
    except Exception as error:
        judgement.passed_over.append(f"libhdf5 does not open the file: {error}")
        return []
    with file:
        for variable in told["variables"]:
            try:
                item = _dataset(file, variable["name"])
                wrong += [f"{variable['name']}: {line}" for line in _data_against_libhdf5(variable, item, path)]
                judgement.compared += 1
                kind = variable.get("index") or variable["layout"]
                judgement.layouts[kind] = judgement.layouts.get(kind, 0) + 1
            except NotDecoded as reason:
                judgement.passed_over.append(str(reason))
    return wrong


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    for key in (NON_COORDINATE + name, name):
        try:
            if isinstance(item := file.get(key), h5py.Dataset):
                item.id.get_create_plist()  # fails on the dangling fill values that h5repack 1.10 leaves
                return item
        except Exception as error:
            raise NotDecoded(f"libhdf5 cannot open it: {error}") from error
    raise NotDecoded("libhdf5 shows no such variable")


def _data_against_libhdf5(variable: dict, item: h5py.Dataset, path: Path) -> list[str]:
    creation = item.id.get_create_plist()
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    wrong = []
    if [step["id"] for step in variable["filters"]] != filters:
        wrong.append(f"filters {variable['filters']}, in libhdf5 {filters}")
    if item.chunks and list(item.chunks) != variable["chunk_shape"]:
        wrong.append(f"chunks of {variable['chunk_shape']}, in libhdf5 {item.chunks}")
    expected, defined = read_with_libhdf5(item)
    if expected.dtype == bool:  # h5py's view of an enumeration
        expected = expected.view("i1")
    dtype = expected.dtype
    if variable["dtype"] not in ("string", "|S1") and np.dtype(variable["dtype"]) != dtype:
        return [*wrong, f"type {variable['dtype']}, in libhdf5 {dtype}"]
    if variable["layout"] == "compact":
        raise NotDecoded("compact")
    fill = _fill_in_libhdf5(item)
    if (told_fill := _fill_told(variable, dtype)) is not None:
        if fill is not None and not np.array_equal(told_fill, fill, equal_nan=dtype.kind == "f"):
            wrong.append(f"fill value {variable['fill']}, in libhdf5 {fill}")
        fill = told_fill
    try:
        found, known = assemble(path, variable, dtype, fill)
    except (zlib.error, ValueError, RuntimeError, OSError, IndexError, struct.error) as error:
        return [*wrong, f"what is at the places given cannot be decoded: {type(error).__name__}: {error}"]
    # A netCDF variable reaches as far as its dimensions, even where HDF5 has not been given the last of its rows.
    within = (*map(slice, item.shape), ...)
    found, known = found[within], known[within]
    if found.shape != expected.shape:
        return [*wrong, f"shape {variable['shape']}, in libhdf5 {item.shape}"]
    # Of text, `inspect` does not say what unwritten places hold.
    told_undefined = "fill" in variable and variable["fill"] is None and dtype.kind != "S"
    if told_undefined and (defined & ~known).any():
        wrong.append("places where libhdf5 reads a value are said to be undefined")
    both = defined & (known | (not told_undefined))
    found, expected, both = found.reshape(-1), expected.reshape(-1), both.reshape(-1)
    if not _same_bytes(found[both], expected[both]):
        wrong.append(_first_difference(np.where(both, found, expected), expected, tuple(item.shape)))
    if not told_undefined and "fill" in variable and not (defined | known).all():
        wrong.append("places that libhdf5 leaves undefined are given a value")
    return wrong


def _fill_in_libhdf5(item: h5py.Dataset) -> np.ndarray | None:
    try:
        return np.asarray(item.fillvalue, item.dtype).astype("i1" if item.dtype == bool else item.dtype)
    except (RuntimeError, TypeError):
        return None  # undefined


def read_with_libhdf5(item: h5py.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """All elements, and which of them libhdf5 defines: where there is no fill value it leaves the reader's memory as it was."""
    dtype = item.dtype
    if dtype.hasobject or h5py.check_string_dtype(dtype) and item.id.get_type().is_variable_str():
        raise NotDecoded("text of any length")
    if item.size * max(dtype.itemsize, 1) > MOST_BYTES:
        raise NotDecoded("too large to compare")
    reads = []
    for poison in (0x5A, 0xA5):
        read = np.frombuffer(bytearray([poison]) * (item.size * dtype.itemsize), np.dtype((np.void, dtype.itemsize))).reshape(item.shape)
        try:
            # In the file's own type, so that libhdf5 converts nothing.
            if item.size:
                item.id.read(h5py.h5s.ALL, h5py.h5s.ALL, read, mtype=item.id.get_type())
        except Exception as error:
            if "no data can be read" not in str(error):
                raise NotDecoded(f"libhdf5 cannot read: {error}") from error
            # Never written, without a fill value: all of it is undefined, and left as it was.
        reads.append(read)
    first, second = (_as_bytes(read) for read in reads)
    same = (first == second).all(axis=-1).reshape(item.shape)
    return np.ndarray(item.shape, dtype, reads[0].tobytes()), same


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return np.frombuffer(array.tobytes(), "u1").reshape(*array.shape, array.dtype.itemsize)


# ---- decoding ----------------------------------------------------------------------------------------------------------------


def assemble(path: Path, variable: dict, dtype: np.dtype, fill: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The variable put together from its chunks, and which of its elements a chunk holds."""
    shape, size = variable["shape"], np.dtype(dtype).itemsize
    chunk_shape = variable["chunk_shape"] or shape
    raw = np.dtype((np.void, size))
    data = np.zeros(shape, raw)
    if fill is not None and size:
        data[...] = np.frombuffer(fill.tobytes(), raw)[0]
    known = np.zeros(shape, bool)
    seen = set()
    with open(path, "rb") as file:
        for chunk in variable["chunks"]:
            place = tuple(chunk["offset"])
            if place in seen:
                raise ValueError(f"two chunks at {place}")
            seen.add(place)
            file.seek(chunk["byte_offset"])
            stored = file.read(chunk["size"])
            if len(stored) != chunk["size"]:
                raise ValueError(f"a chunk of {chunk['size']} bytes at {chunk['byte_offset']} ends behind the file")
            block = np.frombuffer(decode(stored, variable["filters"], chunk["filter_mask"], size, math.prod(chunk_shape) * size), raw)
            lengths = [min(length, whole - start) for start, length, whole in zip(place, chunk_shape, shape)]
            if min(lengths, default=1) <= 0:
                raise ValueError(f"a chunk at {place} lies outside the shape {shape}")
            target = tuple(slice(start, start + length) for start, length in zip(place, lengths))
            if variable["layout"] == "chunked" or len(variable["chunks"]) > 1:
                block = block[: math.prod(chunk_shape)].reshape(chunk_shape)[tuple(map(slice, lengths))]
            else:
                block = block[: math.prod(lengths)].reshape(lengths)
            data[target], known[target] = block, True
    return np.ndarray(shape, dtype, data.tobytes()), known


def decode(stored: bytes, filters: list[dict], mask: int, size: int, chunk_size: int) -> bytes:
    """One chunk, with the filters undone that were not skipped for it."""
    for number, step in reversed(list(enumerate(filters))):
        if mask >> number & 1 or step["id"] in UNDONE_BY_NOTHING:
            continue
        stored = _undo(stored, step, size, chunk_size)
    return stored


def _undo(stored: bytes, step: dict, size: int, chunk_size: int) -> bytes:
    match NAMES.get(step["id"]):
        case "deflate":
            return zlib.decompress(stored)
        case "shuffle":
            return _unshuffle(stored, step["client_data"][0] if step["client_data"] else size)
        case "fletcher32":
            return stored[:-4]
        case "bzip2":
            return bz2.decompress(stored)
        case "zstd":
            return bytes(numcodecs.zstd.decompress(stored))
        case "blosc":
            return bytes(numcodecs.blosc.decompress(stored))
        case "lzf":
            return _unlzf(stored, chunk_size)
        case "lz4":
            return _unlz4(stored)
    raise NotDecoded(f"filter {step['id']}")


def _unshuffle(stored: bytes, size: int) -> bytes:
    """Bytes that do not fill an element are at the end, as they were."""
    whole = len(stored) // size * size
    return np.frombuffer(stored[:whole], "u1").reshape(size, -1).T.tobytes() + stored[whole:]


def _unlz4(stored: bytes) -> bytes:
    """The framing of the registered HDF5 filter: both lengths, then blocks with their stored lengths, all big-endian."""
    whole, block_size = struct.unpack(">QI", stored[:12])
    at, out = 12, bytearray()
    while len(out) < whole:
        (length,) = struct.unpack(">I", stored[at : at + 4])
        block, at = stored[at + 4 : at + 4 + length], at + 4 + length
        expected = min(block_size, whole - len(out))
        out += block if length == expected else numcodecs.lz4.decompress(struct.pack("<I", expected) + block)
    return bytes(out)


def _unlzf(stored: bytes, size: int) -> bytes:
    out, at = bytearray(), 0
    while at < len(stored) and len(out) < size:
        control = stored[at]
        at += 1
        if control < 32:
            out += stored[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += stored[at]
            at += 1
        distance = ((control & 31) << 8 | stored[at]) + 1
        at += 1
        for _ in range(length + 2):
            out.append(out[-distance])
    return bytes(out)


def _fill_told(variable: dict, dtype: np.dtype) -> np.ndarray | None:
    fill = variable.get("fill")
    if fill is None:
        return None
    if isinstance(fill, str) and fill.startswith("0x"):  # a NaN of chosen bits
        return np.frombuffer(bytes.fromhex(fill[2:]), dtype.newbyteorder(">")).reshape(()).astype(dtype)
    return np.asarray(fill).astype(dtype)


def _same_bytes(first: np.ndarray, second: np.ndarray) -> bool:
    return first.tobytes() == second.tobytes()


def _first_difference(found: np.ndarray, expected: np.ndarray, shape: tuple[int, ...]) -> str:
    places = np.flatnonzero((_as_bytes(found) != _as_bytes(expected)).any(axis=-1))
    first = tuple(int(index) for index in np.unravel_index(places[0], shape))
    return f"{len(places)} of {found.size} elements differ, first at {first}: {found[places[0]]!r} instead of {expected[places[0]]!r}"
