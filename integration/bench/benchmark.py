"""Whole-process time and memory of `vzarr-publish scan` beside `esgcet kerchunk generate` on one dataset.

Imports nothing heavy on purpose: Linux counts the memory of the process that starts a program towards that program's peak.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
URL = "https://data.example.org/thredds/fileServer/root"


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
    produced: list[Path]
    manifest: Path

    def measure(self) -> Run:
        for path in self.produced:
            for leftover in (path, *path.parent.glob(path.name + "-*")):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        with tempfile.TemporaryFile() as said:
            run, status = measure(self.command, said)
            said.seek(0)
            # esgcet exits 0 when it fails, so only the file counts.
            written = self.manifest.is_file()
            if status != 0 or not written:
                sys.exit(f"{self.name}: exit {status}, store {'' if written else 'not '}written\n{said.read().decode()}")
        return run

    def output(self) -> str:
        """What the manifest holds, read from the Zarr V2 keys that all contenders write."""
        refs = json.loads(self.manifest.read_bytes())["refs"]
        chunks = sum(isinstance(value, list) for value in refs.values())
        steps = refs["tas/.zarray"] if isinstance(refs["tas/.zarray"], dict) else json.loads(refs["tas/.zarray"])
        return f"{steps['shape'][0]} steps, {chunks} references, {self.manifest.stat().st_size / 1e6:.1f} MB"


def measure(command: list[str], said) -> tuple[Run, int]:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), process.returncode


def contenders(tree: Path, dataset: Path, output: Path) -> list[Contender]:
    instance_id = ".".join(dataset.relative_to(tree).parts)
    stores, ledger = output / "stores", output / "ledger.sqlite"
    ours = [
        os.environ["VZARR_PUBLISH"],
        "scan",
        str(tree),
        "--output-dir",
        str(stores),
        "--ledger",
        str(ledger),
        "--data-root",
        f"{tree}={URL}",
    ]
    manifest = stores / dataset.relative_to(tree) / f"{instance_id}.json"
    found = [Contender("vzarr-publish scan", ours, [stores, ledger], manifest)]
    for backend in ("kerchunk", "virtualizarr"):
        directory = output / backend
        directory.mkdir()
        manifest = directory / f"{instance_id}.json"
        esgcet = [str(HERE / ".venv/bin/esgcet"), "kerchunk", "generate", "--path", str(dataset), "--dataset-id", instance_id]
        esgcet += ["--backend", backend, "--output-dir", str(directory), "--source", str(tree), "--target", URL]
        found.append(Contender(f"esgcet, {backend} backend", esgcet, [manifest], manifest))
    return found


def versions() -> str:
    ours = subprocess.run([os.environ["VZARR_PUBLISH"], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    names = "esgcet kerchunk virtualizarr h5py zarr pandas"
    script = (
        f"from importlib.metadata import version; print(', '.join(f'{{name}} {{version(name)}}' for name in '{names}'.split()))"
    )
    theirs = subprocess.run([HERE / ".venv/bin/python", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    return f"{ours}; {theirs}, Python {platform.python_version()}"


def processor() -> str:
    names = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


def make_dataset(tree: Path, files: int, months: int) -> Path:
    maker = [HERE.parent / ".venv/bin/python", HERE / "make_dataset.py", tree, files, months]
    made = subprocess.run([str(word) for word in maker], stdout=subprocess.PIPE, text=True, check=True)
    return Path(made.stdout.strip())


def in_turn(competing: list[Contender], times: int) -> dict[str, list[Run]]:
    for contender in competing:
        contender.measure()  # not counted: brings programs and files into the page cache
    runs: dict[str, list[Run]] = {contender.name: [] for contender in competing}
    for _ in range(times):
        for contender in competing:
            runs[contender.name].append(contender.measure())
    return runs


def table(competing: list[Contender], runs: dict[str, list[Run]], floor: float) -> str:
    lines = ["| | wall s (min to max) | times as long | cpu s | peak MB | output |", "|---|---|---|---|---|---|"]
    ours = statistics.median(run.wall for run in runs[competing[0].name])
    for contender in competing:
        walls, cpus, peaks = ([getattr(run, field) for run in runs[contender.name]] for field in ("wall", "cpu", "peak"))
        wall, cpu, peak = map(statistics.median, (walls, cpus, peaks))
        memory = f"{peak:.0f}" if peak > 1.05 * floor else f"at most {peak:.0f}"
        spread = f"{min(walls):.3f} to {max(walls):.3f}"
        lines.append(
            f"| {contender.name} | {wall:.3f} ({spread}) | {wall / ours:.1f} | {cpu:.3f} | {memory} | {contender.output()} |"
        )
    return "\n".join(lines)


NOTES = """\
The scan starts with no ledger and no store. Linux counts the {floor:.0f} MB of the measuring process
towards each peak, so that a smaller one does not show.
esgcet is unpatched; it is given --path and --dataset-id, since a mapfile would have it check the id against controlled
vocabularies that it downloads. It exits 0 when it fails, so a run counts only if its file is there."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender, taken in turn (default 5)")
    parser.add_argument("--files", type=int, default=10, help="files in the dataset (default 10)")
    parser.add_argument("--months", type=int, default=1980, help="chunks of one month in each file (default 1980)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vzarr-bench-") as directory:
        tree, output = Path(directory) / "data", Path(directory) / "output"
        output.mkdir()
        dataset = make_dataset(tree, arguments.files, arguments.months)
        size = sum(file.stat().st_size for file in dataset.iterdir()) / 1e6
        with open(os.devnull, "wb") as nowhere:
            floor, _ = measure(["true"], nowhere)
        load = os.getloadavg()[0]
        competing = contenders(tree, dataset, output)
        runs = in_turn(competing, arguments.runs)

        print(f"{arguments.files} files of {arguments.months} chunks, {size:.0f} MB (tas 1x96x144 f4, deflate 1 + shuffle;")
        print(f"time chunk 512, time_bnds chunk 1x2); medians of {arguments.runs} runs taken in turn, whole process, files in the")
        print(f"page cache; {datetime.date.today()}, {processor()}, load average {load:.1f} before the first run.")
        print(f"Versions: {versions()}.\n")
        print(table(competing, runs, floor.peak))
        print("\n" + NOTES.format(floor=floor.peak))


if __name__ == "__main__":
    main()
