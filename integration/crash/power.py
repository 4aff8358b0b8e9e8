"""Power that is lost after any operation of a run: the real operations, recorded, are replayed on a model of a disk, and whatever it may
hold then is put in place and given to the program."""

import hashlib
import json
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import disk
from archive import MOVED, URL, Archive, Outcome, Snapshot, repository_of, temporaries
from shim import Shim, operations
from trees import instance_id


@dataclass(frozen=True)
class Step:
    """A command whose power is cut, and those that are called when the machine is up again."""

    name: str
    before: Snapshot
    state: str
    command: list[object]
    again: list[list[object]]
    expected: Outcome
    final: Snapshot
    # What repositories of Icechunk say before and after.
    says: dict[str, set[str]]


@dataclass
class Result:
    operations: int = 0
    states: int = 0
    checked: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.operations} operations recorded, {self.states} different states after a loss of power, "
            f"{self.checked} of them put in place: {len(self.differences)} differences"
        )


def run(
    binary: Path, place: Path, count: int, most: int | None, seed: int, shim: Shim, report=print, formats: Sequence[str] = ()
) -> Result:
    """Records the commands of a small archive, with these forms, and checks all states, or `most` of each command."""
    options = ("--format", ",".join(formats)) if formats else ()
    result = Result()
    for name, beside in (("beside", True), ("apart", False)):
        archive = Archive(binary, place / name, count, beside, options=options)
        # Steps are recorded one after the other: each begins where the one before ended.
        for step, log in steps(archive, shim):
            _replay(archive, step, log, most, random.Random(f"{seed} {name} {step.name}"), result, report)
            log.unlink()
    return result


def steps(archive: Archive, shim: Shim) -> Iterator[tuple[Step, Path]]:
    nothing = Snapshot({}, {})
    scan = archive.scan_arguments("--jobs", 2)
    first = yield from _step(archive, shim, "first scan", nothing, "a", scan, [scan])
    second = yield from _step(archive, shim, "rescan", first, "b", scan, [scan])
    ids = [instance_id(archive.directory(archive.sources()[number]), archive.data) for number, kind in enumerate(archive.kinds[: archive.count]) if
           kind[1] in ("plain", "seamed", "segmented")][:4]  # fmt: skip
    yield from _step(archive, shim, "retract", second, "b", ["retract", *ids], [["retract", *ids], ["gc"]])
    yield from _step(archive, shim, "gc", second, "b", ["gc"], [["gc"]])
    yield from _step(archive, shim, "scan from other URLs", first, "a", _moved(scan), [_moved(scan)])
    told = ["advertise", "--data-node", "node.test"]
    yield from _step(archive, shim, "advertise", second, "b", told, [told])


def _moved(scan: list[object]) -> list[object]:
    return [str(argument).replace(URL, MOVED) if str(argument).startswith("--data-root") else argument for argument in scan]


def _step(archive: Archive, shim: Shim, name: str, before: Snapshot, state: str, command: list, again: list[list]) -> Iterator:
    archive.restore(before)
    archive.put(state)
    says = [_says(archive)]
    log = archive.place / "operations.log"
    archive.run(*command, environment=shim.recording(archive.place, log)).exits(0, 1)
    final = archive.snapshot()
    says.append(_says(archive))
    for repeated in again:
        archive.run(*repeated).exits(0, 1)
    expected = archive.outcome()
    archive.restore(before)
    known = {path: {it[path] for it in says if path in it} for path in {*says[0], *says[1]}}
    yield Step(name, before, state, command, again, expected, final, known), log
    return final


def _says(archive: Archive) -> dict[str, str]:
    paths = archive.repositories()
    if not paths:
        return {}
    from repositories import contents

    return {str(path): contents(str(path)) for path in paths}


def _replay(archive: Archive, step: Step, log: Path, most: int | None, chance: random.Random, result: Result, report: Callable) -> None:
    archive.restore(step.before)
    archive.put(step.state)
    model = disk.Disk(archive.place, [archive.data, archive.place / "new", archive.place / "state"])
    states: dict[bytes, tuple[str, dict[str, bytes]]] = {}
    recorded = list(operations(log))
    count = len(recorded)
    # To work out the states takes its time, too.
    moments = set(range(1, count + 1) if most is None else chance.sample(range(1, count + 1), min(count, 4 * most)))
    for number, operation in enumerate(recorded, 1):
        model.apply(operation)
        for names, content in disk.LOSSES if number in moments else ():
            found = model.after(names, content, chance)
            label = f"{number} ({operation.kind} {operation.path.name}), names {names}, bytes {content}"
            states.setdefault(_digest(found), (label, found))
    # What the program said is done must be done, whatever is lost now.
    last = model.after("none", "none", chance)
    certain = f"{count}, the last: nothing but what is certain"
    states.pop(_digest(last), None)
    _check_model(archive, step, model.after("all", "all", chance))
    chosen = list(states.values())
    result.operations += count
    result.states += len(chosen) + 1
    if most is not None and len(chosen) > most:
        chosen = chance.sample(chosen, most)
    found = _checked(archive, step, certain, last, is_done=True)
    for label, files in chosen:
        found += _checked(archive, step, label, files)
    result.checked += len(chosen) + 1
    result.differences += found
    report(f"{archive.place.name}, {step.name}: {count} operations, {len(states) + 1} states, {len(chosen) + 1} checked")
    for difference in found:
        report(f"  {difference}")


