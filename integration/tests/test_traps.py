"""Each trap of `traps.py`: a store identical to the files through every reader, over HTTP and from the disk, or a stated reason."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

import readers
import traps
import truth
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store
from traps import TRAPS, Trap, Verdict
from trees import everything_below, instance_id


@dataclass
class Scanned:
    root: Path
    before: set[Path]
    published: dict[str, Store]
    ledger: Path
    local: dict[str, Store]
    local_directory: Path
    arguments: tuple[object, ...]
    report: Path


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """The tree scanned twice: stores beside the files with the node's URLs, and stores elsewhere with local paths, where data in one
    piece are cut small: to a step, or where a step is 140 bytes, to rows."""
    root = node.root / "traps"
    traps.write_all(root)
    before = everything_below(root)
    state = tmp_path_factory.mktemp("state")
    arguments = (root, "--data-root", f"{root}={node.url(root)}")
    report = ("--report", state / "report.jsonl")
    vzarr_publish.scan(*arguments, *report, ledger=state / "published.sqlite", expect=[1])
    local_directory = tmp_path_factory.mktemp("local-stores")
    small = ("--contiguous-chunk", "100")
    vzarr_publish.scan(root, "--output-dir", local_directory, *small, ledger=state / "local.sqlite", expect=[1])
    return Scanned(
        root,
        before,
        vzarr_publish.stores(state / "published.sqlite"),
        state / "published.sqlite",
        vzarr_publish.stores(state / "local.sqlite"),
        local_directory,
        arguments,
        state / "report.jsonl",
    )


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_trap(trap: Trap, scanned: Scanned, vzarr_publish: Publisher, node: DataNode, record_property) -> None:
    directory = trap.directory(scanned.root)
    name = instance_id(directory, scanned.root)
    assert name in scanned.published, f"{name} is not listed"
    store, local = scanned.published[name], scanned.local[name]
    record_property("dataset", ("traps", store.form, trap.name, None))
    assert (store.status, store.reason) == (local.status, local.reason), "the verdict depends on where the store is written"
    if not store.built:
        assert trap.verdict is not Verdict.BUILT, f"must be built, was {store.status}: {store.reason}"
        assert store.status in ("refused", "failed")
        assert store.manifest is None, "there is a store for what could not be built"
        told = f"{store.reason}\n{vzarr_publish.explanation(store, scanned.ledger)}"
        without_paths = re.sub(r"/\S+", "", told)  # these hold the name of the trap
        assert re.search(trap.reason, without_paths, re.IGNORECASE), f"the reason does not name {trap.reason!r}:\n{told}"
        return
    assert trap.verdict is not Verdict.REFUSED, "must be refused, was built"
    files = truth.in_time_order(directory.glob("[!.]*.nc"))
    assert store.files == files
    if trap.verdict is Verdict.SEGMENTED:
        assert store.manifest is store.url is local.manifest is None and len(store.segments) > 1
        told = "\n".join(_with_code_first(vzarr_publish.warnings(store, scanned.ledger)))
        assert re.search(trap.reason, re.sub(r"/\S+", "", told), re.IGNORECASE), told
    else:
        assert store.manifest == directory / f"{name}.json"
        assert local.manifest == scanned.local_directory / directory.relative_to(scanned.root) / f"{name}.json"
        assert store.url == node.url(store.manifest)
        assert bool(store.segments) == (trap.verdict is Verdict.RECTILINEAR)
    assert (store.reencoded_bytes > 0) == trap.seamed
    assert set(store.variables) == set(truth.raw((files[0],))[0])
    _check_warnings(trap, vzarr_publish.warnings(store, scanned.ledger))
    found = readers.store_differences(store, node.url)
    found += [f"local, {difference}" for difference in readers.store_differences(local, str)]
    if trap.announced:
        variable, attribute = trap.announced
        warnings = vzarr_publish.warnings(store, scanned.ledger)
        assert any(f"`{variable}`" in line and f"`{attribute}`" in line for line in warnings), (
            f"{trap.announced} is changed without a word: {warnings}"
        )
        found = trap.unannounced(found)
    assert not found, "\n" + "\n".join(found)


def _check_warnings(trap: Trap, warnings: list[str]) -> None:
    """Of time, there are the warnings that the trap is to give and no other."""
    told = [line for line in _with_code_first(warnings) if line.startswith("time-")]
    assert len(told) == len(trap.warns), told
    for expected in trap.warns:
        assert any(re.search(expected, line) for line in told), f"no warning says {expected!r}: {told}"


def _with_code_first(warnings: list[str]) -> list[str]:
    """The code comes last in a line, and first in the expressions."""
    return [f"{line[line.rindex('[') + 1 : -1]}: {line}" for line in warnings]


def test_the_report_is_as_its_schema_says(scanned: Scanned) -> None:
    schema = json.loads((REPOSITORY / "schemas" / "report.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    lines = [json.loads(line) for line in scanned.report.read_text().splitlines()]
    wrong = [f"{line.get('id')}: {error.message}" for line in lines for error in validator.iter_errors(line)]
    assert len(lines) > len(TRAPS) - 1 and not wrong, "\n".join(wrong)
    assert list(validator.iter_errors(lines[0] | {"status": "lost"}))


def test_nothing_is_listed_that_is_no_dataset(scanned: Scanned) -> None:
    expected = {instance_id(trap.directory(scanned.root), scanned.root) for trap in TRAPS}
    assert set(scanned.published) == expected


def test_only_the_stores_were_written(scanned: Scanned) -> None:
    def written(stores: dict[str, Store]) -> set[Path]:
        return {path for store in stores.values() for path in store.written}

    assert everything_below(scanned.root) == scanned.before | written(scanned.published)
    assert everything_below(scanned.local_directory) == written(scanned.local)


def test_scanning_again_changes_nothing(scanned: Scanned, vzarr_publish: Publisher) -> None:
    manifests = [path for store in scanned.published.values() for path in store.written]
    assert manifests
    first = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in manifests}
    vzarr_publish.scan(*scanned.arguments, ledger=scanned.ledger, expect=[1])
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in manifests} == first
    vzarr_publish.scan(*scanned.arguments, "--force", ledger=scanned.ledger, expect=[1])
    assert {path: path.read_bytes() for path in manifests} == {path: content for path, (_, content) in first.items()}
