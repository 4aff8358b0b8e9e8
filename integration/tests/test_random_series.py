"""Hundreds of random datasets, each held against the numpy arrays it was written from.

The generator keeps what it writes: values, times and how they are stored. From that alone follow the form that
docs/design/010-seams-and-segments.md gives the store, and all that must be in it, bit for bit. No file is read back.
"""

import json
import random
import zlib
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, product
from pathlib import Path

import h5py
import netCDF4
import numcodecs
import numpy as np
import pytest
import xarray as xr

import readers
import truth
from publisher import Publisher, Store
from test_times import Axis
from trees import file_name, instance_id, rewrite, version_directory

# Single bytes have no order, but files say one all the same.
pytestmark = pytest.mark.filterwarnings("ignore:endian-ness of dtype and endian kwarg do not match")

SEED, BLOCKS, IN_BLOCK = 20261130, 12, 25
# Of the second run nothing may be encoded anew; of the first, data in one piece are cut small.
LIMITS = {20: ("--contiguous-chunk", 2000), 0: ()}
HOURS = {"days": 24, "hours": 1, "seconds": Fraction(1, 3600)}
UNITS = [
    ("days", "days since 2000-01-01"),
    ("days", "days since 1850-01-01"),
    ("days", "days since 1999-12-01 06:00:00"),
    ("hours", "hours since 2000-01-01"),
    ("hours", "hours since 1970-01-01 12:00:00"),
    ("seconds", "seconds since 1999-12-31"),
]
# Filters in the order in which netCDF-C applies them, which puts checksums first.
CHAINS = [
    (),
    ("deflate",),
    ("shuffle", "deflate"),
    ("shuffle", "deflate"),
    ("fletcher32",),
    ("fletcher32", "deflate"),
    ("fletcher32", "shuffle", "deflate"),
    ("zstd",),
    ("fletcher32", "zstd"),
]
FILLS = {"f": [1e20, -999.0, float("nan")], "i": [-99, 0], "u": [200, 0]}
# Variables up to so many bytes in each file are inlined, unless they are the data.
SMALL = 64 * 1024


