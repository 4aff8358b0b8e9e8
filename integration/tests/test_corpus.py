"""Files that others wrote, and files that the tools of climate science write: the corpus of `integration/corpus/fetch` and `make`.

Skipped unless VZARR_CORPUS names its directory: it is a gigabyte, and not all of it may be passed on.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import witness
from publisher import Publisher

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

def sources() -> list:
    named = os.environ.get("VZARR_CORPUS")
    found = sorted(path for path in Path(named).resolve().iterdir() if path.is_dir() and path.name[0] != ".") if named else []
    if found:
        return [pytest.param(path, id=path.name) for path in found]
    skipped = pytest.mark.skip(reason="no corpus: VZARR_CORPUS names a directory filled by integration/corpus/fetch and make")
    return [pytest.param(None, id="none", marks=skipped)]


@pytest.mark.parametrize("source", sources())
def test_corpus(source: Path, vzarr_publish: Publisher, record_property) -> None:
    """No file is shown wrongly, none makes the tool fail or hang, and no sound one is called broken."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    with ThreadPoolExecutor(2) as pool:
        judgements = dict(zip(files, pool.map(lambda path: witness.judge(vzarr_publish.binary, path), files)))
    counts = Counter(judgement.outcome for judgement in judgements.values())
    record_property("corpus", (source.name, dict(counts)))
    wrong = []
    for path, judgement in judgements.items():
        if judgement.outcome == witness.WRONG and path.name not in witness.KNOWN:
            wrong.append(f"{path.name}: " + "; ".join(judgement.said[:5]))
        if judgement.outcome == witness.REFUSED and judgement.code not in ("unsupported", "too-large") and path.name not in witness.BROKEN:
            wrong.append(f"{path.name}: called {judgement.code}: {judgement.said[0]}")
    assert not wrong, f"{dict(counts)}\n" + "\n".join(wrong)
