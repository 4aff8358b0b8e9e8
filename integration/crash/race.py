"""Many processes at once on one tree and one ledger: scans of the tree, scans of mapfiles, and all that reads, while files come and
change. Nobody may see half of anything, be told of an error, or lose a dataset."""

import json
import os
import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from archive import Archive, Run
from trees import file_name, instance_id, months

# What a scan may say of a race: that it is not its turn, and of a file that was touched under its hands.
ID = re.compile(r"CMIP6\.[\w.-]+?\.v\d+")
LOCKED = re.compile(r"another scan with the ledger `.*` is running")
TOUCHED = re.compile(r"the file changed while it was read|no longer fits and was removed|the mapfile says it was last written")


@dataclass
class Result:
    calls: Counter = field(default_factory=Counter)
    locked: int = 0
    touched: int = 0
    changes: Counter = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.calls.items()))
        changes = ", ".join(f"{count} {name}" for name, count in sorted(self.changes.items()))
        return (
            f"{calls}; {changes}; {self.locked} times another scan had the ledger, {self.touched} times a file was touched while it was "
            f"read: {len(self.differences)} differences"
        )


class Race:
    def __init__(self, binary: Path, place: Path, count: int, seconds: float, seed: int) -> None:
        self.archive = Archive(binary, place, count, kinds=[("plain", "longer")])
        self.archive.put("a")
        self.result = Result()
        self.seconds = seconds
        self.end = 0.0
        self.lock = threading.Lock()
        self.chance = random.Random(seed)
        # The datasets that there ever were, and those whose files change under the same version.
        self.datasets = list(self.archive.sources())
        self.changing = set(self.datasets[::5])
        # Datasets that a scan took the store from, because a file was touched while it was read; and what else was said of datasets.
        self.touched: set[str] = set()
        self.said: list[tuple[str, str, str]] = []

    def run(self) -> Result:
        self._write_mapfiles()
        self.archive.scan().exits(0)
        self.end = time.monotonic() + self.seconds
        scan = self.archive.scan_arguments("--jobs", 2)
        # Mapfiles have the sizes of files, so they list what is only touched.
        of_maps = ["scan", "--map", self.archive.place / "maps", *scan[2:]]
        work: list[Callable[[], None]] = [
            self._changing,
            *[lambda: self._again("scan --wait", self._scans, [*scan, "--wait", "60s"])] * 2,
            lambda: self._again("scan", self._scans, scan),
            *[lambda: self._again("scan --map", self._scans, of_maps)] * 2,
            lambda: self._again("list", self._lists, ["list", "--json"]),
            lambda: self._again("show", self._shows, ["show", self._id(self.datasets[1])]),
            lambda: self._again("advertise", self._advertises, ["advertise", "--data-node", "node.test"]),
            lambda: self._again("ledger check", self._checks, ["ledger", "check"]),
            lambda: self._again("ledger export", self._exports, ["ledger", "export", "--json"]),
        ]
        threads = [threading.Thread(target=self._guarded, args=(it,)) for it in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._compare()
        return self.result

    def _id(self, source: str) -> str:
        return instance_id(self.archive.directory(source), self.archive.data)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would hide a failure
            self._wrong("the test", repr(error))

    def _again(self, name: str, judge: Callable[[Run], None], arguments: list[object]) -> None:
        while time.monotonic() < self.end:
            run = self.archive.run(*arguments)
            judge(run)
            with self.lock:
                self.result.calls[name] += 1

    def _wrong(self, what: str, message: str) -> None:
        with self.lock:
            self.result.differences.append(f"{what}: {message[-1500:]}")

    def _said(self, what: str, line: str) -> None:
        """What is only right of a dataset that lost its store because a file was touched."""
        with self.lock:
            match = ID.search(line)
            self.said.append((match.group() if match else "", what, line))

    def _write_mapfiles(self) -> None:
        maps = self.archive.place / "maps"
        maps.mkdir()
        for source in self.datasets:
            if source not in self.changing:
                files = sorted(self.archive.directory(source).glob("*.nc"))
                lines = [f"{self._id(source)} | {path} | {path.stat().st_size}\n" for path in files]
                (maps / f"{source}.map").write_text("".join(lines))

    def _changing(self) -> None:
        """Files are touched, datasets grow, and new ones come, each by a rename as from a transfer that is complete."""
        while time.monotonic() < self.end:
            what = self.chance.choice(["touched", "touched", "grown", "added"])
            if what == "touched":
                source = self.chance.choice([it for it in self.datasets if it not in self.changing])
                os.utime(self.chance.choice(sorted(self.archive.directory(source).glob("*.nc"))))
            elif what == "grown":
                directory = self.archive.directory(self.chance.choice(sorted(self.changing)))
                last = directory / file_name(directory.parents[5].name, months(24, 12))
                if last.exists():
                    os.utime(last)
                else:
                    template = self.archive.place / "templates" / "longer" / file_name("SOURCE", months(24, 12))
                    shutil.copy(template, self.archive.place / "transferred")
                    os.rename(self.archive.place / "transferred", last)
            else:
                source = f"N{len(self.datasets):04}"
                made = self.archive.place / "transferred-dataset"
                made.mkdir()
                for template in (self.archive.place / "templates" / "plain").glob("*.nc"):
                    shutil.copy(template, made / template.name.replace("SOURCE", source))
                directory = self.archive.directory(source)
                directory.parent.mkdir(parents=True)
                os.rename(made, directory)
                self.datasets.append(source)
            with self.lock:
                self.result.changes[what] += 1
            time.sleep(self.chance.uniform(0, 0.1))

    def _lines(self, run: Run) -> list[str]:
        return [line.strip() for line in run.stderr.splitlines() if line.strip()]

    def _scans(self, run: Run) -> None:
        lines = self._lines(run)
        locked = sum(bool(LOCKED.search(line)) for line in lines)
        failed = [ID.search(line) for line in lines if "changed while it was read" in line]
        touched = len(failed)
        with self.lock:
            self.touched |= {match.group() for match in failed if match}
            self.result.locked += locked
            self.result.touched += touched
        allowed = (0, 1) if touched else (0,)
        errors = [line for line in lines if "ERROR" in line or line.lower().startswith("error")]
        strange = [line for line in errors if not TOUCHED.search(line)]
        if run.code not in allowed or strange:
            self._wrong("scan", f"exit {run.code}: {run.stderr}")

    def _parsed(self, what: str, run: Run) -> list[dict]:
        if run.code != 0 or "error" in run.stderr.lower():
            self._wrong(what, f"exit {run.code}: {run.stderr}")
        return [json.loads(line) for line in run.stdout.splitlines()]

    def _lists(self, run: Run) -> None:
        self._count("list", {line["id"] for line in self._parsed("list", run)})

    def _shows(self, run: Run) -> None:
        if run.code != 0 or "built" not in run.stdout:
            self._wrong("show", f"exit {run.code}: {run.stdout}{run.stderr}")

    def _advertises(self, run: Run) -> None:
        absent = [line for line in self._lines(run) if "is not there, and not advertised" in line]
        if run.code not in ((0, 1) if absent else (0,)):
            self._wrong("advertise", f"exit {run.code}: {run.stderr}")
        for line in absent:
            self._said("advertise", line)
        for line in map(json.loads, run.stdout.splitlines()):
            if line["action"] == "remove":
                self._said("advertise", json.dumps(line))
            elif not line["asset"]["href"].endswith(f"/{line['id']}.json"):
                self._wrong("advertise", json.dumps(line))
        told = self.archive.place / "told"
        told.write_text(run.stdout)
        acknowledged = self.archive.run("advertise", "--ack", told)
        if acknowledged.code != 0:
            self._wrong("advertise --ack", f"exit {acknowledged.code}: {acknowledged.stderr}")

    def _checks(self, run: Run) -> None:
        """A store that is replaced at this moment is not as the ledger says; all others are."""
        ours = [self._id(source) for source in self.changing]
        lines = [line for line in self._lines(run) if "v20260101" in line and not any(it in line for it in ours)]
        if run.code not in (0, 1):
            self._wrong("ledger check", f"exit {run.code}: {run.stderr}")
        for line in lines:
            self._said("ledger check", line)

    def _exports(self, run: Run) -> None:
        """All of one moment: a dataset with all that belongs to it, of a run that is there."""
        lines = self._parsed("ledger export", run)
        datasets = [line for line in lines if line["type"] == "dataset"]
        runs = {line["id"] for line in lines if line["type"] == "run"}
        self._count("ledger export", {line["instance_id"] for line in datasets})
        for line in datasets:
            whole = line["files"] and line["run_id"] in runs
            if line["status"] == "built":
                whole = whole and line["store"] and line["variables"]
            if not whole:
                self._wrong("ledger export", f"half a dataset: {json.dumps(line)}")

    def _count(self, what: str, ids: set[str]) -> None:
        """Datasets only come."""
        missing = {self._id(source) for source in self.archive.sources()} - ids
        if missing:
            self._wrong(what, f"lost {sorted(missing)}")

    def _compare(self) -> None:
        """With one more scan, when all is quiet, the ledger is that of a scan of what is there now."""
        for about, what, line in self.said:
            if about not in self.touched:
                self._wrong(what, line)
        self.archive.scan().exits(0)
        checked = self.archive.run("ledger", "check")
        if checked.code != 0:
            self._wrong("ledger check at the end", checked.stderr)
        raced = self.archive.outcome()
        expected = {self._id(source) for source in self.datasets}
        found = {line["instance_id"] for line in raced.recorded if line["type"] == "dataset"}
        if found != expected:
            self._wrong("at the end", f"lost {sorted(expected - found)}, invented {sorted(found - expected)}")
        shutil.rmtree(self.archive.ledger.parent)
        self.archive.scan("--force").exits(0)
        fresh = self.archive.outcome()
        for path in raced.written.keys() ^ fresh.written.keys():
            self._wrong("at the end", f"left behind or missing: {path}")
        for path in raced.written.keys() & fresh.written.keys():
            if raced.written[path] != fresh.written[path]:
                self._wrong("at the end", f"other bytes: {path}")
        for ours, theirs in zip(raced.recorded, fresh.recorded, strict=False):
            # Neither what was told nor what was replaced is in the files.
            kept = [
                {key: value for key, value in line.items() if key not in ("advertisement", "replacements", "problems", "arguments")}
                for line in (ours, theirs)
            ]
            if kept[0] != kept[1]:
                self._wrong("at the end", f"another row: {json.dumps(kept[0])[:700]} for {json.dumps(kept[1])[:700]}")


def run(binary: Path, place: Path, count: int, seconds: float, seed: int) -> Result:
    return Race(binary, place, count, seconds, seed).run()