@dataclass
class Part:
    """A variable in one file: its values and how they are stored."""

    values: np.ndarray
    chunks: tuple[int, ...] | None
    chain: tuple[str, ...]
    level: int
    order: str
    attributes: dict[str, object]
    fill: object
    unwritten: set[tuple[int, ...]] = field(default_factory=set)
    # A chunk that is stored without some of its filters, the bits of these, and the bytes.
    masked: tuple[tuple[int, ...], int, bytes] | None = None

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def encoding(self) -> tuple[tuple[str, ...], str]:
        return self.chain, self.order if self.values.itemsize > 1 else "none"

    @property
    def has_no_codec(self) -> bool:
        """Zarr's shuffle does not take the odd length that a checksum before it makes."""
        return self.chain[:2] == ("fletcher32", "shuffle") and self.values.itemsize == 8

    @property
    def is_unreadable(self) -> bool:
        """Whether a chunk is stored as no reader of Zarr decodes it."""
        return self.masked is not None or (self.has_no_codec and bool(self.written))

    @property
    def grid(self) -> list[tuple[int, ...]]:
        counts = [-(-length // chunk) for length, chunk in zip(self.values.shape, self.chunks, strict=True)]
        return list(product(*map(range, counts)))

    @property
    def written(self) -> list[tuple[int, ...]]:
        """The chunks that are in the file; data in one piece are as one."""
        if self.chunks is None:
            return [(0,)] if self.rows else []
        return [place for place in self.grid if place not in self.unwritten]

    @property
    def ends_within_a_chunk(self) -> bool:
        return self.chunks is not None and self.rows % self.chunks[0] > 0

    def box(self, place: tuple[int, ...]) -> tuple[slice, ...]:
        sides = zip(place, self.chunks, self.values.shape, strict=True)
        return tuple(slice(index * chunk, min((index + 1) * chunk, length)) for index, chunk, length in sides)


@dataclass
class File:
    axis: Axis
    times: np.ndarray
    format: str
    unlimited: bool
    parts: dict[str, Part]

    @property
    def steps(self) -> int:
        return len(self.times)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with netCDF4.Dataset(path, "w", format=self.format) as dataset:
            dataset.createDimension("time", None if self.unlimited else self.steps)
            time = dataset.createVariable("time", self.times.dtype, ("time",))
            time.setncatts({"units": self.axis.units, "calendar": self.axis.calendar})
            time[:] = self.times
            for name, part in self.parts.items():
                self._variable(dataset, name, part)
        masked = {name: part.masked for name, part in self.parts.items() if part.masked}
        if masked:
            with h5py.File(path, "r+") as file:
                for name, (place, mask, stored) in masked.items():
                    offset = tuple(piece.start for piece in self.parts[name].box(place))
                    # HDF5 keeps the mask that a chunk has while its size stays the same.
                    file[name].id.write_direct_chunk(offset, stored + b"\0")
                    file[name].id.write_direct_chunk(offset, stored, filter_mask=mask)

    def _variable(self, dataset: netCDF4.Dataset, name: str, part: Part) -> None:
        dimensions = ["time"]
        for axis, length in enumerate(part.values.shape[1:]):
            dimensions.append(f"{name}_{axis}")
            dataset.createDimension(dimensions[-1], length)
        storage: dict[str, object] = {}
        if self.format == "NETCDF4":
            storage["endian"] = {"<": "little", ">": "big"}[part.order]
            if part.chunks is None:
                storage["contiguous"] = True
            else:
                storage["chunksizes"] = part.chunks
                storage["fletcher32"] = "fletcher32" in part.chain
                storage["shuffle"] = "shuffle" in part.chain
                compression = {"deflate": "zlib", "zstd": "zstd"}.get(part.chain[-1] if part.chain else "")
                storage |= {"compression": compression, "complevel": part.level} if compression else {}
        fill = None if part.fill is None else part.values.dtype.type(part.fill)
        dtype = part.values.dtype.newbyteorder(part.order)
        variable = dataset.createVariable(name, dtype, dimensions, fill_value=fill, **storage)
        variable.set_auto_maskandscale(False)
        variable.setncatts({key: value for key, value in part.attributes.items() if key != "_FillValue"})
        if part.unwritten:
            for place in part.written:
                variable[part.box(place)] = part.values[part.box(place)]
        elif part.rows:
            variable[:] = part.values


@dataclass
class Form:
    """What a store consists of: the files of the whole and of each segment, and whether chunks are encoded anew."""

    whole: bool
    segments: list[range]
    seams: bool
    refused: str | None = None

    @property
    def name(self) -> str:
        if self.refused:
            return f"refused ({self.refused})"
        form = "segments only" if not self.whole else "rectilinear and segments" if self.segments else "regular"
        return f"{form}, seams" if self.seams else form


@dataclass
class Case:
    name: str
    files: list[File]

    @property
    def directory(self) -> Path:
        return version_directory(Path(), self.name)

    def write(self, root: Path) -> None:
        for number, file in enumerate(self.files):
            # The names say nothing of the times, and the order of names is not that of times.
            file.write(root / self.directory / file_name(self.name, f"{9 - number:04}"))

    @property
    def in_order(self) -> list[File]:
        """By time; files without any step come last, and among themselves by name."""
        return [file for file in self.files if file.steps] + [file for file in reversed(self.files) if not file.steps]

    @property
    def virtual(self) -> list[str]:
        return _virtual(self.files)

    def form(self, limit: int) -> Form:
        files = self.in_order
        filled = [number for number, file in enumerate(files) if file.steps]
        starts, hard, soft, whole = [0], False, False, True
        for before, after in zip(filled, filled[1:]):
            is_hard = self._is_hard(files[starts[-1]], files[before], files[after])
            # All of a whole count from the first file, however segments would be cut.
            hard = hard or is_hard or not _is_exact(files[after], files[0])
            if is_hard or self._is_soft(files[before], files[after]):
                soft = soft or not is_hard
                starts.append(after)
        joined = {name: [file.parts[name] for file in files] for name in self.virtual}
        anew = any(_is_encoded_anew(parts) for parts in joined.values())
        whole = not hard and (not soft or limit > 0 or not anew)
        segments = [range(*pair) for pair in zip(starts, [*starts[1:], len(files)])]
        if whole:
            segments = _regular(joined, len(files))
            seams = anew
        else:
            seams = False
        # What no reader decodes is encoded anew in any form; the first in the store gives the reason where that is forbidden.
        of_pieces = (self._virtual_parts(files[it.start : it.stop]) for it in ([range(len(files))] if whole else segments))
        unreadable = next((part for part in chain.from_iterable(of_pieces) if part.is_unreadable), None)
        refused = None
        if unreadable and limit == 0:
            refused = "codecs-differ" if unreadable.has_no_codec else "filter-mask"
        return Form(whole, segments if len(segments) > 1 or not whole else [], bool(seams or unreadable), refused)

    def _virtual_parts(self, files: list[File]) -> list[Part]:
        """Those of one store; a segment may be short enough to inline what others do not."""
        return [file.parts[name] for name in _virtual(files) for file in files]

    def _is_hard(self, start: File, before: File, after: File) -> bool:
        if not _is_exact(after, start):
            return True
        for name in before.parts:
            ours, theirs = before.parts[name], after.parts[name]
            if not _same_attributes(ours.attributes, theirs.attributes):
                return True
            if name in self.virtual and (ours.chunks and ours.chunks[1:]) != (theirs.chunks and theirs.chunks[1:]):
                return True
        return False

    def _is_soft(self, before: File, after: File) -> bool:
        pairs = [(before.parts[name], after.parts[name]) for name in self.virtual]
        return any(
            ours.encoding != theirs.encoding
            or ours.chunks != theirs.chunks
            or ours.ends_within_a_chunk
            # Levels are no difference but where no codec of Zarr is the same.
            or (ours.has_no_codec and ours.level != theirs.level)
            for ours, theirs in pairs
        )


def _virtual(files: list[File]) -> list[str]:
    """The variables that stay in the files."""
    largest = {name: max(file.parts[name].values.nbytes for file in files) for name in files[0].parts}
    return [name for name, size in largest.items() if name == "tas" or size > SMALL]


def _is_exact(file: File, first: File) -> bool:
    return all(first.axis.number(instant) is not None for instant in file.axis.instants(file.times))


def _same_attributes(ours: dict[str, object], theirs: dict[str, object]) -> bool:
    return ours.keys() == theirs.keys() and all(truth.same_attribute(ours[key], theirs[key]) for key in ours)


def _is_encoded_anew(parts: list[Part]) -> bool:
    """Whether one array of all files needs a chunk that is not in them."""
    stored = [part for part in parts if part.written]
    if len({part.encoding for part in stored}) > 1 or any(part.is_unreadable for part in stored):
        return True
    last = max((number for number, part in enumerate(parts) if part.rows), default=0)
    cut = (part for part in parts[:last] if part.ends_within_a_chunk and part.chain)
    return any(place[0] == part.rows // part.chunks[0] for part in cut for place in part.written)


def _regular(joined: dict[str, list[Part]], count: int) -> list[range]:
    """The runs of files that regular grids can hold."""
    ends = set()
    for parts in joined.values():
        filled = [number for number, part in enumerate(parts) if part.rows]
        for before, after in zip(filled, filled[1:]):
            length, other = (parts[number].chunks and parts[number].chunks[0] for number in (before, after))
            if parts[before].ends_within_a_chunk or length != other:
                ends.add(after)
    edges = [0, *sorted(ends), count]
    return [range(*pair) for pair in zip(edges, edges[1:])]


class Generator:
    """Draws a dataset: mostly of one mould, with an odd file here and there."""

    def __init__(self, number: int) -> None:
        self.choice = random.Random(SEED + number)
        self.numbers = np.random.default_rng(SEED + number)
        self.name = f"random-{number:03}"
        self.count = self.choice.choice([1, 2, 2, 3, 3, 4, 5, 6])

    def often(self, chance: float) -> bool:
        return self.choice.random() < chance

    def mostly(self, values: list, *, odd: float, random_all: float = 0.0) -> list:
        """A value for each file: the same, but for an odd one or for all at random."""
        usual = self.choice.choice(values)
        drawn = [usual] * self.count
        luck = self.choice.random()
        if luck < random_all:
            return [self.choice.choice(values) for _ in drawn]
        if luck < random_all + odd:
            drawn[self.choice.randrange(self.count)] = self.choice.choice(values)
        return drawn

    def case(self) -> Case:
        formats = ["NETCDF4"] * self.count
        if self.often(0.1):
            formats = [self.choice.choice(["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET"])] * self.count
        if self.often(0.03):
            formats[self.choice.randrange(self.count)] = "NETCDF3_CLASSIC"
        lengths = self.mostly([1, 2, 3, 4, 5, 7, 12], odd=0.12, random_all=0.05)
        steps = self._steps(lengths)
        unlimited = self.mostly([True, True, True, False], odd=0.06)
        unlimited = [unlimited or not count for unlimited, count in zip(unlimited, steps, strict=True)]
        dtype = self.choice.choice(["f4", "f8", "i2", "i4"] + (["i1", "u1", "i8"] if set(formats) == {"NETCDF4"} else []))
        variables = {"tas": self._variable("tas", dtype, (4, 6), lengths, steps, unlimited, formats)}
        if self.often(0.5):
            across = self.choice.choice([(), (2,)])
            variables["aux"] = self._variable("aux", "i2", across, lengths, steps, unlimited, formats)
        if self.often(0.12):
            # Beyond eight steps the file is too long for this to be inlined.
            lengths = self.mostly([2, 3, 5], odd=0.1)
            variables["large"] = self._variable("large", "f8", (25, 40), lengths, steps, unlimited, formats)
        axes, times = self._times(steps)
        parts = [{name: of_files[number] for name, of_files in variables.items()} for number in range(self.count)]
        return Case(self.name, [File(*of_file) for of_file in zip(axes, times, formats, unlimited, parts, strict=True)])

    def _steps(self, lengths: list[int]) -> list[int]:
        if self.often(0.55):
            steps = [length * self.choice.randint(1, max(1, 20 // length)) for length in lengths]
        else:
            steps = [self.choice.randint(1, 20) for _ in lengths]
        if self.often(0.1):
            steps[self.choice.randrange(self.count)] = 0
        return [0] * self.count if self.often(0.01) else steps

    def _variable(self, name, dtype, across, lengths, steps, unlimited, formats) -> list[Part]:
        kind = np.dtype(dtype)
        shapes = [across] * 6 + [tuple(max(1, -(-length // by)) for length in across) for by in (2, 3)]
        shapes = self.mostly(shapes, odd=0.06)
        in_pieces = self.mostly([True, False], odd=0.05)
        chains = self.mostly(CHAINS, odd=0.12, random_all=0.06)
        orders = self.mostly(["<", "<", "<", ">"], odd=0.12)
        fills = self.mostly([None, *FILLS[kind.kind]], odd=0.03)
        packings = [None, None] + ([(0.01, 273.15), (0.5, -3.0), (0.01, 0.0)] if kind.kind in "iu" else [])
        packings = self.mostly(packings, odd=0.03, random_all=0.03)
        leaves_out = self.often(0.15)
        parts = []
        for number in range(self.count):
            values = self._values((steps[number], *across), kind)
            chunks: tuple[int, ...] | None = (lengths[number], *shapes[number])
            chain, order = chains[number], orders[number]
            if not unlimited[number]:
                chunks = (min(chunks[0], steps[number]), *chunks[1:]) if in_pieces[number] else None
            if formats[number] != "NETCDF4":
                chunks, chain, order = (1, *across) if unlimited[number] else None, (), ">"
            chain = () if chunks is None else chain
            attributes: dict[str, object] = {}
            if fills[number] is not None:
                attributes["_FillValue"] = kind.type(fills[number])
            if packings[number]:
                attributes |= dict(zip(("scale_factor", "add_offset"), map(np.float64, packings[number]), strict=True))
            part = Part(values, chunks, chain, self.choice.randint(1, 9), order, attributes, fills[number])
            if leaves_out and chunks and formats[number] == "NETCDF4":
                self._leave_out(part)
            parts.append(part)
        if self.often(0.12):
            self._mask(self.choice.choice(parts))
        return parts

    def _values(self, shape: tuple[int, ...], kind: np.dtype) -> np.ndarray:
        """Any bits there are, or a series without repetition, which compresses."""
        if self.often(0.5):
            return np.frombuffer(self.numbers.bytes(int(np.prod(shape)) * kind.itemsize), dtype=kind).reshape(shape).copy()
        return (np.arange(np.prod(shape)) + self.choice.randint(0, 100)).astype(kind).reshape(shape)

    def _leave_out(self, part: Part) -> None:
        fill = netCDF4.default_fillvals[part.values.dtype.str[1:]] if part.fill is None else part.fill
        chance = self.choice.choice([0.2, 0.5, 1.0])
        part.unwritten = {place for place in part.grid if self.often(chance)}
        for place in part.unwritten:
            part.values[part.box(place)] = fill

    def _mask(self, part: Part) -> None:
        if not part.chain or not part.written:
            return
        place = self.choice.choice(part.written)
        # What a chunk has beyond the last step is undefined, and must not show.
        chunk = self._values(part.chunks, part.values.dtype)
        inside = part.values[part.box(place)]
        chunk[tuple(map(slice, inside.shape))] = inside
        stored = chunk.astype(chunk.dtype.newbyteorder(part.order)).tobytes()
        mask = (1 << len(part.chain)) - 1
        if part.chain == ("shuffle", "deflate"):
            mask = self.choice.choice([0b01, 0b10, 0b11])
            if not mask & 0b01:
                stored = bytes(numcodecs.Shuffle(chunk.itemsize).encode(stored))
            if not mask & 0b10:
                stored = zlib.compress(stored)
        part.masked = place, mask, stored

    def _times(self, steps: list[int]) -> tuple[list[Axis], list[np.ndarray]]:
        kind = self.choice.choice(["f8", "f8", "i4"])
        units = self.mostly(UNITS[:1] if self.often(0.6) else UNITS, odd=0.2, random_all=0.5)
        hours = self.mostly([24, 12, 6], odd=0.1) if self.often(0.7) else [self.choice.choice([24, 24, 12, 8]) for _ in units]
        if self.often(0.1):
            # Only the last file has times that the first has no number for, though those between them have.
            units, hours = UNITS[:1] + [UNITS[3]] * (self.count - 1), [12] * (self.count - 1) + [8]
        epoch = Axis("hours", "hours since 2000-01-01", "standard", "f8")
        axes, times, now = [], [], 0
        for (unit, text), step, count in zip(units, hours, steps, strict=True):
            axis = Axis(unit, text, "standard", kind)
            # Whole numbers of days are all that integers can count.
            if kind == "i4" and unit == "days":
                step, now = 24, -(-now // 24) * 24 + (6 if "06:00" in text else 0)
            instants = [epoch.instants(np.array([now + step * index]))[0] for index in range(count)]
            now += step * count + 24
            exact = [(instant - axis.reference) / (HOURS[unit] * 3_600_000_000) for instant in instants]
            times.append(np.array([int(number) if kind == "i4" else float(number) for number in exact], dtype=kind))
            axes.append(axis)
        return axes, times


def _cases(block: int) -> list[Case]:
    return [Generator(number).case() for number in range(block * IN_BLOCK, (block + 1) * IN_BLOCK)]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_series(block: int, vzarr_publish: Publisher, tmp_path: Path, record_property) -> None:
    cases, root = _cases(block), tmp_path / "tree"
    for case in cases:
        case.write(root)
    # A manifest that both runs write alike is read once.
    wrong, read = [], set()
    for limit, options in LIMITS.items():
        ledger = tmp_path / f"{limit}.sqlite"
        arguments = ("--max-reencode", limit, "--output-dir", tmp_path / f"{limit}", *options)
        vzarr_publish.scan(root, *arguments, ledger=ledger)
        stores = vzarr_publish.stores(ledger)
        for case in cases:
            form = case.form(limit)
            record_property("dataset", (f"random series, at most {limit} % encoded anew", form.name, case.name, None))
            found = _differences(case, form, stores[instance_id(root / case.directory, root)], read)
            wrong += [f"{case.name}, {limit} %, {form}: {line}" for line in found]
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:20])


def test_each_form_occurs() -> None:
    """The forms are those that the stores were found to have."""
    cases = [case for block in range(BLOCKS) for case in _cases(block)]
    forms = Counter(case.form(limit).name for case in cases for limit in LIMITS)
    often = ("regular", "regular, seams", "rectilinear and segments", "rectilinear and segments, seams", "segments only")
    assert all(forms[form] >= 20 for form in often), forms
    seldom = ("segments only, seams", "refused (filter-mask)", "refused (codecs-differ)")
    assert all(forms[form] >= 5 for form in seldom), forms


@pytest.mark.parametrize("name", ["in-one-piece", "packed"])
def test_data_within_the_metadata(name: str, vzarr_publish: Publisher, tmp_path: Path) -> None:
    """A small first file keeps its data where no reference leads to; others must not take them for never written."""
    layouts = [(2, None), (20, None)] if name == "in-one-piece" else [(2, None), (4, (3, 25, 40)), (3, (2, 25, 40))]
    files, first_step = [], 0
    for number, (steps, chunks) in enumerate(layouts):
        values = np.arange(steps * 1000, dtype="f4").reshape(steps, 25, 40) + number
        attributes = {"_FillValue": np.float32(1e20)} | ({"scale_factor": np.float64(min(number, 1))} if name == "packed" else {})
        part = Part(values, chunks, (), 1, "<", attributes, 1e20)
        times = np.arange(first_step, first_step + steps, dtype="f8")
        files.append(File(Axis(*UNITS[0], "standard", "f8"), times, "NETCDF4", False, {"tas": part}))
        first_step += steps
    case, root, ledger = Case(name, files), tmp_path / "tree", tmp_path / "ledger.sqlite"
    case.write(root)
    path = root / case.directory / file_name(name, "0009")
    plain = path.rename(tmp_path / "plain.nc")
    rewrite(plain, path, storage={"tas": {"compact": True}}, unlimited=False)
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    form = Form(False, [range(0, 1), range(1, len(files))], False)
    assert _differences(case, form, store, set()) == []


def test_swapped_chunks_are_seen(vzarr_publish: Publisher, tmp_path: Path) -> None:
    case = next(case for block in range(BLOCKS) for case in _cases(block) if _has_different_chunks(case))
    root, ledger = tmp_path / "tree", tmp_path / "ledger.sqlite"
    case.write(root)
    vzarr_publish.scan(root, ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    assert _differences(case, case.form(20), store, set()) == []
    manifest = json.loads(store.manifest.read_text())
    refs = manifest["refs"]
    first, second = [key for key in refs if key.startswith("tas/") and key[4:5].isdigit()][:2]
    refs[first], refs[second] = refs[second], refs[first]
    store.manifest.write_text(json.dumps(manifest))
    found = _differences(case, case.form(20), store, set())
    assert len(found) == 2 and all("values of tas differ" in line for line in found), found


def _has_different_chunks(case: Case) -> bool:
    part = case.files[0].parts["tas"]
    places = part.written[:2] if part.chunks else []
    return case.form(20).name == "regular" and len({_bits(part.values[part.box(place)]) for place in places}) == 2


def _differences(case: Case, form: Form, store: Store, read: set[bytes]) -> list[str]:
    if form.refused:
        is_right = store.status == "refused" and store.reason.startswith(f"{form.refused}:")
        return [] if is_right else [f"is {store.status}: {store.reason}"]
    if not store.built:
        return [f"must be built, was {store.status}: {store.reason}"]
    parts = (store.manifest is not None, len(store.segments), store.reencoded_bytes > 0)
    if parts != (form.whole, len(form.segments), form.seams):
        return [f"whole, segments, encoded anew: {parts}"]
    files = case.in_order
    found = []
    if form.whole:
        found += _manifest_differences(store.manifest, files, files[0], case, not form.segments, read)
    for manifest, piece in zip(store.segments, form.segments, strict=True):
        of_segment = files[piece.start : piece.stop]
        first = files[0] if form.whole else of_segment[0]
        found += _manifest_differences(manifest, of_segment, first, case, True, read)
    return found


def _manifest_differences(manifest: Path, files: list[File], first: File, case: Case, v2: bool, read: set[bytes]) -> list[str]:
    content = manifest.read_bytes()
    if content in read:
        return []
    read.add(content)
    found = []
    for reader in (readers.zarr_v3, readers.seed)[: 1 + v2]:
        try:
            with readers.rectilinear(), reader(str(manifest), decode=False) as raw:
                found += [f"{manifest.name}, {reader.__name__}: {line}" for line in _raw_differences(raw, files, first)]
        except Exception as error:  # a store that does not open or read is a difference like any other
            found.append(f"{manifest.name}, {reader.__name__}: {type(error).__name__}: {error}")
    if not v2 and ".zgroup" in json.loads(content)["refs"]:
        found.append(f"{manifest.name}: V2 has no grid for it")
    return found


def _raw_differences(raw: xr.Dataset, files: list[File], first: File) -> list[str]:
    found = []
    if raw.variables.keys() != {"time", *first.parts}:
        return [f"the variables are {sorted(raw.variables)}"]
    times = raw["time"]
    instants = [instant for file in files for instant in file.axis.instants(file.times)]
    if times.attrs["units"] != first.axis.units or times.dtype != first.times.dtype:
        found.append(f"times are {times.dtype} in {times.attrs['units']}, not {first.times.dtype} in {first.axis.units}")
    if first.axis.instants(times.values) != instants:
        found.append(f"times are {times.values}")
    for name, part in first.parts.items():
        ours, theirs = raw[name].values, np.concatenate([file.parts[name].values for file in files])
        if ours.shape != theirs.shape or ours.dtype.newbyteorder("=") != theirs.dtype:
            found.append(f"{name} is {ours.dtype} {ours.shape}, not {theirs.dtype} {theirs.shape}")
        elif _bits(ours) != _bits(theirs):
            places = np.argwhere(~truth.same_values(ours, theirs)).tolist()
            found.append(f"{len(places)} values of {name} differ, first at {places[:1]}")
        if not _same_attributes(dict(raw[name].attrs), part.attributes):
            found.append(f"attributes of {name} are {raw[name].attrs}, not {part.attributes}")
    return found


def _bits(values: np.ndarray) -> bytes:
    return values.astype(values.dtype.newbyteorder("=")).tobytes()
