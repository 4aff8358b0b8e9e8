"""What docs/operators.md gives a data node: the configuration of nginx, and the units of systemd."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import readers
import trees
from nodes import DataNode
from publisher import REPOSITORY, Publisher, Store

CONFIGURATION = REPOSITORY / "integration/nginx/virtual-stores.conf"
UNITS = REPOSITORY / "integration/systemd"
# A script in a page of another host.
ORIGIN = {"Origin": "https://viewer.example.org"}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataNode]:
    place = tmp_path_factory.mktemp("configured")
    for directory in ("www", "mirror"):
        (place / directory).mkdir()
    # A tree of its own for stores of a read-only archive, as docs/operators.md has it.
    mirror = f"location /thredds/fileServer/vzarr/ {{ alias {place}/mirror/; include {CONFIGURATION}; }}"
    with DataNode(place / "www", place / "nginx", f"include {CONFIGURATION}; {mirror}") as node:
        yield node


@pytest.fixture(scope="module")
def store(configured: DataNode, vzarr_publish: Publisher) -> Store:
    """One with segments beside its manifest."""
    directory = trees.version_directory(configured.root, "VZARR-NGINX")
    files = [trees.File(start=start, months=18, chunks=(12, 5, 7), deflate=None) for start in (0, 18)]
    trees.write_series(directory, files, "VZARR-NGINX")
    ledger = configured.private / "ledger.sqlite"
    urls = ("--data-root", f"{configured.root}={configured.base}")
    vzarr_publish.scan(configured.root, *urls, "--format", "icechunk", ledger=ledger, expect=(0,))
    store = vzarr_publish.stores(ledger)[trees.instance_id(directory, configured.root)]
    assert store.manifest and store.segments
    return store


def ask(url: str, method: str = "GET", **headers: str):
    return urlopen(Request(url, headers=ORIGIN | headers, method=method), timeout=10)


def test_every_part_of_a_store_is_for_browsers_and_is_asked_about(configured: DataNode, store: Store) -> None:
    for path in store.written:
        with ask(configured.url(path)) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Cache-Control"] == "no-cache"
            assert "Expires" not in answer.headers
            etag = answer.headers["ETag"]
        with pytest.raises(HTTPError) as unchanged:  # a copy that is as new costs no transfer
            ask(configured.url(path), **{"If-None-Match": etag})
        assert unchanged.value.code == 304
    with ask(configured.url(store.written[0]), **{"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(answer.read()) < store.written[0].stat().st_size / 3


def test_ranges_of_files_are_for_browsers(configured: DataNode, store: Store) -> None:
    path = store.files[0]
    with ask(configured.url(path), **{"Range": "bytes=8-15", "Accept-Encoding": "gzip"}) as answer:
        assert (answer.status, answer.read()) == (206, path.read_bytes()[8:16])
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    with ask(configured.url(path), "OPTIONS", **asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Range" in answer.headers["Access-Control-Allow-Headers"]


def test_repositories_are_for_browsers(configured: DataNode, store: Store) -> None:
    repository = store.manifest.with_suffix(".icechunk")
    files = [path for path in repository.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        with ask(configured.url(path), **{"Range": "bytes=0-3"}) as answer:
            assert (answer.status, answer.read()) == (206, path.read_bytes()[:4])
            assert answer.headers["Access-Control-Allow-Origin"] == "*" and answer.headers["Cache-Control"] == "no-cache"
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
    with ask(configured.url(repository / "repo"), "OPTIONS", **asked) as answer:
        assert answer.status == 204 and "If-None-Match" in answer.headers["Access-Control-Allow-Headers"]


def test_unfinished_stores_are_not_served(configured: DataNode, store: Store) -> None:
    hidden = store.files[0].parent / ".x.json"
    hidden.write_text("{}")
    with pytest.raises(HTTPError, match="404"):
        ask(configured.url(hidden))


def test_readers_find_what_the_files_hold(configured: DataNode, store: Store) -> None:
    assert not readers.store_differences(store, configured.url)


def test_stores_in_a_tree_of_their_own_are_served(configured: DataNode, store: Store, vzarr_publish: Publisher) -> None:
    mirror, ledger = configured.root.parent / "mirror", configured.private / "mirrored.sqlite"
    settings = configured.private / "esg.yaml"
    url = f"{configured.base}/{{}}/{{}}|application/netcdf|HTTPServer"
    roots = f"{{{configured.root}/CMIP6: CMIP6, {mirror}: thredds/fileServer/vzarr}}"
    settings.write_text(f"data_node: unused.example.org\nhttps_url: {url}\ndata_roots: {roots}\n")
    vzarr_publish.scan(configured.root, "--config", settings, "--output-dir", mirror, ledger=ledger, expect=(0,))
    mirrored = vzarr_publish.stores(ledger)[store.id]
    assert mirrored.manifest.is_relative_to(mirror)
    with ask(mirrored.url) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    base = mirrored.url.removesuffix(mirrored.manifest.name)
    assert not readers.store_differences(mirrored, lambda path: base + path.name)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """All but the programs, which are where the comments say."""
    for unit in UNITS.iterdir():
        text = unit.read_text()
        for program in ("/usr/local/bin/vzarr-publish", "/opt/vzarr-publish/integration/esg-publisher/vzarr-advertise"):
            text = text.replace(f"ExecStart={program}", "ExecStart=/bin/true")
        (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    assert len(units) == 3
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
