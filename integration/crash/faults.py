"""Calls to the system that fail: is it said, is what was there before still there, and does the next scan heal everything?"""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from archive import MOVED, URL, Archive, Outcome, Run, Snapshot, not_there, temporaries
from shim import Operation, Shim, operations

# Stores that change, grow, or get and lose parts; all are built in either state.
KINDS = [
    ("plain", "longer"),
    ("seamed", "reseamed"),
    ("plain", "seamed"),
    ("segmented", "seamed"),
    ("seamed", "plain"),
    ("plain", "other"),
    ("seamed", "segmented"),
    ("plain", "plain"),
]


@dataclass(frozen=True)
class Fault:
    """A call that can fail, by its name in the shim and a part of the paths, and how it may."""

    name: str
    operation: str
    part: str
    errors: tuple[str, ...]

    def concerns(self, operation: Operation) -> bool:
        return operation.kind == self.operation and self.part in str(operation.path)


FULL = ("ENOSPC", "EDQUOT")
FAULTS = [
    Fault("creating the temporary file", "create", ".tmp-", (*FULL, "EIO", "EACCES", "EROFS")),
    Fault("writing the temporary file", "write", ".tmp-", (*FULL, "EIO")),
    Fault("synchronising the temporary file", "sync", ".tmp-", (*FULL, "EIO")),
    Fault("renaming", "rename", ".json", (*FULL, "EIO", "EACCES")),
    Fault("renaming seams", "rename", ".seams", (*FULL, "EIO")),
    Fault("synchronising the directory", "syncdir", "v20260101", ("EIO",)),
    Fault("writing the ledger", "write", "ledger.sqlite", (*FULL, "EIO")),
    Fault("synchronising the ledger", "sync", "ledger.sqlite", ("EIO", "ENOSPC")),
    Fault("creating a file of the ledger", "create", "ledger.sqlite", (*FULL, "EIO", "EACCES")),
    Fault("creating a directory", "mkdir", "new/", (*FULL, "EIO", "EACCES", "EROFS")),
]


@dataclass(frozen=True)
class Situation:
    name: str
    before: Snapshot
    state: str
    command: list[object]
    expected: Outcome
    operations: list[Operation]


@dataclass
class Result:
    failed: Counter = field(default_factory=Counter)
    # Of these, runs to which it did no harm.
    unharmed: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = "; ".join(f"{name}: {count}" for name, count in sorted(self.failed.items()))
        return f"{self.failed.total()} scans with errors ({kinds}), {self.unharmed} unharmed: {len(self.differences)} differences"


def prepare(archive: Archive, shim: Shim) -> list[Situation]:
    nothing, scan = Snapshot({}, {}), archive.scan_arguments("--jobs", 2)
    moved = [str(it).replace(URL, MOVED) if str(it).startswith("--data-root") else it for it in scan]
    first = _undisturbed(archive, shim, "first scan", nothing, "a", scan)
    after_first = archive.snapshot()
    return [
        first,
        _undisturbed(archive, shim, "rescan", after_first, "b", scan),
        _undisturbed(archive, shim, "scan for other URLs", after_first, "a", moved),
    ]


def _undisturbed(archive: Archive, shim: Shim, name: str, before: Snapshot, state: str, command: list[object]) -> Situation:
    archive.restore(before)
    archive.put(state)
    log = archive.place / "operations.log"
    archive.run(*command, environment=shim.recording(archive.place, log)).exits(0)
    done = [Operation(it.kind, it.path, it.target, 0, b"") for it in operations(log)]
    log.unlink()
    return Situation(name, before, state, command, archive.outcome(), done)


def run(binary: Path, place: Path, count: int, times: int, seed: int, shim: Shim, report: Callable = print) -> Result:
    """`times` failures of each kind of call, as far as a scan makes it."""
    chance = random.Random(seed)
    archives = [Archive(binary, place / name, count, beside, KINDS) for name, beside in (("beside", True), ("apart", False))]
    situations = [(archive, situation) for archive in archives for situation in prepare(archive, shim)]
    result = Result()
    for fault in FAULTS:
        possible = [it for it in situations if any(map(fault.concerns, it[1].operations))]
        for number in range(times):
            archive, situation = possible[number % len(possible)]
            error = fault.errors[number % len(fault.errors)]
            lasting = chance.random() < 0.5
            nth = chance.randint(1, sum(map(fault.concerns, situation.operations)))
            label = f"{archive.place.name}, {situation.name}, {fault.name}: {error} from call {nth} on, {'lasting' if lasting else 'once'}"
            found = _failed(archive, situation, fault, error, nth, lasting, shim, result)
            result.differences += [f"{label}: {difference}" for difference in found]
            for difference in found:
                report(f"{label} (seed {seed}): {difference}")
    return result


