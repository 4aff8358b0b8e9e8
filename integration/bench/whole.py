"""Time and memory of whole commands: `vzarr-publish scan` beside `esgcet kerchunk generate`, `find`, a program that only repeats
our reads, and a loop over libhdf5.

Every contender is a process of its own; contenders take turns, so that whatever else the machine does meets all of them. Prints
Markdown: scans of the sets of make_trees.py, a scan that finds nothing new, files that are not in the page cache, reads that take
half a millisecond, and how all that stands beside the goals.

esgcet drives kerchunk or VirtualiZarr in its process, which so are measured with it. It is unpatched, and given --path and
--dataset-id, since a mapfile would have it check the ID against controlled vocabularies that it downloads. It exits with 0 when it
fails, so that a run counts only if its file is there.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
URL = "https://data.example.org/thredds/fileServer/root"
SETS = {
    "A": "times in chunks of 512",
    "A1": "times in chunks of 1",
    "B": "long files",
    "R": "repacked",
    "S": "small datasets",
    "M": "a million chunks",
    "N": "NetCDF classic",
    "L": "newest index of HDF5",
    "T": "tiny files, scanned again",
}
# Those that esgcet makes references of; of S it would need a process for each dataset, of M minutes, and L is A once more.
WITH_ESGCET = {"A", "A1", "B", "R", "N"}
COLD = ("A", "A1", "B", "R", "S", "L")
SLOW_READS = ("A", "S")
SMALL = 200  # datasets of S where reads are slow
READERS = 32  # threads that read at once, as `--io-depth` has them by default
DELAY = 500  # microseconds


@dataclass
class Run:
    wall: float
    cpu: float
    peak: float  # MB


@dataclass
class Contender:
    name: str
    command: list[str]
    # What a run leaves behind, removed before the next so that each starts from nothing.
    produced: list[Path] = field(default_factory=list)
    # Holds references; where it is missing, the run has failed.
    manifest: Path | None = None
    # A run prints the times of its passes, which count instead of its own.
    times_itself: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    # Enough for one whose runs take long.
    most_seconds: float = 1e9
    runs: list[Run] = field(default_factory=list)
    failure: str | None = None
    said: str = ""

    def run(self, limit: float) -> Run | None:
        """One run; `failure` says why there is none."""
        for path in self.produced:
            for leftover in (path, *path.parent.glob(path.name + "-*")):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wrong:
            run, status, in_time = measure(self.command, said, wrong, {**os.environ, **self.environment}, limit)
            said.seek(0)
            wrong.seek(0)
            self.said, complaint = said.read().decode(errors="replace"), wrong.read().decode(errors="replace")
        if not in_time:
            self.failure = f"not done after {limit:.0f} s"
        elif status != 0 or (self.manifest and not self.manifest.is_file()):
            lines = [line.strip() for line in (self.said + complaint).splitlines() if line.strip()]
            # What fails in a library is the last line that names an error.
            named = [line for line in lines if re.search(r"error|exception|refused:|panicked", line, re.IGNORECASE)]
            last = (named or lines or ["no word"])[-1][:160].replace("|", "/")
            self.failure = f"failed, exit {status}: {last}"
        return None if self.failure else run

    def count(self, run: Run | None) -> None:
        if run and self.times_itself:
            walls = json.loads(self.said)["walls"]
            self.runs += [Run(wall, run.cpu, run.peak) for wall in walls]
        elif run:
            self.runs.append(run)

    def is_done(self, times: int) -> bool:
        return self.failure is not None or len(self.runs) >= times or sum(run.wall for run in self.runs) > self.most_seconds

    def median(self, of: str) -> float:
        return statistics.median(getattr(run, of) for run in self.runs)

    def output(self) -> str:
        """What the manifest holds; with seams there is no Zarr V2 in it."""
        if not self.manifest:
            return ""
        refs = json.loads(self.manifest.read_bytes())["refs"]
        chunks = sum(isinstance(value, list) for value in refs.values())
        array = refs.get("tas/.zarray") or refs["tas/zarr.json"]
        array = array if isinstance(array, dict) else json.loads(array)
        return f"{array['shape'][0]:,} steps, {chunks:,} references, {self.manifest.stat().st_size / 1e6:.1f} MB"


def measure(command: list[str], said, wrong, environment: dict[str, str], limit: float) -> tuple[Run, int, bool]:
    """The run, how it ended, and whether within the limit."""
    with tempfile.NamedTemporaryFile("r", prefix="vzarr-timed-") as used:
        process = subprocess.Popen(
            [os.environ["TIMED"], used.name, *command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=wrong,
            env=environment,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Run(limit, 0, 0), process.wait(), False
        wall, cpu, peak = map(float, used.read().split())
    return Run(wall, cpu, peak / 1024), status, True


def in_turn(competing: list[Contender], times: int, limit: float, drop: list[Path] | None = None, warm_up: bool = True) -> None:
    """Runs them all; `drop` is what must not be in the page cache before a run."""
    for contender in competing:
        if warm_up and contender.most_seconds > limit:
            contender.run(limit)  # not counted: brings programs and files into the page cache
    while any(not contender.is_done(times) for contender in competing):
        for contender in competing:
            if not contender.is_done(times):
                drop_from_page_cache(drop or [])
                contender.count(contender.run(limit))


def drop_from_page_cache(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@dataclass
class Goals:
    lines: list[str] = field(default_factory=list)

    def at_least(self, goal: str, reached: float, wanted: float, unit: str) -> None:
        self._add(goal, f"at least {wanted:g}{unit}", f"{reached:.3g}{unit}", reached >= wanted)

    def at_most(self, goal: str, reached: float, wanted: float, unit: str) -> None:
        self._add(goal, f"at most {wanted:g}{unit}", f"{reached:.3g}{unit}", reached <= wanted)

    def not_measured(self, goal: str, why: str) -> None:
        self.lines.append(f"| {goal} | | {why} | not measured |")

    def _add(self, goal: str, wanted: str, reached: str, met: bool) -> None:
        self.lines.append(f"| {goal} | {wanted} | {reached} | {'met' if met else 'missed'} |")


class Bench:
    def __init__(self, arguments: argparse.Namespace, trees: Path, output: Path) -> None:
        self.arguments = arguments
        self.trees = trees
        self.output = output
        self.goals = Goals()
        self.ours = os.environ["VZARR_PUBLISH"]
        self.known: dict[str, list[Path]] = {}

    def files(self, name: str, most_datasets: int | None = None) -> list[Path]:
        return [file for dataset in self.datasets(name)[:most_datasets] for file in sorted(dataset.glob("*.nc"))]

    def datasets(self, name: str) -> list[Path]:
        if name not in self.known:
            self.known[name] = sorted((self.trees / name).glob("CMIP6/*/*/*/*/*/*/*/*/*"))
        return self.known[name]

    def scan(self, name: str, title: str, *options: str, places: list[Path] | None = None) -> Contender:
        """A scan that starts with neither ledger nor store, as the first of a site."""
        tree = self.trees / name
        stores, ledger = self.output / "stores", self.output / "ledger.sqlite"
        places = places or [tree]
        command = [self.ours, "scan", *map(str, places), "--output-dir", str(stores), "--ledger", str(ledger)]
        # Seams are files of the store, which then is served as well.
        command += ["--data-root", f"{tree}={URL}", "--data-root", f"{stores}={URL}-stores", *options]
        datasets = self.datasets(name)
        writes = len(datasets) == 1 and "--dry-run" not in options
        manifest = stores / datasets[0].relative_to(tree) / f"{instance_id(tree, datasets[0])}.json" if writes else None
        return Contender(title, command, [stores, ledger], manifest)

    def esgcet(self, name: str, backend: str) -> Contender:
        tree, dataset = self.trees / name, self.datasets(name)[0]
        directory = self.output / backend
        directory.mkdir(exist_ok=True)
        manifest = directory / f"{instance_id(tree, dataset)}.json"
        command = [str(HERE / ".venv/bin/esgcet"), "kerchunk", "generate", "--path", str(dataset)]
        command += ["--dataset-id", instance_id(tree, dataset), "--backend", backend, "--output-dir", str(directory)]
        command += ["--source", str(tree), "--target", URL]
        # One run takes seconds: a second only where there is time.
        return Contender(f"esgcet, {backend} backend", command, [manifest], manifest, most_seconds=self.arguments.slow_seconds)

    def scans(self) -> Iterator[str]:
        yield "### Scans\n"
        yield "Without ledger and store, files in the page cache, stores and ledger synchronised to disk. Medians of"
        runs, slow_runs, seconds = self.arguments.runs, self.arguments.slow_runs, self.arguments.slow_seconds
        yield f"{runs} runs, {slow_runs} of S; of esgcet no more after {seconds} s.\n"
        yield "| set | | wall s (min to max) | times as long | cpu s | peak MB | output |"
        yield "|---|---|---|---|---|---|---|"
        for name in [name for name in self.arguments.sets if name != "T"]:
            ours = self.scan(name, "vzarr-publish `scan`")
            theirs = [self.esgcet(name, backend) for backend in ("kerchunk", "virtualizarr")] if name in WITH_ESGCET else []
            times = self.arguments.slow_runs if name == "S" else self.arguments.runs
            in_turn([ours, *theirs], times, self.arguments.limit, warm_up=name != "S")
            if ours.failure:
                sys.exit(f"{name}: {ours.failure}")
            yield from self.rows(name, ours, theirs)
            self.goals_of_scan(name, ours, theirs)

    def rows(self, name: str, ours: Contender, theirs: list[Contender]) -> Iterator[str]:
        for contender in [ours, *theirs]:
            if contender.failure:
                yield f"| {name} | {contender.name} | {contender.failure} | | | | |"
                continue
            wall, peak = contender.median("wall"), contender.median("peak")
            spread = f"{min(run.wall for run in contender.runs):.3f} to {max(run.wall for run in contender.runs):.3f}"
            times, cpu = f"{wall / ours.median('wall'):.1f}", f"{contender.median('cpu'):.3f}"
            output = f"{len(self.datasets('S')) / wall:,.0f} datasets/s" if name == "S" else contender.output()
            yield f"| {name} | {contender.name} | {wall:.3f} ({spread}) | {times} | {cpu} | {peak:.0f} | {output} |"

    def goals_of_scan(self, name: str, ours: Contender, theirs: list[Contender]) -> None:
        done = [contender for contender in theirs if not contender.failure]
        if name in ("A", "A1") and done:
            faster = min(contender.median("wall") for contender in done) / ours.median("wall")
            less = min(contender.median("peak") for contender in done) / ours.median("peak")
            self.goals.at_least(f"{name}: faster than the faster backend of esgcet", faster, 150, " times")
            self.goals.at_least(f"{name}: less memory than it", less, 20, " times")
        elif name in ("A", "A1"):
            self.goals.not_measured(f"{name}: faster than esgcet", "esgcet failed")
        if name == "S":
            self.goals.at_least("S: datasets a second, synchronised", len(self.datasets("S")) / ours.median("wall"), 300, "/s")
        if name == "M":
            self.goals.at_most("M: peak memory", ours.median("peak"), 200, " MB")

    def rescan(self) -> Iterator[str]:
        """A scan that finds nothing new."""
        if "T" not in self.arguments.sets:
            return
        tree = self.trees / "T"
        kept = self.trees / "T-scanned"  # also for later runs: the first scan takes longest
        kept.mkdir(exist_ok=True)
        command = [self.ours, "scan", str(tree), "--data-root", f"{tree}={URL}"]
        command += ["--output-dir", str(kept / "stores"), "--ledger", str(kept / "ledger.sqlite")]
        first = Contender("the first scan", command)
        first.count(first.run(10 * self.arguments.limit))
        ours = Contender("vzarr-publish `scan`, nothing changed", command)
        find = Contender("`find -printf '%s %T@'`", ["find", str(tree), "-printf", "%s %T@\n"])
        in_turn([ours, find], self.arguments.runs, self.arguments.limit)
        for contender in (first, ours, find):
            if contender.failure:
                sys.exit(f"T, {contender.name}: {contender.failure}")
        yield "\n### Nothing new\n"
        yield f"{len(self.datasets('T')):,} datasets, {len(self.files('T')):,} files, in the cache of the system.\n"
        yield "| | wall s (min to max) | times as long as `find` | cpu s | peak MB |\n|---|---|---|---|---|"
        for contender in (ours, find):
            walls = [run.wall for run in contender.runs]
            times = contender.median("wall") / find.median("wall")
            spread = f"{statistics.median(walls):.3f} ({min(walls):.3f} to {max(walls):.3f})"
            yield f"| {contender.name} | {spread} | {times:.2f} | {contender.median('cpu'):.3f} | {contender.median('peak'):.0f} |"
        self.goals.at_most("nothing new, beside `find`", ours.median("wall") / find.median("wall"), 1.5, " times")

    def reading(self, title: str, mode: str, files: list[Path], *options: str) -> Contender:
        reader = [os.environ["READER_BENCH"], mode, "--passes", str(self.arguments.slow_passes), *options]
        return Contender(title, [*reader, *map(str, files)], times_itself=True)

    def libhdf5(self, files: list[Path]) -> Contender:
        command = [os.environ["PEER_HDF5"], "index", "--passes", "1", *map(str, files)]
        return Contender("libhdf5 in C, one thread", command, times_itself=True)

    def cold(self) -> Iterator[str]:
        yield "\n### Files that are not in the page cache\n"
        yield "Dropped by posix_fadvise before every run. The floor repeats the reads of a scan, all of a file announced first"
        yield "(WILLNEED), and looks at nothing; it, the reader alone and libhdf5 are timed within their process, the first two by"
        yield f"{READERS} threads. Milliseconds for all files; where the data lie, files have holes.\n"
        yield "| set | files | floor | reader alone | `scan --dry-run` | `scan` | libhdf5 in C, one thread |"
        yield "|---|---|---|---|---|---|---|"
        for name in [name for name in COLD if name in self.arguments.sets]:
            most = SMALL if name == "S" else None
            files, places = self.files(name, most), self.datasets(name)[:most]
            threads = ("--threads", str(READERS), "--cold")
            floor = self.reading("floor", "floor-index", files, *threads, "--announce")
            reader = self.reading("reader alone", "index", files, *threads)
            dry = self.scan(name, "scan --dry-run", "--dry-run", places=places)
            whole = self.scan(name, "scan", places=places)
            competing = [floor, reader, dry, whole, self.libhdf5(files)]
            # What times itself drops its files itself.
            in_turn(competing, self.arguments.runs, self.arguments.limit, drop=files, warm_up=False)
            yield f"| {name} | {len(files)} | " + " | ".join(beside(one, floor) for one in competing) + " |"
            for one, title in ((reader, "reader alone"), (dry, "`scan --dry-run`")):
                self.ratio(f"{name}, cold: {title} beside the floor", one, floor, 1.3)

    def slow_reads(self) -> Iterator[str]:
        yield f"\n### Reads that take {DELAY / 1000:g} ms longer\n"
        yield "As on a parallel file system: reads.c, preloaded, delays every pread of a NetCDF file, not those of the ledger, whose place"
        yield "is a local disk; files in the page cache. Milliseconds for all files. The reader alone and libhdf5 are timed within their process.\n"
        yield f"| set | files | `scan --dry-run` | with `--io-depth 64` | `scan` | reader alone, {READERS} threads | libhdf5 in C |"
        yield "|---|---|---|---|---|---|---|"
        for name in [name for name in SLOW_READS if name in self.arguments.sets]:
            most = SMALL if name == "S" else None
            files, places = self.files(name, most), self.datasets(name)[:most]
            dry = self.scan(name, "scan --dry-run", "--dry-run", places=places)
            deeper = self.scan(name, "scan --dry-run --io-depth 64", "--dry-run", "--io-depth", "64", places=places)
            whole = self.scan(name, "scan", places=places)
            reader = self.reading("reader alone", "index", files, "--threads", str(READERS))
            competing = [dry, deeper, whole, reader, self.libhdf5(files)]
            for one in competing:
                one.environment = {"LD_PRELOAD": os.environ["READS"], "READ_DELAY_US": str(DELAY), "READ_DELAY_OF": ".nc"}
            in_turn(competing, self.arguments.runs, self.arguments.limit)
            yield f"| {name} | {len(files)} | " + " | ".join(beside(one, one) for one in competing) + " |"
            for one, depth in ((dry, ""), (deeper, " --io-depth 64")):
                goal = f"{name}, {len(files)} files, slow reads: `scan --dry-run{depth}`"
                if one.failure:
                    self.goals.not_measured(goal, one.failure)
                else:
                    self.goals.at_most(goal, 1000 * one.median("wall"), 60, " ms")

    def ratio(self, goal: str, one: Contender, other: Contender, wanted: float) -> None:
        if one.failure or other.failure:
            self.goals.not_measured(goal, one.failure or other.failure or "")
        else:
            self.goals.at_most(goal, one.median("wall") / other.median("wall"), wanted, " times")


def beside(one: Contender, other: Contender) -> str:
    if one.failure:
        return one.failure
    times = "" if one is other or other.failure else f" ({one.median('wall') / other.median('wall'):.2f} times)"
    return f"{1000 * one.median('wall'):.1f}{times}"


def instance_id(tree: Path, dataset: Path) -> str:
    return ".".join(dataset.relative_to(tree).parts)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the files, fewer runs")
    parser.add_argument("--sets", default=",".join(SETS), help=f"those to scan, with commas between (default {','.join(SETS)})")
    parser.add_argument("--runs", type=int, help="runs of each contender, taken in turn (default 5)")
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a run has failed (default 120)")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/vzarr-bench"), help="where the files are kept")
    arguments = parser.parse_args()
    arguments.sets = arguments.sets.split(",")
    if unknown := set(arguments.sets) - set(SETS):
        parser.error(f"no such set: {', '.join(sorted(unknown))}")
    arguments.runs = arguments.runs or (3 if arguments.quick else 5)
    arguments.slow_runs = 1 if arguments.quick else 2
    arguments.slow_passes = 1
    arguments.slow_seconds = 5 if arguments.quick else 20
    return arguments


def main() -> None:
    arguments = parse()
    trees = arguments.directory / ("quick" if arguments.quick else "whole")
    maker = [str(HERE / ".venv/bin/python"), str(HERE / "make_trees.py"), str(trees)]
    maker += ["--sets", ",".join(arguments.sets), "--scale", "0.1" if arguments.quick else "1"]
    subprocess.run(maker, check=True)
    subprocess.run([HERE / ".venv/bin/esgcet", "kerchunk", "generate", "--help"], stdout=subprocess.DEVNULL, check=True)
    with tempfile.TemporaryDirectory(prefix="vzarr-bench-", dir=arguments.directory) as output:
        bench = Bench(arguments, trees, Path(output))
        print("\n## Whole commands\n")
        print(machine.load() + "\n")
        for section in (bench.scans, bench.rescan, bench.cold, bench.slow_reads):
            for line in section():
                print(line, flush=True)
        print("\n### Beside the goals\n")
        if arguments.quick:
            print("The goals are about the whole sets; of these there is a tenth of the files.\n")
        print("| goal | | reached | |\n|---|---|---|---|")
        print("\n".join(bench.goals.lines), flush=True)


if __name__ == "__main__":
    main()
