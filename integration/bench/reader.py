"""Time, processor time and reads per file of the index reader, beside its peers and the floor, on the sets of make_reader_sets.py.

Every contender is a process that goes over all files of a set again and again for a while; contenders take turns, so that whatever
else the machine does meets all of them. `cpu` is user and system time: where others use the machine, ratios of it are the result.

"scan" is what `vzarr-publish scan` does with a file: the places of all chunks, all attributes, and the values of small variables.
"metadata" is the same without values, the usual meaning of indexing. A floor opens the file and repeats the reads of the row it is
named after, without looking at what it reads.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
WHOLE = {"files": 20, "steps": 1980, "long": 20000, "paged": 300000}
QUICK = {"files": 4, "steps": 500, "long": 4000, "paged": 50000}
SETS = {
    "A": "time in chunks of 512",
    "A1": "time in chunks of 1",
    "B": "many steps",
    "S": "12 steps",
    "EA": "extensible array",
    "FA": "fixed array",
    "B2": "version 2 B-tree",
    "PE": "paged extensible array",
    "PF": "paged fixed array",
}
# Files of `libver="latest"`, in which hidefix finds no dataset.
LATEST = {"EA", "FA", "B2", "PE", "PF"}
# Times that libhdf5 must take as long as our reader, by set.
GOALS = {"A": 3, "A1": 3, "B": 3, "S": 8}
FLOOR_GOAL, SCALING_GOAL = 3, 1.8


@dataclass
class Contender:
    name: str
    command: list[str]
    # The contender it is compared with: ours that does the same work.
    beside: str
    most_files: int = 1000


@dataclass
class Runs:
    """Milliseconds per file."""

    medians: list[float] = field(default_factory=list)
    shortest: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    reads: float = 0
    kilobytes: float = 0
    chunks: int | None = None

    def wall(self) -> float:
        return statistics.median(self.medians)

    def cpu(self) -> float:
        return statistics.median(self.cpus)


def contenders(arguments: argparse.Namespace) -> list[Contender]:
    reader, hdf5 = os.environ["READER_BENCH"], os.environ["PEER_HDF5"]
    python = [sys.executable, str(HERE / "peer_python.py")]
    scan, metadata, libhdf5 = "vzarr-publish, scan", "vzarr-publish, metadata", f"libhdf5 {hdf5_version()} in C"
    found = [
        Contender(scan, [reader, "index"], scan),
        Contender("floor of scan", [reader, "floor-index"], scan),
        Contender(f"{libhdf5}, scan", [hdf5, "index"], scan),
        Contender(metadata, [reader, "metadata"], metadata),
        Contender("floor of metadata", [reader, "floor-metadata"], metadata),
        Contender(f"{libhdf5}, metadata", [hdf5, "metadata"], metadata),
    ]
    for threads in arguments.threads:
        found.append(Contender(f"vzarr-publish, scan, {threads} threads", [reader, "index", "--threads", str(threads)], scan))
        found.append(
            Contender(f"vzarr-publish, metadata, {threads} threads", [reader, "metadata", "--threads", str(threads)], metadata)
        )
    found.append(Contender(f"hidefix {version('hidefix')} (no attributes)", [*python, "hidefix"], metadata))
    found.append(Contender(f"h5py {version('h5py')}", [*python, "h5py"], metadata, most_files=10))
    if arguments.slow_peers:
        for package in ("kerchunk", "virtualizarr"):
            found.append(Contender(f"{package} {version(package)}", [*python, package], metadata, most_files=2))
    # Floors announce no reads, so where reads take time they are none.
    return [one for one in found if not (waits(arguments) and "floor" in one.name)]


def waits(arguments: argparse.Namespace) -> bool:
    """Whether reads take time, so that one pass over the files is enough."""
    return bool(arguments.cold or arguments.read_delay)


def hdf5_version() -> str:
    return subprocess.run([os.environ["PEER_HDF5"], "--version"], capture_output=True, text=True, check=True).stdout.strip()


def run_once(contender: Contender, files: list[Path], arguments: argparse.Namespace, runs: Runs) -> None:
    """One process; its numbers are added to `runs`."""
    files = files[: contender.most_files]
    passes = waits(arguments)
    if arguments.cold:
        drop_from_page_cache(files)
    options = ["--passes", "1"] if passes else ["--seconds", str(arguments.seconds)]
    with tempfile.NamedTemporaryFile("r", prefix="vzarr-reads-") as reads:
        environment = {**os.environ, "LD_PRELOAD": os.environ["READS"], "READS_TO": reads.name}
        environment |= {"READ_DELAY_US": str(1000 * arguments.read_delay)} if arguments.read_delay else {}
        environment |= {"IGNORE_ADVICE": "1"} if arguments.ignore_advice else {}
        command = [*contender.command, *options, *map(str, files)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        counted = [int(number) for number in reads.read().split()]
    if done.returncode != 0:
        sys.exit(f"{contender.name}: exit {done.returncode}")
    result = json.loads(done.stdout)
    times = len(result["walls"])
    per_file = 1000 / len(files)
    runs.medians.append(statistics.median(result["walls"]) * per_file)
    runs.shortest.append(min(result["walls"]) * per_file)
    runs.cpus.append(result["cpu"] / times * per_file)
    runs.chunks = result.get("chunks")
    # The program that knows its reads says so; a floor also makes those of the run that it repeats.
    all_passes = times + (not passes)
    spent = result.get("read") or {"reads": counted[0] / all_passes, "bytes": counted[1] / all_passes}
    runs.reads, runs.kilobytes = spent["reads"] / len(files), spent["bytes"] / len(files) / 1000


def drop_from_page_cache(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_turn(competing: list[Contender], files: list[Path], arguments: argparse.Namespace) -> dict[str, Runs]:
    runs = {contender.name: Runs() for contender in competing}
    for _ in range(arguments.runs):
        for contender in competing:
            run_once(contender, files, arguments, runs[contender.name])
    agree_on_chunks(competing, runs)
    return runs


def agree_on_chunks(competing: list[Contender], runs: dict[str, Runs]) -> None:
    """Those that count chunks must have found the same number; a floor finds none."""
    counts = {runs[contender.name].chunks for contender in competing if "floor" not in contender.name}
    if len(counts - {None}) != 1:
        sys.exit(f"contenders disagree on the number of chunks: {counts}")


def table(name: str, competing: list[Contender], runs: dict[str, Runs], by_wall: bool) -> Iterator[str]:
    yield f"| {name} ({SETS[name]}) | wall ms (min) | cpu ms (min) | times as long | reads | kB |"
    yield "|---|---|---|---|---|---|"
    for contender in competing:
        one, beside = runs[contender.name], runs[contender.beside]
        times = one.wall() / beside.wall() if by_wall else one.cpu() / beside.cpu()
        wall, cpu = f"{one.wall():.3f} ({min(one.shortest):.3f})", f"{one.cpu():.3f} ({min(one.cpus):.3f})"
        spent = f"{one.reads:.1f} | {one.kilobytes:.0f}" if one.reads else "- | -"
        yield f"| {contender.name} | {wall} | {cpu} | {times:.2f} | {spent} |"


def goals(name: str, runs: dict[str, Runs], busy: bool) -> Iterator[str]:
    """How our reader stands beside its goals, by processor time, which decides, and by the shortest wall time.

    Only wall time shows how it scales, which a busy machine hides; that processor time does not grow is then what can be said.
    """
    libhdf5 = next(key for key in runs if key.startswith("libhdf5") and key.endswith("metadata"))
    ours, floor = runs["vzarr-publish, metadata"], runs["floor of metadata"]
    two = runs.get("vzarr-publish, metadata, 2 threads")

    def met(by_cpu: float, by_wall: float, is_met: bool) -> str:
        return f"{by_cpu:.2f} by cpu, {by_wall:.2f} by shortest wall | {'met' if is_met else 'missed'} |"

    def ratio(one: Runs, other: Runs) -> tuple[float, float]:
        return one.cpu() / other.cpu(), min(one.shortest) / min(other.shortest)

    if name in GOALS:
        times = ratio(runs[libhdf5], ours)
        yield f"| {name} | libhdf5 at least {GOALS[name]} times as long | {met(*times, times[0] >= GOALS[name])}"
    times = ratio(ours, floor)
    yield f"| {name} | at most {FLOOR_GOAL} times the floor | {met(*times, times[0] <= FLOOR_GOAL)}"
    if two and name in GOALS:
        faster = min(ours.shortest) / min(two.shortest)
        grown = two.cpu() / ours.cpu()
        verdict = "met" if faster >= SCALING_GOAL else "not shown, the machine is busy" if busy else "missed"
        reached = f"{faster:.2f} by shortest wall, {grown:.2f} times the cpu"
        yield f"| {name} | two threads at least {SCALING_GOAL} times as fast | {reached} | {verdict} |"


def make_sets(directory: Path, sizes: dict[str, int], with_data: bool) -> None:
    options = [word for name, size in sizes.items() for word in (f"--{name}", str(size))] + ["--with-data"] * with_data
    subprocess.run([sys.executable, HERE / "make_reader_sets.py", directory, *options], check=True)


def milliseconds(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+) ?(ms|us)", text)
    if not match:
        raise argparse.ArgumentTypeError("a time such as 0.5ms or 500us")
    return float(match[1]) / {"ms": 1, "us": 1000}[match[2]]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="integration/bench/reader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few short files and few runs, only sets A, A1, B and S")
    parser.add_argument("--sets", help=f"those to measure, with commas between (default all: {','.join(SETS)})")
    parser.add_argument("--runs", type=int, help="runs of each contender, taken in turn (default 5)")
    parser.add_argument("--seconds", type=float, help="how long a run repeats its passes over the files (default 0.3)")
    parser.add_argument("--threads", type=int, nargs="*", default=[2], help="runs of our reader with more threads (default 2)")
    parser.add_argument("--slow-peers", action="store_true", help="kerchunk and VirtualiZarr too, on two files of each set")
    parser.add_argument("--cold", action="store_true", help="drop the files from the page cache before every run, of one pass")
    parser.add_argument("--read-delay", type=milliseconds, metavar="0.5ms", help="add this to every read: a parallel file system")
    parser.add_argument("--ignore-advice", action="store_true", help="with --read-delay: announcing reads does not start them")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/vzarr-reader-bench"), help="where the files are kept")
    parser.add_argument("--with-data", action="store_true", help="files without holes, for --cold (5 GB)")
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or (3 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (0.1 if arguments.quick else 0.3)
    arguments.sets = (arguments.sets or ("A,A1,B,S" if arguments.quick else ",".join(SETS))).split(",")
    return arguments


def main() -> None:
    arguments = parse()
    directory = arguments.directory / ("quick" if arguments.quick else "data" if arguments.with_data else "whole")
    sizes = QUICK if arguments.quick else WHOLE
    make_sets(directory, sizes, arguments.with_data)
    competing = contenders(arguments)
    circumstances = "dropped from the page cache before each run" if arguments.cold else "in the page cache"
    delay = f", every read made {arguments.read_delay} ms longer" if arguments.read_delay else ""
    delay += ", announced or not" if arguments.ignore_advice else ""
    print(f"Per file, medians of {arguments.runs} runs taken in turn, files {circumstances}{delay}, one thread unless told;")
    load = os.getloadavg()[0]
    print(f"{machine.today()}, {machine.processor()}. {machine.load()}")
    by_wall = waits(arguments)
    print(f"Times as long: by {'wall' if by_wall else 'cpu'} time, beside vzarr-publish doing the same.")
    reached: list[str] = []
    for name in arguments.sets:
        files = sorted((directory / name).glob("*.nc"))
        if arguments.read_delay:
            files = files[: 40 if name == "S" else 4]
        able = [one for one in competing if not (name in LATEST and "hidefix" in one.name)]
        runs = in_turn(able, files, arguments)
        chunks = runs["vzarr-publish, scan"].chunks
        print(f"\nFiles: {len(files)}, of {(chunks or 0) // len(files)} chunks.\n")
        print("\n".join(table(name, able, runs, by_wall)), flush=True)
        if not by_wall:
            reached += goals(name, runs, busy=load > (os.cpu_count() or 1) / 2)
    if not by_wall:
        print("\n| set | goal, for metadata | reached | |\n|---|---|---|---|\n" + "\n".join(reached))


if __name__ == "__main__":
    main()
