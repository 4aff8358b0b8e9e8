"""What all modules share: the tool, a data node, and the counts printed at the end."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

import publisher
from nodes import DataNode


@pytest.fixture(scope="session")
def vzarr_publish() -> publisher.Publisher:
    return publisher.Publisher(publisher.find())


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataNode]:
    """nginx over an empty directory; each module puts its tree below it."""
    with DataNode(tmp_path_factory.mktemp("www"), tmp_path_factory.mktemp("nginx")) as node:
        yield node


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many datasets of each collection became stores, and why the others did not.

    Tests say so with `record_property("dataset", (collection, status, id, reason or None))`.
    """
    counts: dict[str, Counter] = defaultdict(Counter)
    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for collection, status, instance_id, reason in (value for key, value in report.user_properties if key == "dataset"):
                if status.startswith("built"):
                    status += " and identical through every reader" if outcome == "passed" else " and DIFFERENT"
                counts[collection][status] += 1
                if reason:
                    reasons[collection].append(f"{instance_id}: {status}: {reason}")
    for collection, statuses in counts.items():
        terminalreporter.write_sep("-", collection)
        total = sum(statuses.values())
        terminalreporter.write_line(
            f"{total} datasets: " + ", ".join(f"{count} {status}" for status, count in statuses.most_common())
        )
        for line in sorted(reasons[collection]):
            terminalreporter.write_line(f"  {line}")