def _digest(files: dict[str, bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()


def _check_model(archive: Archive, step: Step, files: dict[str, bytes]) -> None:
    """Without a loss the disk is as the run left it; otherwise some call was not recorded, and nothing that follows means anything."""
    snapshot = _snapshot(archive, files)
    assert snapshot.written == step.final.written, f"{step.name}: the recording misses something of the stores"
    ledger = {name: content for name, content in step.final.ledger.items() if not name.endswith("-shm")}
    assert snapshot.ledger == ledger, f"{step.name}: the recording misses something of the ledger"


def _snapshot(archive: Archive, files: dict[str, bytes]) -> Snapshot:
    state = f"{archive.ledger.parent}/"
    ledger = {path.removeprefix(state): content for path, content in files.items() if path.startswith(state)}
    return Snapshot({path: content for path, content in files.items() if not path.startswith(state)}, ledger)


def _checked(archive: Archive, step: Step, label: str, files: dict[str, bytes], is_done: bool = False) -> list[str]:
    snapshot = _snapshot(archive, files)
    archive.restore(snapshot)
    archive.put(step.state)
    found = _torn(step, snapshot) + _unresolved(snapshot.written) + _unfounded(step, snapshot)
    found += _unreadable(archive, step, snapshot)
    if is_done:
        lost = [path for path in step.final.written if snapshot.written.get(path) != step.final.written[path]]
        found += [f"lost though the run was over: {path}" for path in lost]
        back = [path for path in snapshot.written if path not in step.final.written]
        found += [f"back though the run was over: {path}" for path in back]
    for repeated in step.again:
        done = archive.run(*repeated)
        if done.code not in (0, 1):
            return [f"after {label}: {' '.join(map(str, repeated))[:60]}: exit {done.code}: {done.stderr[-600:]}"]
    found += archive.outcome().differences(step.expected)
    return [f"{archive.place.name}, {step.name}, after {label}: {difference}" for difference in found]


def _torn(step: Step, snapshot: Snapshot) -> list[str]:
    """Files under a final name that are neither what was there nor what was written."""
    return [
        f"torn: {path}, {len(content)} bytes"
        for path, content in snapshot.written.items()
        if not temporaries([path]) and content not in (step.before.written.get(path), step.final.written.get(path))
    ]


def _unreadable(archive: Archive, step: Step, snapshot: Snapshot) -> list[str]:
    """Repositories of Icechunk, now in place, that say neither what they said before nor what they were to say."""
    if not archive.repositories():
        return []
    from repositories import contents

    found = []
    for path in map(str, archive.repositories()):
        files = {it: content for it, content in snapshot.written.items() if repository_of(it) == path}
        # Most are as in other states.
        if any(files == _of(path, it) for it in (step.before, step.final)):
            continue
        try:
            if contents(path) not in step.says.get(path, ()):
                found.append(f"says neither what it did nor what it was to say: {path}")
        except Exception as error:  # whatever a reader meets
            found.append(f"cannot be read: {path}: {str(error)[:300]}")
    return found


def _of(repository: str, snapshot: Snapshot) -> dict[str, bytes]:
    return {path: content for path, content in snapshot.written.items() if repository_of(path) == repository}


def _unresolved(written: dict[str, bytes]) -> list[str]:
    """Manifests that refer to seams which are not there, or end before."""
    found = []
    for path, content in written.items():
        if not path.endswith(".json") or temporaries([path]) or b'.seams"' not in content:
            continue
        try:
            references = json.loads(content)["refs"].values()
        except ValueError:
            continue  # torn, and said to be
        ranges = [it for it in references if isinstance(it, list) and len(it) == 3]
        ends = [(it[0].rpartition("/")[2], it[1] + it[2]) for it in ranges if it[0].endswith(".seams")]
        if any(end > len(written.get(f"{Path(path).parent}/{name}", b"")) for name, end in ends):
            found.append(f"refers to seams that are not there: {path}")
    return found


def _unfounded(step: Step, snapshot: Snapshot) -> list[str]:
    """Stores that the ledger knows and that are not there, neither as it says nor as the run left them."""
    if "ledger.sqlite" not in snapshot.ledger:
        return []
    with tempfile.TemporaryDirectory() as directory:
        for name, content in snapshot.ledger.items():
            (Path(directory) / name).write_bytes(content)
        with closing(sqlite3.connect(Path(directory) / "ledger.sqlite")) as connection:
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                return ["the ledger is damaged"]
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'stores'").fetchone():
                return []
            query = """SELECT manifest, stores.digest FROM stores JOIN datasets ON datasets.id = stores.dataset
                WHERE status = 'built' AND manifest IS NOT NULL
                UNION ALL SELECT path, digest FROM parts JOIN datasets ON datasets.id = parts.dataset WHERE status = 'built'"""
            known = connection.execute(query).fetchall()
            query = """SELECT path, digest, format FROM artefacts JOIN datasets ON datasets.id = artefacts.dataset
                WHERE status = 'built'"""
            forms = connection.execute(query).fetchall()
    found = []
    for path, digest in known:
        content = snapshot.written.get(path)
        # The run may have put another in place, or taken it away, of which the ledger is told afterwards.
        is_done = content == step.final.written.get(path)
        if not is_done and (content is None or hashlib.sha256(content).hexdigest() != digest):
            found.append(f"in the ledger, but not there: {path}")
    for path, digest, form in forms:
        files, done = (_set(path, it.written) for it in (snapshot, step.final))
        # What a repository says is read elsewhere.
        is_right = "repo" in files if form == "icechunk" else _digest_of_set(files) == digest
        if files != done and not is_right:
            found.append(f"in the ledger, but not there: {path}")
    return found


def _set(top: str, written: dict[str, bytes]) -> dict[str, bytes]:
    return {path.removeprefix(f"{top}/"): it for path, it in written.items() if path.startswith(f"{top}/") and not path.endswith("/")}


def _digest_of_set(files: dict[str, bytes]) -> str:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()

