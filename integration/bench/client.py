"""What readers wait for: our manifest, VirtualiZarr's of the same files, and the same data as native Zarr V3, served by nginx.

Each reading is a fresh process, what it imports is not counted; contenders take turns. Opens the dataset, reads one chunk, then a
time series of 300 steps at one point. Requests are those in the access log of nginx. All must read the same.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from nodes import DataNode  # noqa: E402

READERS = HERE.parent / ".venv/bin/python"
# Stands for the data node in what is kept between runs; its port is another in each.
NOWHERE = "http://node.invalid"
STEPS = ("open", "one chunk", "300 steps")


@dataclass
class Contender:
    name: str
    line: str
    url: str
    # Seconds of each step, of each run that came so far.
    seconds: list[list[float]] = field(default_factory=lambda: [[], [], []])
    requests: list[int] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    peak: float = 0
    failure: str | None = None
    # Time step of the one chunk, where it is not that in the middle.
    step: int | None = None

    def run(self, node: DataNode, limit: float) -> None:
        if self.failure:
            return
        log = node.private / "access.log"
        process = subprocess.Popen(
            [READERS, HERE / "client_reader.py", self.line, self.url, *map(str, [] if self.step is None else [self.step])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            answer(process, limit)
            requests, read = [], []
            for place in range(len(STEPS)):
                before = lines_in(log)
                process.stdin.write("\n")
                process.stdin.flush()
                step = answer(process, limit)
                time.sleep(0.05)  # nginx writes a line when all is sent
                requests.append(lines_in(log) - before)
                read.append(step["read"])
                self.seconds[place].append(step["seconds"])
                self.peak = max(self.peak, step["peak"])
                self.requests, self.read = requests, read
        except TimeoutError:
            self.failure = f"over {limit:.0f} s"
        except EOFError:
            complaint = process.communicate()[1].strip().splitlines()
            self.failure = f"failed: {complaint[-1][:120] if complaint else 'no word'}".replace("|", "/")
        finally:
            process.kill()
            process.communicate()

    def row(self) -> Iterator[str]:
        """Of steps that came to no end, why."""
        for walls in self.seconds:
            yield f"{statistics.median(walls):.2f}" if walls else self.failure or ""
        for place in range(len(STEPS)):
            yield str(self.requests[place]) if place < len(self.requests) else ""
        yield f"{self.peak:.0f}"


def answer(process: subprocess.Popen, limit: float) -> dict:
    ready, _, _ = select.select([process.stdout], [], [], limit)
    if not ready:
        raise TimeoutError
    said = process.stdout.readline()
    if not said:
        raise EOFError
    return json.loads(said)


def lines_in(log: Path) -> int:
    return log.read_bytes().count(b"\n")


def prepared(directory: Path, references: int) -> Path:
    """The files, the native store, and VirtualiZarr's manifest; those of an earlier run stay."""
    root = directory / f"{references // 1000}k"
    subprocess.run([READERS, HERE / "make_client_sets.py", root, str(references)], check=True)
    manifest = root / "virtualizarr.json"
    if not manifest.is_file():
        files = sorted(root.glob("CMIP6/**/*.nc"))
        writer = [HERE / ".venv/bin/python", HERE / "write_virtualizarr.py", manifest, NOWHERE, root]
        subprocess.run([*writer, *files], check=True, stderr=subprocess.DEVNULL)
    return root


def scanned(root: Path, node: DataNode) -> Path:
    """Our manifest, for the node as it is now."""
    stores = root / "stores"
    command = [os.environ["VZARR_PUBLISH"], "scan", root / "CMIP6", "--quiet", "--force", "--output-dir", stores]
    command += ["--ledger", stores / "ledger.sqlite", "--data-root", f"{root}={node.base}/{root.name}"]
    stores.mkdir(exist_ok=True)
    subprocess.run(command, check=True)
    [manifest] = stores.glob("**/*.json")
    return manifest


def contenders(root: Path, node: DataNode) -> list[Contender]:
    ours = node.url(scanned(root, node))
    theirs = root / "virtualizarr-here.json"
    text = (root / "virtualizarr.json").read_text()
    for written in (NOWHERE, NOWHERE.replace("/", "\\/")):  # some writers of JSON escape it
        text = text.replace(written, f"{node.base}/{root.name}")
    theirs.write_text(text)
    return [
        Contender("ours, `engine=\"kerchunk\", chunks={}`", "kerchunk", ours),
        Contender("VirtualiZarr's, the same", "kerchunk", node.url(theirs)),
        Contender("ours, with `open_dataset_options={\"chunks\": None}`", "kerchunk-fast", ours),
        Contender("VirtualiZarr's, the same", "kerchunk-fast", node.url(theirs)),
        Contender("ours, `engine=\"zarr\", zarr_format=3`", "zarr-v3", ours),
        Contender("native Zarr V3", "native-v3", node.url(root / "native.zarr")),
    ]


def check_same(competing: list[Contender], references: int) -> None:
    for place, step in enumerate(STEPS):
        if len({one.read[place] for one in competing if len(one.read) > place}) > 1:
            sys.exit(f"{references} references, {step}: not all read the same: {[one.read for one in competing]}")


def goals(competing: list[Contender], references: int) -> Iterator[str]:
    for ours, theirs in ((competing[0], competing[1]), (competing[2], competing[3])):
        if not (ours.seconds[0] and theirs.seconds[0]):
            yield f"| {references:,}: opening, {ours.name} | | {ours.failure or theirs.failure} | not measured |"
            continue
        times = statistics.median(ours.seconds[0]) / statistics.median(theirs.seconds[0])
        verdict = "met" if times <= 1 else "missed"
        yield f"| {references:,}: opening, {ours.name} | at most 1 time VirtualiZarr's | {times:.2f} times | {verdict} |"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only 2,000 and 60,000 references, one run, and no patience")
    parser.add_argument("--references", help="how many, with commas between (default 2000,60000,250000)")
    parser.add_argument("--runs", type=int, help="runs of each contender, taken in turn (default 3)")
    parser.add_argument("--limit", type=float, help="seconds that a step may take (default 30)")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/vzarr-bench/client"), help="where the files are kept")
    arguments = parser.parse_args()
    arguments.references = arguments.references or ("2000,60000" if arguments.quick else "2000,60000,250000")
    arguments.runs = arguments.runs or (1 if arguments.quick else 3)
    arguments.limit = arguments.limit or (15 if arguments.quick else 30)
    return arguments


def main() -> None:
    arguments = parse()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    print("\n## Readers\n")
    print(f"{machine.load()} Seconds, medians of {arguments.runs} runs, and requests at nginx.\n")
    seconds = " | ".join(f"{step} s" for step in STEPS)
    print(f"| references | manifest and line | {seconds} | requests: open | one chunk | 300 steps | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    reached: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vzarr-node-") as private, DataNode(arguments.directory, Path(private)) as node:
        for references in map(int, arguments.references.split(",")):
            competing = contenders(prepared(arguments.directory, references), node)
            for number in range(arguments.runs):
                for contender in competing:
                    # What takes long is measured once.
                    if number == 0 or sum(walls[0] for walls in contender.seconds if walls) < arguments.limit / 4:
                        contender.run(node, arguments.limit)
            check_same(competing, references)
            for contender in competing:
                print(f"| {references:,} | {contender.name} | " + " | ".join(contender.row()) + " |", flush=True)
            reached += goals(competing, references)
    print("\n### Beside the goals\n\n| goal | | reached | |\n|---|---|---|---|\n" + "\n".join(reached), flush=True)


if __name__ == "__main__":
    main()
