"""A tree of datasets in two states, and runs of the program on it that are compared by all they leave behind.

Both states of every dataset are made once and kept beside the tree; putting the tree into a state links their files, whose inodes and
times stay the same, so that the program sees exactly what it saw the last time.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trees import File, differing, file_name, lengths, months, version_directory, years

URL = "https://node.test/thredds"
# Where the same files are served, too.
MOVED = f"{URL}/moved"
TEMPORARY = re.compile(r"^\..*\.tmp-")
# Forms that are directories, under their names.
FORMS = (".parq", ".icechunk")

_LONG = {"chunks": (512, 5, 7), "time_chunk": 512}


def _noise(dataset) -> None:
    """Data that compression makes little smaller, so that their seams are a file."""
    import numpy as np

    size = dataset.dimensions["time"].size
    dataset["tas"][:] = np.random.default_rng(size).normal(size=(size, 5, 7))


# What becomes of each: a regular store; a rectilinear one with segments and a file of seams; segments alone; a refusal; a failure.
SERIES: dict[str, list[File] | None] = {
    "plain": years(2),
    "longer": years(3),
    "other": years(2, height=10.0),
    "seamed": lengths(1000, 1000, 600, written=[], also=_noise, **_LONG),
    "reseamed": lengths(1000, 1000, 601, written=[], also=_noise, **_LONG),
    "segmented": differing(packing=[(0.01, 273.0), (0.02, 280.0)], dtype=["i2", "i2"], fill=[-999, -999], missing=[-999, -999]),
    "overlapping": [File(start=0), File(start=6)],
    "broken": None,
    "absent": [],
}
# What a dataset is in either state: most stay as they are.
CHANGES = [
    ("plain", "longer"),
    ("plain", "plain"),
    ("seamed", "plain"),
    ("plain", "other"),
    ("plain", "seamed"),
    ("overlapping", "plain"),
    ("plain", "overlapping"),
    ("plain", "broken"),
    ("segmented", "seamed"),
    ("seamed", "segmented"),
    ("plain", "absent"),
    ("absent", "plain"),
    ("broken", "segmented"),
    ("seamed", "reseamed"),
    ("seamed", "overlapping"),
    ("seamed", "absent"),
]


@dataclass
class Run:
    """How a run ended; the exit code is negative where a signal ended it."""

    code: int
    stdout: str
    stderr: str

    def exits(self, *codes: int) -> "Run":
        assert self.code in codes, f"exit {self.code}, expected {codes}\n{self.stdout[-2000:]}\n{self.stderr[-4000:]}"
        return self


@dataclass
class Archive:
    binary: Path
    place: Path
    # How many datasets there are.
    count: int
    # Where stores go: beside the files, or in a tree of their own.
    beside: bool = True
    kinds: list[tuple[str, str]] = field(default_factory=lambda: list(CHANGES))
    # What all scans are told.
    options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Paths are in manifests and in the ledger.
        self.place = self.place.resolve()
        self.data = self.place / "data"
        self.stores = self.data if self.beside else self.place / "new" / "stores"
        self.ledger = self.place / "state" / "vzarr" / "ledger.sqlite"
        self._make()

    def _make(self) -> None:
        templates = self.place / "templates"
        for name, files in SERIES.items():
            if any(name in pair for pair in self.kinds):
                for file in files or ():
                    file.write(templates / name / file_name("SOURCE", months(file.start, file.months)))
        for number in range(self.count):
            source = f"S{number:04}"
            for state, kind in zip("ab", self.kinds[number % len(self.kinds)], strict=True):
                pool = self._pool(source, state)
                pool.mkdir(parents=True)
                if SERIES[kind] is None:
                    (pool / file_name(source, months(0, 12))).write_bytes(b"<html>")
                    continue
                for template in sorted((templates / kind).glob("*.nc")):
                    name = template.name.replace("SOURCE", source)
                    # What stays the same is the same file in both states.
                    before = self._pool(source, "a") / name
                    if before.exists() and before.read_bytes() == template.read_bytes():
                        os.link(before, pool / name)
                    else:
                        shutil.copy(template, pool / name)
        # As `a` and `b` are the same for most, these share their files.
        for number in range(self.count):
            before, after = self.kinds[number % len(self.kinds)]
            if before == after:
                shutil.rmtree(self._pool(f"S{number:04}", "b"))
                os.symlink(self._pool(f"S{number:04}", "a"), self._pool(f"S{number:04}", "b"))

    def _pool(self, source: str, state: str) -> Path:
        return self.place / "pool" / state / source

    def sources(self) -> list[str]:
        return [f"S{number:04}" for number in range(self.count)]

    def directory(self, source: str) -> Path:
        return version_directory(self.data, source)

    def put(self, state: str) -> None:
        """Puts the files of the tree into a state, and leaves everything else as it is."""
        for source in self.sources():
            directory = self.directory(source)
            wanted = {path.name: path for path in self._pool(source, state).iterdir()}
            if wanted:
                directory.mkdir(parents=True, exist_ok=True)
            present = set(directory.glob("*.nc")) if directory.is_dir() else set()
            for path in present:
                if path.name not in wanted or not path.samefile(wanted[path.name]):
                    path.unlink()
            for name, path in wanted.items():
                if not (directory / name).exists():
                    os.link(path, directory / name)
            # What is not there in the first state never was.
            if state == "a" and directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()

    def empty(self) -> None:
        """Removes all that the program wrote."""
        self.restore(Snapshot({}, {}))

    def written(self) -> dict[str, bytes]:
        """What the program wrote, by path, but the ledger; of directories those of forms, with a slash at the end."""
        found = {}
        for top in {self.data, self.stores}:
            for folder, _, names in os.walk(top):
                if is_of_form(folder):
                    found[f"{folder}/"] = b""
                for name in names:
                    if not name.endswith(".nc"):
                        path = Path(folder) / name
                        found[str(path)] = path.read_bytes()
        return found

    def snapshot(self) -> "Snapshot":
        state = self.ledger.parent
        ledger = {path.name: path.read_bytes() for path in state.iterdir()} if state.is_dir() else {}
        return Snapshot(self.written(), ledger)

    def restore(self, snapshot: "Snapshot") -> None:
        """Makes what the program wrote what it was, and leaves the NetCDF files alone."""
        # What is in a directory comes behind it.
        for path, content in sorted(self.written().items(), reverse=True):
            if snapshot.written.get(path) != content:
                os.rmdir(path) if path.endswith("/") else os.unlink(path)
        for path, content in sorted(snapshot.written.items()):
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                if not path.endswith("/"):
                    Path(path).write_bytes(content)
        if not self.beside and not snapshot.written:
            shutil.rmtree(self.place / "new", ignore_errors=True)
        shutil.rmtree(self.place / "state", ignore_errors=True)
        if snapshot.ledger:
            self.ledger.parent.mkdir(parents=True)
        for name, content in snapshot.ledger.items():
            (self.ledger.parent / name).write_bytes(content)

    def command(self, *arguments: object) -> list[str]:
        return [str(self.binary), *map(str, arguments), "--ledger", str(self.ledger)]

    def scan_arguments(self, *options: object) -> list[object]:
        roots = {self.data: f"{URL}/data", self.stores: f"{URL}/data" if self.beside else f"{URL}/stores"}
        where = [] if self.beside else ["--output-dir", self.stores]
        return ["scan", self.data, *where, *(f"--data-root={path}={url}" for path, url in roots.items()), *self.options, *options]

    def run(self, *arguments: object, environment: Mapping[str, str] | None = None, **options: object) -> Run:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=300, env=os.environ | dict(environment or {}), **options
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def scan(self, *options: object, environment: Mapping[str, str] | None = None) -> Run:
        return self.run(*self.scan_arguments("--jobs", 2, *options), environment=environment)

    def killed_scan(self, *options: object, after: float, environment: Mapping[str, str] | None = None) -> bool:
        """A scan that is killed after so many seconds, unless it ends before; tells whether it was killed, by whomever."""
        process = subprocess.Popen(
            self.command(*self.scan_arguments("--jobs", 2, *options)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | dict(environment or {}),
        )
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait() == -signal.SIGKILL

    def timed_scan(self, *options: object) -> float:
        begin = time.monotonic()
        self.scan(*options).exits(0, 1)
        return time.monotonic() - begin

    def repositories(self) -> list[Path]:
        """Those of Icechunk, under their names."""
        return [Path(path) for path in self.written() if path.endswith(".icechunk/") and not is_temporary(path)]

    def advertised(self) -> list[dict]:
        """What the publisher is to be told, but for its number. A copy of the ledger is asked, for asking is recorded."""
        copy = self.place / "asked.sqlite"
        for stale in self.place.glob("asked.sqlite*"):
            stale.unlink()
        subprocess.run([*self.command("ledger", "backup", copy)], check=True, capture_output=True)
        node = ["--data-node", "node.test", "--ledger", str(copy)]
        done = subprocess.run([str(self.binary), "advertise", *node], capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode in (0, 1), done.stderr
        return [_without(line, lambda key: key in ("advertisement", "created", "updated")) for line in lines]

    def recorded(self) -> list[dict]:
        """The content of the ledger, without times, numbers and runs."""
        lines = map(json.loads, self.run("ledger", "export", "--json").exits(0).stdout.splitlines())
        # Problems of several datasets are numbered as they were met, by threads.
        return [_without(line, lambda key: key.endswith("_at") or key in ("id", "run_id")) for line in lines if line["type"] != "run"]

    def outcome(self) -> "Outcome":
        return Outcome(_comparable(self.written()), self.recorded(), self.advertised())


def _without(value: object, is_left_out: Callable[[str], bool]) -> object:
    """`value` without what differs from run to run."""
    if isinstance(value, list):
        return [_without(item, is_left_out) for item in value]
    if isinstance(value, dict):
        # What is said of a repository of Icechunk, in which names are random.
        random = ("snapshot", "size", "file:size") if "icechunk" in (value.get("format"), value.get("protocol")) else ()
        return {key: _without(item, is_left_out) for key, item in value.items() if not is_left_out(key) and key not in random}
    return value


@dataclass(frozen=True)
class Snapshot:
    """All that the program wrote: the files of stores by path, and those of the ledger by name."""

    written: dict[str, bytes]
    ledger: dict[str, bytes]


@dataclass(frozen=True)
class Outcome:
    """What a run left, as far as two runs can be compared."""

    written: dict[str, bytes]
    recorded: list[dict]
    advertised: list[dict]

    def differences(self, other: "Outcome", is_allowed: Callable[[str], bool] = lambda _: False) -> list[str]:
        """How `other`, undisturbed, is another outcome than this, but for what may differ."""
        found = [f"left behind: {path}" for path in self.written.keys() - other.written.keys()]
        found += [f"missing: {path}" for path in other.written.keys() - self.written.keys()]
        for path, data in self.written.items():
            if other.written.get(path, data) != data:
                # Of a repository the beginning says what it consists of.
                said = f", {data[:150]!r}, undisturbed {other.written[path][:150]!r}" if repository_of(path) else ""
                found.append(f"other bytes: {path}{said}")
        found += _different_lines("ledger", self.recorded, other.recorded)
        found += _different_lines("advertise", self.advertised, other.advertised)
        return [difference for difference in found if not is_allowed(difference)]

    def absent(self, archive: Archive) -> list[str]:
        """What is advertised but is not there."""
        return not_there(archive, self.advertised)


def _comparable(written: dict[str, bytes]) -> dict[str, bytes]:
    """What was written, and for each repository of Icechunk, in which names are random, what it says."""
    found = {}
    for path, content in written.items():
        top = repository_of(path)
        if top is None or f"{top}/repo" not in written:
            found[path] = content
        elif top not in found:
            # Not everybody who breaks scans has it.
            from repositories import shape

            found[top] = repr(shape(Path(top))).encode()
    return found


def repository_of(path: str) -> str | None:
    """The repository of Icechunk that a file or directory is in, under its name."""
    tops = [str(it) for it in (Path(path), *Path(path).parents) if it.suffix == ".icechunk"]
    return tops[-1] if tops and not is_temporary(path) else None


def _different_lines(what: str, ours: list[dict], theirs: list[dict]) -> list[str]:
    """Where lines about the same differ, the parts of them that do."""
    [one, two] = [{line.get("instance_id") or line.get("id") or json.dumps(line): line for line in lines} for lines in (ours, theirs)]
    found = [f"{what}: only disturbed: {key[:300]}" for key in one.keys() - two.keys()]
    found += [f"{what}: only undisturbed: {key[:300]}" for key in two.keys() - one.keys()]
    for key in one.keys() & two.keys():
        for part in one[key].keys() | two[key].keys():
            [mine, other] = [json.dumps(lines[key].get(part)) for lines in (one, two)]
            if mine != other:
                found.append(f"{what}: {key}: {part} is {mine[:300]}, undisturbed {other[:300]}")
    return found


def not_there(archive: Archive, advertised: Iterable[dict]) -> list[str]:
    """The stores among those that are to be added to the catalogue which nobody can open."""
    missing = []
    for line in advertised:
        if line["action"] == "add":
            # `MOVED` or not, the rest of the URL is the path.
            path = archive.stores / re.sub(f"^{URL}(/moved)?/(data|stores)/", "", line["asset"]["href"])
            if not path.exists():
                missing.append(f"advertised but not there: {path}")
    return missing


def is_temporary(path: str) -> bool:
    """Whether it is under a name that nobody meets, or in a directory that is."""
    return any(TEMPORARY.match(part) for part in Path(path).parts)


def temporaries(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if is_temporary(path)]


def is_of_form(path: str) -> bool:
    """Whether it is a form that is a directory, or in one, under its name or hidden."""
    return is_temporary(path) or any(part.endswith(FORMS) for part in Path(path).parts)
