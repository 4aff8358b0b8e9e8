"""Scans that are killed at random moments, and completed by the next: is everything as after an undisturbed one?"""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from archive import Archive, Outcome, Snapshot, not_there, temporaries
from shim import Shim, operations


@dataclass(frozen=True)
class Situation:
    """What a scan begins with, its options, and what it ends with when nobody disturbs it."""

    name: str
    before: Snapshot
    state: str
    options: tuple[str, ...]
    expected: Outcome
    seconds: float
    operations: int


@dataclass
class Result:
    trials: int = 0
    killed: int = 0
    by: Counter = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    # How many of the killed runs had left temporary files, and how many a ledger that knew some datasets but not all.
    left: Counter = field(default_factory=Counter)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.by.items()))
        left = ", ".join(f"{count} {kind}" for kind, count in sorted(self.left.items()))
        return f"{self.trials} scans, {self.killed} killed ({kinds}; left behind: {left}): {len(self.differences)} differences"


def prepare(archive: Archive, shim: Shim | None) -> list[Situation]:
    """Undisturbed runs of all that is to be disturbed later."""
    nothing = Snapshot({}, {})
    archive.empty()
    archive.put("a")
    first = _undisturbed(archive, shim, "first scan", nothing, "a", ())
    after_first = archive.snapshot()
    second = _undisturbed(archive, shim, "rescan", after_first, "b", ())
    forced = _undisturbed(archive, shim, "forced scan", after_first, "a", ("--force",))
    return [first, second, forced]


def _undisturbed(archive: Archive, shim: Shim | None, name: str, before: Snapshot, state: str, options: tuple[str, ...]) -> Situation:
    _begin(archive, before, state)
    count = 0
    if shim:
        log = archive.place / "operations.log"
        archive.scan(*options, environment=shim.recording(archive.place, log)).exits(0, 1)
        count = sum(1 for _ in operations(log))
        log.unlink()
        _begin(archive, before, state)
    seconds = archive.timed_scan(*options)
    return Situation(name, before, state, options, archive.outcome(), seconds, count)


def _begin(archive: Archive, before: Snapshot, state: str) -> None:
    archive.restore(before)
    archive.put(state)


def run(binary: Path, place: Path, count: int, times: int, seed: int, shim: Shim | None, report=print) -> Result:
    """`times` scans of `count` datasets, half of them killed by the clock, half, with a shim, at one of their operations."""
    chance = random.Random(seed)
    archives = [Archive(binary, place / name, count, beside) for name, beside in (("beside", True), ("apart", False))]
    situations = [(archive, situation) for archive in archives for situation in prepare(archive, shim)]
    for archive, situation in situations:
        report(
            f"{archive.place.name}, {situation.name}: {len(situation.expected.written)} files, {len(situation.expected.advertised)} to "
            f"advertise, {situation.operations} operations, {situation.seconds:.1f} s undisturbed"
        )
    whole = [_contents(archive, situations) for archive, _ in situations]
    result = Result()
    for number in range(times):
        index = number % len(situations)
        (archive, situation), by_operation = situations[index], shim is not None and number // len(situations) % 2 == 1
        _begin(archive, situation.before, situation.state)
        if by_operation:
            moment = chance.randint(1, situation.operations)
            environment = shim.killing(archive.place, "any", moment)
            killed = archive.killed_scan(*situation.options, after=300, environment=environment)
            where = f"operation {moment}"
        else:
            seconds = chance.uniform(0, situation.seconds)
            killed = archive.killed_scan(*situation.options, after=seconds)
            while not killed and seconds > 0.1:
                # The machine has become faster since the undisturbed run.
                _begin(archive, situation.before, situation.state)
                seconds *= chance.uniform(0.3, 0.9)
                killed = archive.killed_scan(*situation.options, after=seconds)
            where = f"{seconds:.3f} s"
        result.trials += 1
        result.killed += killed
        result.by["by operation" if by_operation else "by the clock"] += killed
        label = f"{archive.place.name}, {situation.name}, killed at {where} ({number + 1} of seed {seed})"
        found = after_kill(archive, whole[index], result)
        archive.scan().exits(0, 1)
        outcome = archive.outcome()
        found += outcome.differences(situation.expected) + outcome.absent(archive)
        checked = archive.run("ledger", "check")
        if checked.code != 0:
            found.append(f"ledger check: {checked.stdout}{checked.stderr}")
        result.differences += [f"{label}: {difference}" for difference in found]
        for difference in found:
            report(f"{label}: {difference}")
    return result


def _contents(archive: Archive, situations: list[tuple[Archive, Situation]]) -> dict[str, set[bytes]]:
    """All that any of the runs may have written under a name, whole."""
    contents: dict[str, set[bytes]] = {}
    for of, situation in situations:
        if of is archive:
            for written in (situation.before.written, situation.expected.written):
                for path, content in written.items():
                    contents.setdefault(path, set()).add(content)
    return contents


def after_kill(archive: Archive, whole: dict[str, set[bytes]], result: Result) -> list[str]:
    """What must not be found after a kill, before anything is done about it."""
    written = archive.written()
    left = temporaries(written)
    result.left["with temporary files"] += bool(left)
    found = [f"torn: {path}" for path, content in written.items() if path not in left and content not in whole.get(path, ())]
    if archive.ledger.exists() and archive.ledger.stat().st_size > 0:
        checked = archive.run("ledger", "check")
        if checked.code not in (0, 1) and "there is no ledger yet" not in checked.stderr:
            found.append(f"ledger check: exit {checked.code}: {checked.stderr}")
        # A ledger without tables yet is none.
        if checked.code != 3:
            found += not_there(archive, archive.advertised())
    return found