def _failed(
    archive: Archive, situation: Situation, fault: Fault, error: str, nth: int, lasting: bool, shim: Shim, result: Result
) -> list[str]:
    archive.restore(situation.before)
    archive.put(situation.state)
    log = archive.place / "operations.log"
    environment = shim.failing(archive.place, log, fault.operation, error, nth, 0 if lasting else 1, fault.part)
    done = archive.run(*situation.command, environment=environment)
    refused = [operation for operation in operations(log) if operation.kind == "fail"]
    log.unlink()
    if not refused:
        return []
    result.failed[fault.name] += 1
    if done.code == 0:
        # SQLite may do without: what it could not copy from its log stays there.
        found = archive.outcome().differences(situation.expected)
        result.unharmed += 1
    else:
        found = _said(done, refused, error)
    found += _kept(archive, situation)
    again = archive.run(*situation.command)
    if again.code != 0:
        found.append(f"the next run: exit {again.code}\n{again.stderr[-1000:]}")
    outcome = archive.outcome()
    return found + outcome.differences(situation.expected, _is_told_once) + outcome.absent(archive)


def _said(done: Run, refused: list[Operation], error: str) -> list[str]:
    """What the run did not say though it should have."""
    found = []
    if done.code not in (1, 3):
        found.append(f"exit {done.code}")
    # SQLite has words of its own.
    words = ["disk I/O error", "database or disk is full", "unable to open database", "attempt to write a readonly database"]
    words.append(os.strerror(getattr(errno, error)))
    lines = [line for line in done.stderr.splitlines() if any(word in line for word in words)]
    # The file, or its directory if that is what is wrong.
    named = {str(path) for operation in refused for path in (operation.path, operation.path.parent)}
    named |= {path.split(".sqlite")[0] + ".sqlite" for path in named if ".sqlite" in path}
    named |= {_final(operation.path) for operation in refused}
    # What is said of a directory that was not created or synchronised is said of what was to be in it.
    within = [f"`{operation.path}/" for operation in refused if str(operation.target) in ("syncdir", "mkdir")]
    if not any(f"`{path}`" in line for line in lines for path in named) and not any(it in line for line in lines for it in within):
        found.append(f"no line names what failed, {sorted(named)}: {done.stderr[-1500:]}")
    if error in ("ENOSPC", "EDQUOT", "EACCES", "EROFS") and "hint:" not in done.stderr:
        found.append(f"no hint: {done.stderr[-1500:]}")
    return found


def _is_told_once(difference: str) -> bool:
    """That files were replaced is known while the store of the old ones is; that one was taken away because no other could be written."""
    return ": replacements is " in difference or "changed-in-place" in difference


def _final(path: Path) -> str:
    """The name that a temporary file is to have."""
    return str(path.with_name(path.name.split(".tmp-")[0].removeprefix(".")))


def _kept(archive: Archive, situation: Situation) -> list[str]:
    """What is no longer as it was, nor as it was to be."""
    written = archive.written()
    found = [f"left behind: {path}" for path in temporaries(written)]
    for path in written.keys() - set(temporaries(written)):
        if written[path] not in (situation.before.written.get(path), situation.expected.written.get(path)):
            found.append(f"torn: {path}")
    # Where files were replaced, the store of the old ones leads to wrong bytes and is taken away.
    replaced = {str(archive.directory(source)) for source, kind in zip(archive.sources(), archive.kinds * archive.count) if
                situation.state == "b" and kind not in (("plain", "longer"), ("plain", "plain"))}  # fmt: skip
    for path in situation.before.written.keys() & situation.expected.written.keys() - written.keys():
        if not any(path.endswith(f"{Path(directory).relative_to(archive.data)}/{Path(path).name}") for directory in replaced):
            found.append(f"lost: {path}")
    if archive.ledger.exists() and archive.ledger.stat().st_size > 0:
        checked = archive.run("ledger", "check")
        if checked.code == 3 and "no ledger yet" not in checked.stderr:
            found.append(f"ledger check: {checked.stderr}")
        if checked.code in (0, 1):
            found += not_there(archive, archive.advertised())
    return found
