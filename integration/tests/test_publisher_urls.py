"""URLs in stores, and those of the manifests: byte for byte what esgcet 5.5.3 publishes for the same files by the same esg.yaml."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

import esgcet
import trees
from nodes import DataNode
from publisher import Publisher, Store

MODEL = "M"
PATH = "CMIP6/CMIP/VZARR/M/historical/r1i1p1f1/Amon/tas/gn/v20260101"


@dataclass(frozen=True)
class Case:
    """`{top}` is the directory of the case; the tree is in `place` below it."""

    data_roots: dict[str, str]
    more: dict[str, object] = field(default_factory=dict)
    place: str = "data"
    # Where mapfiles say the tree is, and where it is scanned, if that is a link to it.
    mapped: str | None = None

    def settings(self, top: Path) -> dict[str, object]:
        def placed(value: object) -> object:
            if isinstance(value, dict):
                return {placed(key): placed(item) for key, item in value.items()}
            return value.replace("{top}", str(top)) if isinstance(value, str) else value

        return placed({"data_roots": self.data_roots, **self.more})


GLOBUS = {"https_url": "https://g-1.data.globus.org/{}/{}|application/netcdf|HTTPServer"}
REAL = {"{top}/real": "css03"}

CASES = {
    "one root": Case({"{top}/data": "css03_data"}),
    "slashes around what it is mapped to": Case({"{top}/data": "/css03_data/"}),
    "several segments": Case({"{top}/data": "esgf/css03/data"}),
    "the root has the project directory": Case({"{top}/data/CMIP6": "six"}),
    "the root has the project directory and a slash": Case({"{top}/data/CMIP6/": "six"}),
    "a deeper root": Case({"{top}/data/CMIP6/CMIP/VZARR": "institute"}),
    "the longer root last": Case({"{top}/data": "all", "{top}/data/CMIP6": "six"}),
    "the shorter root last": Case({"{top}/data/CMIP6": "six", "{top}/data": "all"}),
    "the shorter root last, with a slash": Case({"{top}/data/CMIP6": "six", "{top}/data/": "all"}),
    "roots beside": Case({"{top}/other": "other", "{top}/data": "all", "{top}/data2": "two"}),
    "the project in the name of the root": Case({"{top}/CMIP6-data": "css03"}, place="CMIP6-data"),
    "the project in the name of the root, and a slash": Case({"{top}/CMIP6-data/": "css03"}, place="CMIP6-data"),
    "https_url": Case({"{top}/data": "css03"}, GLOBUS),
    "https_url with two slashes": Case({"{top}/data": "css03"}, {"https_url": "https://h.org//{}//{}|application/netcdf|HTTPServer"}),
    "https_url by number": Case({"{top}/data": "css03"}, {"https_url": "https://h.org/{0}/x/{1}|application/netcdf|HTTPServer"}),
    "https_url and several roots": Case({"{top}/data": "all", "{top}/data/CMIP6/": "six"}, GLOBUS),
    "https_url is empty": Case({"{top}/data": "css03"}, {"https_url": ""}),
    "globus_uuid": Case({"{top}/data": "css03"}, {"globus_uuid": "415a6320"}),
    "mountpoint_map": Case(REAL, {"mountpoint_map": {"{top}/map": "{top}/real"}}, "real", "map"),
    "mountpoint_map for other paths": Case({"{top}/data": "css03"}, {"mountpoint_map": {"{top}": "/nowhere"}}),
    "mountpoint_map with a slash, which is never met": Case(
        {"{top}/real": "css03", "{top}/map": "map"}, {"mountpoint_map": {"{top}/map/": "{top}/real"}}, "real", "map"
    ),
    "mountpoint_map and the project in other letters": Case(
        {"{top}/real": "css03", "{top}/map": "map"}, {"mountpoint_map": {"{top}/map": "{top}/real"}, "project": "cmip6"}, "real", "map"
    ),
    "mountpoint_map and the project": Case(REAL, {"mountpoint_map": {"{top}/map": "{top}/real"}, "project": "CMIP6"}, "real", "map"),
    "mountpoint_map is none": Case({"{top}/data": "css03"}, {"mountpoint_map": "none", "project": "none", "globus_uuid": "none"}),
    "references beside the files": Case({"{top}/data": "css03"}, {"kerchunk": {"generation": True}}),
    "references in a directory": Case(
        {"{top}/data": "css03"}, {"kerchunk": {"generation": True, "data_dir": {"{top}/refs": "https://refs.test/x"}}}
    ),
    "references in a directory, and slashes": Case(
        {"{top}/data": "css03"}, {"kerchunk": {"generation": True, "data_dir": {"{top}/refs/": "https://refs.test/x/"}}}
    ),
}


@dataclass(frozen=True)
class Outcome:
    published: esgcet.Published
    store: Store
    urls: dict[str, str]


def urls_in(store: Store) -> dict[str, str]:
    """The URL of each file, by its name, as the manifest has it."""
    references = json.loads(store.manifest.read_text())["refs"].values()
    urls = {reference[0] for reference in references if isinstance(reference, list)}
    by_name = {file.name: [url for url in urls if url.endswith(quote(file.name))] for file in store.files}
    assert all(len(found) == 1 for found in by_name.values()) and len(by_name) == len(urls), urls
    return {name: url for name, (url,) in by_name.items()}


def scanned(vzarr_publish: Publisher, top: Path, place: Path, *options: object) -> Store:
    ledger = top / "ledger.sqlite"
    vzarr_publish.scan(place, *options, ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    return store


@pytest.fixture(scope="module")
def outcomes(vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    stores, given = {}, []
    for name, case in CASES.items():
        top = tmp_path_factory.mktemp("case")
        directory = top / case.place / PATH
        trees.write_series(directory, trees.years(2), MODEL)
        (top / "refs").mkdir()
        if case.mapped:
            (top / case.mapped).symlink_to(top / case.place)
        config = esgcet.write_config(top / "esg.yaml", **case.settings(top))
        place = top / (case.mapped or case.place)
        files = [place / PATH / file.name for file in sorted(directory.iterdir())]
        given.append((config, esgcet.write_mapfile(top, PATH.replace("/", "."), files)))
        stores[name] = scanned(vzarr_publish, top, place / "CMIP6", "--config", config)
    published = esgcet.publish(given)
    return {name: Outcome(found, stores[name], urls_in(stores[name])) for name, found in zip(CASES, published, strict=True)}


@esgcet.needs_esgcet
@pytest.mark.parametrize("name", CASES)
def test_urls_are_the_published_ones(outcomes: dict[str, Outcome], name: str) -> None:
    found = outcomes[name]
    assert found.published.error is None, found.published.error
    assert found.store.id == found.published.id
    assert {Path(path).name: url for path, url in found.published.urls.items()} == found.urls
    assert len(found.urls) == 2


@esgcet.needs_esgcet
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "kerchunk" in case.more])
def test_references_are_where_the_publisher_has_them(outcomes: dict[str, Outcome], name: str) -> None:
    found = outcomes[name]
    assert found.published.reference is not None
    assert found.store.url == found.published.reference


@esgcet.needs_esgcet
def test_the_cases_differ(outcomes: dict[str, Outcome]) -> None:
    """Comparing nothing with nothing would pass, too."""
    endings = {url.split(PATH.rsplit("/", 3)[0].split("VZARR/")[1])[0] for found in outcomes.values() for url in found.urls.values()}
    assert len(endings) >= 12, endings


@esgcet.needs_esgcet
def test_odd_characters_are_encoded_for_the_server(vzarr_publish: Publisher, node: DataNode, tmp_path: Path) -> None:
    """The publisher writes them as they are, which is no URL; ours is that with the characters encoded, and is served."""
    root = node.root / "with a space, \u00fc, %41 and #"
    directory = root / PATH
    trees.write_series(directory, trees.years(2), MODEL)
    https_url = f"{node.base}/{{}}/{{}}|application/netcdf|HTTPServer"
    settings = {"data_roots": {str(node.root): "."}, "https_url": https_url}
    config = esgcet.write_config(tmp_path / "esg.yaml", **settings)
    store = scanned(vzarr_publish, tmp_path, root, "--config", config)
    mapfile = esgcet.write_mapfile(tmp_path, store.id, store.files)
    (published,) = esgcet.publish([(config, mapfile)])
    assert published.error is None
    first = store.files[0]
    theirs = published.urls[str(first)]
    assert theirs.endswith(f"/{root.name}/{PATH}/{first.name}")
    assert urls_in(store)[first.name] == theirs.replace(root.name, quote(root.name, safe=","))
    done = vzarr_publish.run("verify", "--all", "--http", "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 0, done.stderr


@esgcet.needs_esgcet
def test_a_slash_that_the_publisher_stumbles_over(vzarr_publish: Publisher, tmp_path: Path) -> None:
    """It strips the slash, does not find the root in its table again, and ends; ours are the URLs without the slash."""
    trees.write_series(tmp_path / "data" / PATH, trees.years(2), MODEL)
    config = esgcet.write_config(tmp_path / "esg.yaml", data_roots={f"{tmp_path}/data/": "css03"})
    store = scanned(vzarr_publish, tmp_path, tmp_path / "data", "--config", config)
    without = esgcet.write_config(tmp_path / "without.yaml", data_roots={f"{tmp_path}/data": "css03"})
    mapfile = esgcet.write_mapfile(tmp_path, store.id, store.files)
    slash, no_slash = esgcet.publish([(config, mapfile), (without, mapfile)])
    assert slash.error is not None
    assert {Path(path).name: url for path, url in no_slash.urls.items()} == urls_in(store)


@esgcet.needs_esgcet
def test_what_no_root_covers_is_published_by_neither(vzarr_publish: Publisher, tmp_path: Path) -> None:
    trees.write_series(tmp_path / "data" / PATH, trees.years(1), MODEL)
    config = esgcet.write_config(tmp_path / "esg.yaml", data_roots={str(tmp_path / "dat"): "css03"})
    store = scanned(vzarr_publish, tmp_path, tmp_path / "data", "--config", config)
    assert store.url is None
    assert any("outside-data-roots" in warning for warning in vzarr_publish.warnings(store, tmp_path / "ledger.sqlite"))
    (published,) = esgcet.publish([(config, esgcet.write_mapfile(tmp_path, store.id, store.files))])
    assert published.error is not None
