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
            if status != 0 or not self.manifest.is_file():
                sys.exit(f"{self.name}: exit {status}, {self.manifest.name} {'written' if self.manifest.is_file() else 'not written'}\n{said.read().decode()}")
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
    ours = [os.environ["VZARR_PUBLISH"], "scan", str(tree), "--output-dir", str(stores), "--ledger", str(ledger), "--data-root", f"{tree}={URL}"]
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
    script = "from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in 'esgcet kerchunk virtualizarr h5py zarr pandas'.split()))"
    theirs = subprocess.run([HERE / ".venv/bin/python", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    return f"{ours}; {theirs}, Python {platform.python_version()}"


def processor() -> str:
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender, taken in turn (default 5)")
    parser.add_argument("--files", type=int, default=10, help="files in the dataset (default 10)")
    parser.add_argument("--months", type=int, default=1980, help="chunks of one month in each file (default 1980)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vzarr-bench-") as directory:
        tree, output = Path(directory) / "data", Path(directory) / "output"
        output.mkdir()
        maker = [HERE.parent / ".venv/bin/python", HERE / "make_dataset.py", tree, arguments.files, arguments.months]
        made = subprocess.run([str(word) for word in maker], capture_output=True, text=True, check=True)
        dataset = Path(made.stdout.strip())
        size = sum(file.stat().st_size for file in dataset.iterdir()) / 1e6
        with open(os.devnull, "wb") as nowhere:
            floor, _ = measure(["true"], nowhere)
        competing = contenders(tree, dataset, output)
        runs: dict[str, list[Run]] = {contender.name: [] for contender in competing}
        for contender in competing:
            contender.measure()  # not counted: brings programs and files into the page cache
        for _ in range(arguments.runs):
            for contender in competing:
                runs[contender.name].append(contender.measure())

        print(f"{arguments.files} files of {arguments.months} chunks (tas 1x96x144 f4, deflate 1 + shuffle; time chunk 512, time_bnds chunk 1x2), {size:.0f} MB;")
        print(f"medians of {arguments.runs} runs taken in turn, whole process, files in the page cache; {datetime.date.today()}, {processor()}.")
        print(f"Versions: {versions()}.\n")
        print("| | wall s (min to max) | times as long | cpu s | peak MB | output |")
        print("|---|---|---|---|---|---|")
        ours = statistics.median(run.wall for run in runs[competing[0].name])
        for contender in competing:
            walls, cpus, peaks = ([getattr(run, field) for run in runs[contender.name]] for field in ("wall", "cpu", "peak"))
            wall = statistics.median(walls)
            print(
                f"| {contender.name} | {wall:.3f} ({min(walls):.3f} to {max(walls):.3f}) | {wall / ours:.1f}"
                f" | {statistics.median(cpus):.3f} | {statistics.median(peaks):.0f} | {contender.output()} |"
            )
        print(f"\nThe scan starts with no ledger and no store. Peaks below {floor.peak:.0f} MB cannot be told apart from the measuring process.")
        print("esgcet is unpatched; it is given --path and --dataset-id, since a mapfile would have it check the id against controlled")
        print("vocabularies that it downloads. It exits 0 when it fails, so a run counts only if its file is there.")


if __name__ == "__main__":
    main()
