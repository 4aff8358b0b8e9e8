"""From NetCDF files to a scientist who finds the store in the catalogue: every program on the way is the real one.

Made trees with real CMIP6 names; mapfiles by esgprep; records and items by esgcet, through our wrapper of esgpublish; a STAC
catalogue with transactions; pystac-client; nginx; xarray. What stands in for something else is said in integration/README.md.
"""

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import jsonschema
import pytest

import catalog as catalogs
import publishing
import readers
import trees
from catalog import Catalog
from nodes import DataNode
from publisher import Publisher
from publishing import ESG_PUBLISHER, ESGCET, Dataset, Site

pytestmark = pytest.mark.skipif(
    bool(catalogs.missing() or publishing.missing()), reason=catalogs.missing() or publishing.missing() or ""
)

ASSET = "reference_file"


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with Catalog() as catalog:
        catalog.create_collection("CMIP6")
        yield catalog


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    return publishing.make_vocabulary(tmp_path_factory.mktemp("esgvoc"))


@pytest.fixture(scope="module")
def sites(
    node: DataNode, catalog: Catalog, vocabulary: tuple, vzarr_publish: Publisher, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Site]:
    def site(name: str, **settings: object) -> Site:
        home = tmp_path_factory.mktemp(name)
        return Site(f"{name}.example.org", node, catalog, vocabulary[0], home, vzarr_publish).prepare(**settings)

    return site


@pytest.fixture(scope="module")
def site(sites: Callable[..., Site]) -> Site:
    return sites("esgf-1")


def assert_opens(href: str, dataset: Dataset) -> None:
    """What each reader gets from an address is what the files hold."""
    assert not readers.differences(href, dataset.files)


def violations(schema: dict, item: dict) -> list[str]:
    """What a schema has against an item, at the depth where it says something."""
    errors = jsonschema.Draft7Validator(schema).iter_errors(item)
    details = [detail for error in errors for detail in (error.context or [error])]
    # Each schema is of items or of collections; what it says of collections is of no interest.
    relevant = [error for error in details if "Collection" not in error.message and "summaries" not in error.message]
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in relevant]


# Publication


@pytest.fixture(scope="module")
def published(site: Site) -> tuple[Dataset, dict]:
    """A dataset that the wrapper published, and the item as esgcet posted it."""
    dataset = site.write(trees.years(2), "tas")
    done = site.publish(site.mapfile(dataset), "--save-stac")
    assert done.returncode == 0, done.stderr
    return dataset, json.loads((site.home / f"{dataset.id}.json").read_text())


def test_a_published_store_is_found_and_opened(site: Site, published: tuple, vocabulary: tuple) -> None:
    dataset, item = published
    assert set(item["assets"]) == {ASSET, *(file.name for file in dataset.files)}
    assert not catalogs.stac_violations(item)
    assert not violations(vocabulary[1], item)
    # That these checks can fail, and for what esgcet's own generator puts there.
    bare = item | {"assets": item["assets"] | {ASSET: item["assets"][ASSET]["href"]}}
    assert catalogs.stac_violations(bare)
    assert violations(vocabulary[1], bare)

    [line] = site.advertise("--all", dataset.id)
    assert line["asset"] == item["assets"][ASSET]
    assert site.advertise(dataset.id) == [], "what was published is acknowledged"

    [found] = site.catalog.search(collections=["CMIP6"], query={"cmip6:variable_id": {"eq": "tas"}, "latest": {"eq": True}})
    assert found["id"] == dataset.id
    reference = found["assets"][ASSET]
    assert reference["roles"] == ["data", "virtual"]
    assert_opens(reference["href"], dataset)
    # The store refers to the files by the addresses under which they are published, too.
    refs = json.loads(urlopen(reference["href"], timeout=10).read())["refs"]
    assert {reference[0] for reference in refs.values() if isinstance(reference, list)} == {
        asset["href"] for name, asset in found["assets"].items() if name != ASSET
    }


@pytest.mark.skipif("VZARR_ESGF_SCHEMAS" not in os.environ, reason="VZARR_ESGF_SCHEMAS names no directory of ESGF's schemas")
@pytest.mark.parametrize("version", ["v3.0.2", "v3.0.3", "v3.0.4"])
def test_esgf_has_nothing_against_the_asset(published: tuple, version: str) -> None:
    """By the schemas of https://esgf.github.io/stac-transaction-api: the branch gh-pages of that repository."""
    schema = json.loads((Path(os.environ["VZARR_ESGF_SCHEMAS"]) / "cmip6" / version / "schema.json").read_text())
    _, item = published
    of_version = f"https://esgf.github.io/stac-transaction-api/cmip6/{version}/schema.json"
    item = item | {"stac_extensions": [of_version, *item["stac_extensions"][1:]]}
    without = item | {"assets": {name: asset for name, asset in item["assets"].items() if name != ASSET}}
    assert violations(schema, item) == violations(schema, without)
    spoilt = item | {"assets": item["assets"] | {ASSET: item["assets"][ASSET] | {"protocol": "zarr"}}}
    assert violations(schema, spoilt) != violations(schema, without), "the schema has nothing against anything"


PATCHED = ("pr", "psl", "huss", "uas", "vas", "rlds")


@pytest.fixture(scope="module")
def patched(site: Site) -> dict[str, Dataset]:
    """Datasets that were published without stores and then got them by patches, by variable."""
    datasets = {variable: site.write(trees.years(2), variable) for variable in PATCHED}
    mapfiles = site.mapfiles(*datasets.values())
    (site.home / "list").write_text("".join(f"{mapfile}\n" for mapfile in mapfiles))
    done = site.run(ESGCET / "esgpublish", "--map", "list")
    assert done.returncode == 0, done.stderr
    assert all(site.asset(dataset) is None for dataset in datasets.values())
    site.scan(*mapfiles)
    lines = site.advertise(*(dataset.id for dataset in datasets.values()))
    assert {(line["action"], line["dataset_id"]) for line in lines} == {("add", dataset.id) for dataset in datasets.values()}
    assert site.advertise(*(dataset.id for dataset in datasets.values())) == lines, "told again while nobody acknowledged it"
    # Sent with esgcet's own settings and tokens. One is not in the catalogue, and keeps no other from being sent.
    printed = "".join(f"{json.dumps(line)}\n" for line in lines)
    stranger = json.dumps(lines[0]).replace(".gn.", ".gr.")
    sent = site.run(ESGCET / "python", ESG_PUBLISHER / "esgpatch-vzarr", stdin=f"{stranger}\n{printed}")
    assert (sent.returncode, sent.stdout) == (1, printed), sent.stderr
    assert lines[0]["dataset_id"].replace(".gn.", ".gr.") in sent.stderr
    site.acknowledge(lines)
    assert site.advertise(*(dataset.id for dataset in datasets.values())) == []
    return datasets


def test_what_is_published_already_gets_its_store_by_a_patch(site: Site, patched: dict[str, Dataset]) -> None:
    [line] = site.advertise("--all", patched["pr"].id)
    assert site.asset(patched["pr"]) == line["asset"]
    assert_opens(line["asset"]["href"], patched["pr"])


def test_a_store_built_anew_replaces_the_asset(site: Site, patched: dict[str, Dataset]) -> None:
    dataset = patched["psl"]
    before = site.asset(dataset)
    # Files are corrected in place, before anybody was told of a new version.
    site.write([replace(file, units="hPa") for file in trees.years(2)], "psl")
    site.scan(site.mapfile(dataset))
    [line] = site.advertise(dataset.id)
    site.catalog.patch(line)
    site.acknowledge([line])
    after = site.asset(dataset)
    assert (after["href"], after["created"]) == (before["href"], before["created"])
    assert after["file:checksum"] != before["file:checksum"]
    assert after["updated"] > before["updated"]
    assert_opens(after["href"], dataset)
    assert site.advertise(dataset.id) == []


def test_the_store_of_a_superseded_version_stays(site: Site, patched: dict[str, Dataset]) -> None:
    old, new = patched["huss"], site.write(trees.years(2), "huss", "v20260202")
    done = site.publish(site.mapfile(new))
    assert done.returncode == 0, done.stderr
    # esgpublish does this after it posted; a catalogue that is as fast as this one shows it the new item for the old.
    script = (
        "import sys, yaml; from esgcet.stac.update_stac import ESGUpdateSTAC;"
        "ESGUpdateSTAC(yaml.safe_load(open(sys.argv[1]))).update_dataset(sys.argv[2])"
    )
    done = site.run(ESGCET / "python", "-c", script, site.config, old.id)
    assert done.returncode == 0, done.stderr
    items = {item["id"]: item for item in site.catalog.search(collections=["CMIP6"], query={"cmip6:variable_id": {"eq": "huss"}})}
    assert {key: item["properties"]["latest"] for key, item in items.items()} == {old.id: False, new.id: True}
    for dataset in (old, new):
        assert_opens(items[dataset.id]["assets"][ASSET]["href"], dataset)
    assert site.advertise(old.id, new.id) == [], "nothing is told of the old version that the catalogue does not know"


def test_a_retracted_store_is_withdrawn(site: Site, patched: dict[str, Dataset]) -> None:
    dataset = patched["uas"]
    href, manifest = site.asset(dataset)["href"], site.store(dataset).manifest
    site.retract(dataset)
    [line] = site.advertise(dataset.id)
    assert line["action"] == "remove"
    assert not manifest.exists()
    with pytest.raises(HTTPError, match="404"):
        urlopen(href, timeout=10)
    site.catalog.patch(line)
    assert set(site.catalog.item(dataset.id)["assets"]) == {file.name for file in dataset.files}
    site.acknowledge([line])
    assert site.advertise(dataset.id) == []
    # Until it is reinstated, a scan leaves it alone, and there is nothing to publish.
    done = site.publish(site.mapfile(dataset), "--required")
    assert (done.returncode, "is retracted" in done.stderr) == (4, True), done.stderr
    assert site.advertise(dataset.id) == []


def test_the_publishers_own_retraction_leaves_nothing_to_remove(site: Site, patched: dict[str, Dataset]) -> None:
    dataset = patched["vas"]
    done = site.run(ESGCET / "esgunpublish", "--config", site.config, "--dset-id", dataset.id)
    assert done.returncode == 0, done.stderr
    site.retract(dataset)
    assert len(site.advertise(dataset.id)) == 1
    # A patch that removes what is absent would be refused, and be pending for ever.
    told = site.run(ESG_PUBLISHER / "vzarr-advertise", site.config)
    assert told.returncode == 0, told.stderr
    assert site.advertise(dataset.id) == []
    item = site.catalog.item(dataset.id)
    assert (item["assets"], item["properties"]["retracted"]) == ({}, True)


def test_a_replica_adds_its_own_address(
    site: Site, sites: Callable[..., Site], patched: dict[str, Dataset], tmp_path: Path
) -> None:
    dataset, second, third = patched["rlds"], sites("replica-2"), sites("replica-3")

    def patch(replica: Site, copy: Dataset) -> None:
        """The first to come makes `alternate`, the second finds it there."""
        (tmp_path / f"{dataset.id}.json").write_text(json.dumps(site.catalog.item(dataset.id)))
        [line] = replica.advertise("--replica", "--items", tmp_path, copy.id)
        site.catalog.patch(line)
        replica.acknowledge([line])

    original, copies = site.asset(dataset), {}
    for replica in (second, third):
        copies[replica.name] = replica.write(trees.years(2), "rlds")
        replica.scan(replica.mapfile(copies[replica.name]))
        patch(replica, copies[replica.name])
    asset = site.asset(dataset)
    assert {key: value for key, value in asset.items() if key != "alternate"} == original
    assert set(asset["alternate"]) == {second.name, third.name}
    assert_opens(asset["href"], dataset)
    for name, alternate in asset["alternate"].items():
        assert name in alternate["href"]
        assert_opens(alternate["href"], copies[name])
    second.retract(copies[second.name])
    patch(second, copies[second.name])
    assert set(site.asset(dataset)["alternate"]) == {third.name}
    # The first site builds anew, and the other's address stays.
    site.write([replace(file, units="W m-2") for file in trees.years(2)], "rlds")
    site.scan(site.mapfile(dataset))
    patch_of_first = site.advertise(dataset.id)
    (tmp_path / f"{dataset.id}.json").write_text(json.dumps(site.catalog.item(dataset.id)))
    assert len(patch_of_first) == 1
    [line] = site.advertise(dataset.id, "--items", tmp_path)
    site.catalog.patch(line)
    site.acknowledge([line])
    asset = site.asset(dataset)
    assert set(asset["alternate"]) == {third.name}
    assert asset["file:checksum"] != original["file:checksum"]
    assert_opens(asset["href"], dataset)


# The split path


def test_records_made_in_steps_get_the_asset(site: Site) -> None:
    dataset = site.write(trees.years(2), "clt")
    mapfile = site.mapfile(dataset)
    site.scan(mapfile)
    # What esgmkpubrec of esgcet 5.5.3 needs beside what esgpublish does.
    config = site.home / "split.yaml"
    config.write_text(site.config.read_text() + "data_transfer_node: ''\nset_replica: 'no'\n")
    converted, made, annotated = (site.home / f"{name}.json" for name in ("converted", "made", "annotated"))
    commands = [
        [ESGCET / "esgmapconv", "--config", config, "--project", "CMIP6", "--map", mapfile, "--out-file", converted],
        [ESGCET / "esgmkpubrec", "--config", config, "--project", "CMIP6", "--map-data", converted, "--out-file", made],
        [site.tool.binary, "annotate", "--config", site.config, "--ledger", site.ledger, "--pub-rec", made, "--out", annotated],
    ]
    for command in commands:
        done = site.run(*command)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    records, before = json.loads(annotated.read_text()), json.loads(made.read_text())
    [line] = site.advertise("--all", dataset.id)
    assert records.pop()[ASSET] == line["asset"]
    before.pop()
    assert records == before, "records of files are left alone"
    script = (
        "import sys, json; from esgcet.stac.stac_converter import ESGSTACConverter;"
        "json.dump(ESGSTACConverter({}).convert2stac(json.load(open(sys.argv[1]))), open(sys.argv[2], 'w'))"
    )
    done = site.run(ESGCET / "python", "-c", script, annotated, site.home / "item.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((site.home / "item.json").read_text())["assets"][ASSET] == line["asset"]
    # The indexes that these steps are for. What annotate prints is there to be acknowledged.
    done = site.run(*commands[-1], "--legacy")
    assert done.returncode == 0, done.stderr
    assert json.loads(annotated.read_text())[-1][ASSET] == line["asset"]["href"]
    assert len(site.advertise(dataset.id)) == 1
    site.acknowledge([json.loads(line) for line in done.stdout.splitlines()])
    assert site.advertise(dataset.id) == []


# The wrapper

RECORDER = """\
#!/bin/sh
# In place of esgpublish, where only what it is called with matters.
case "$*" in *"$FAIL_FOR"*) code=2 ;; *) code=0 ;; esac
{
    printf '%s\\n' "$@"
    while [ $# -gt 0 ]; do [ "$1" = --json ] && { printf 'JSON '; tr -d '\\n' <"$2"; echo; }; shift; done
    echo END
} >>"$RECORD"
exit $code
"""


class Recorder:
    """The calls of esgpublish, in order: the arguments of each, and the JSON that it got."""

    def __init__(self, directory: Path) -> None:
        self.program, self.record = directory / "esgpublish", directory / "record"
        self.program.write_text(RECORDER)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def environment(self) -> dict[str, str]:
        return {"ESGPUBLISH": str(self.program), "RECORD": str(self.record), "FAIL_FOR": "nothing at all"}

    @property
    def calls(self) -> list[tuple[list[str], dict | None]]:
        if not self.record.exists():
            return []
        found = []
        for call in self.record.read_text().split("END\n")[:-1]:
            words = call.splitlines()
            attributes = json.loads(words.pop().removeprefix("JSON ")) if words[-1].startswith("JSON ") else None
            found.append((words, attributes))
        self.record.unlink()
        return found


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture(scope="module")
def quiet_site(sites: Callable[..., Site]) -> Site:
    """A site whose esgpublish is a recorder; nothing of it is in the catalogue."""
    return sites("esgf-quiet")


@pytest.fixture(scope="module")
def three(quiet_site: Site) -> list[Path]:
    return quiet_site.mapfiles(*(quiet_site.write(trees.years(1), variable) for variable in ("tas", "pr", "ps")))


@pytest.fixture(scope="module")
def refused(quiet_site: Site) -> Path:
    """The mapfile of a dataset without a store: its files have the same steps."""
    files = [trees.File(start=0, months=12), trees.File(start=6, months=12)]
    return quiet_site.mapfile(quiet_site.write(files, "hfls"))


@pytest.mark.parametrize("given", ["one", "several", "directory", "list"])
def test_every_mapfile_is_published_with_its_store(quiet_site: Site, three: list[Path], recorder: Recorder, given: str) -> None:
    directory = recorder.program.parent / "maps"
    directory.mkdir()
    for mapfile in three:
        (directory / mapfile.name).write_text(mapfile.read_text())
    (directory / ".left-behind").write_text("not a mapfile")
    (directory.parent / "list").write_text("".join(f"{mapfile}\n" for mapfile in three))
    maps = {"one": three[:1], "several": three, "directory": [directory], "list": [directory.parent / "list"]}[given]
    done = quiet_site.publish(maps, "--project", "CMIP6", "-c", "cert.pem", "--verbose", **recorder.environment)
    assert done.returncode == 0, done.stderr
    calls = recorder.calls
    expected = {mapfile.stem for mapfile in (three[:1] if given == "one" else three)}
    assert {attributes[ASSET]["href"].rsplit("/", 1)[1].removesuffix(".json") for _, attributes in calls} == expected
    for words, attributes in calls:
        assert Path(words[words.index("--map") + 1]).stem in attributes[ASSET]["href"], "each with its own"
        for option, value in (("--project", "CMIP6"), ("-c", "cert.pem"), ("--config", str(quiet_site.config))):
            assert words[words.index(option) + 1] == value
        assert "--verbose" in words


def test_attributes_of_the_user_are_published_too(site: Site) -> None:
    (site.home / "mine.json").write_text('{"variable_long_name": "Told by the User"}')
    dataset = site.write(trees.years(2), "rsds")
    done = site.publish(site.mapfile(dataset), "--json", "mine.json")
    assert done.returncode == 0, done.stderr
    item = site.catalog.item(dataset.id)
    assert item["properties"]["cmip6:variable_long_name"] == "Told by the User"
    assert_opens(item["assets"][ASSET]["href"], dataset)


def test_an_asset_of_the_user_is_not_overwritten(quiet_site: Site, three: list[Path], recorder: Recorder) -> None:
    (recorder.program.parent / "mine.json").write_text('{"reference_file": {"href": "https://example.org/mine"}}')
    done = quiet_site.publish(three[0], "--json", recorder.program.parent / "mine.json", **recorder.environment)
    [(_, attributes)] = recorder.calls
    assert (done.returncode, attributes) == (0, {ASSET: {"href": "https://example.org/mine"}})
    assert "mine.json" in done.stderr


def test_a_dry_run_is_no_publication(sites: Callable[..., Site]) -> None:
    site = sites("esgf-dry")
    dataset = site.write(trees.years(2), "ts")
    for arguments in (["--dry-run"], []):
        done = site.publish(site.mapfile(dataset), *arguments)
        assert done.returncode == 0, done.stderr
        published = arguments == []
        assert (site.advertise(dataset.id) == []) is published
        found = site.catalog.search(collections=["CMIP6"], ids=[dataset.id])
        assert bool(found) is published


def test_a_failed_publication_is_not_acknowledged_and_stops_no_other(
    quiet_site: Site, three: list[Path], recorder: Recorder
) -> None:
    environment = recorder.environment | {"FAIL_FOR": three[1].name}
    # Another ledger, in which nothing was acknowledged.
    environment |= {"VZARR_LEDGER": str(recorder.program.parent / "ledger.sqlite")}
    done = quiet_site.publish(three, **environment)
    assert done.returncode == 2
    assert len(recorder.calls) == 3
    pending = quiet_site.run(quiet_site.tool.binary, "advertise", "--ledger", environment["VZARR_LEDGER"]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in pending] == [three[1].stem]


def test_an_older_index_gets_the_address_alone(quiet_site: Site, three: list[Path], recorder: Recorder) -> None:
    legacy = recorder.program.parent / "legacy.yaml"
    settings = quiet_site.config.read_text()
    legacy.write_text(settings[: settings.index("stac_config")])
    done = quiet_site.publish(three[0], "--config", legacy, **recorder.environment)
    [(_, attributes)] = recorder.calls
    assert done.returncode == 0, done.stderr
    assert attributes[ASSET].endswith(f"{three[0].stem}.json")


FAILURES = {
    "not installed": ("VZARR_PUBLISH=/nonexistent/vzarr-publish", "does not start"),
    "exit 1": ("exit 1", "the scan passed over"),
    "exit 3": ("exit 3", "ended with exit code 3"),
    "killed": ("kill -9 $$", "ended with exit code -9"),
    "prints what nobody understands": (
        'case $1 in advertise) for word; do dir=$word; [ "$before" = --emit-json ] && break; before=$word; done;'
        ' echo "{" >"$dir/$ID.json"; echo "{" ;; esac',
        "not understood",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("required", [False, True])
def test_publication_goes_on_without_a_store_unless_it_is_required(
    quiet_site: Site, three: list[Path], recorder: Recorder, failure: str, required: bool
) -> None:
    what, said = FAILURES[failure]
    environment = recorder.environment | {"ID": three[0].stem}
    if what.startswith("VZARR_PUBLISH="):
        environment["VZARR_PUBLISH"] = what.removeprefix("VZARR_PUBLISH=")
    else:
        broken = recorder.program.parent / "vzarr-publish"
        broken.write_text(f"#!/bin/sh\n{what}\n")
        broken.chmod(0o755)
        environment["VZARR_PUBLISH"] = str(broken)
    (recorder.program.parent / "mine.json").write_text('{"comment": "mine"}')
    arguments = ["--json", recorder.program.parent / "mine.json", *(["--required"] if required else [])]
    done = quiet_site.publish(three[0], *arguments, **environment)
    assert said in done.stderr
    if required:
        assert (done.returncode, recorder.calls) == (4, [])
        assert "NOT PUBLISHED" in done.stderr
    else:
        [(words, attributes)] = recorder.calls
        assert (done.returncode, attributes) == (0, {"comment": "mine"}), "what the user wants published is"
        assert "--required" not in words
        assert "published without a virtual store" in done.stderr


@pytest.mark.parametrize("required", [False, True])
def test_a_refused_dataset_is_published_without_a_store_unless_it_is_required(
    quiet_site: Site, three: list[Path], refused: Path, recorder: Recorder, required: bool
) -> None:
    done = quiet_site.publish([refused, three[0]], *(["--required"] if required else []), **recorder.environment)
    published = {Path(words[words.index("--map") + 1]): attributes for words, attributes in recorder.calls}
    assert "time-overlap" in done.stderr, "the reason is said"
    assert done.returncode == (4 if required else 0)
    assert set(published) == ({three[0]} if required else {refused, three[0]})
    assert published[three[0]][ASSET], "the next one has nothing to do with it"
    assert required or published[refused] is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [("kerchunk: {generation: true}\n", "kerchunk.generation"), ("[\n", "cannot be read")],
)
def test_settings_that_cannot_be_meant_are_told(
    quiet_site: Site, three: list[Path], recorder: Recorder, settings: str, said: str
) -> None:
    config = recorder.program.parent / "esg.yaml"
    config.write_text(quiet_site.config.read_text() + settings)
    done = quiet_site.publish(three[0], "--config", config, **recorder.environment)
    [(_, attributes)] = recorder.calls
    assert (done.returncode, attributes) == (0, None)
    assert said in done.stderr


def test_a_store_without_a_url_is_not_published(quiet_site: Site, three: list[Path], recorder: Recorder) -> None:
    config = recorder.program.parent / "esg.yaml"
    config.write_text(quiet_site.config.read_text().replace(str(quiet_site.archive), "/elsewhere"))
    ledger = recorder.program.parent / "ledger.sqlite"
    done = quiet_site.publish(three[0], "--config", config, **recorder.environment, VZARR_LEDGER=str(ledger))
    [(_, attributes)] = recorder.calls
    assert (done.returncode, attributes) == (0, None)
    assert "no URL" in done.stderr


def test_another_host_than_that_of_the_store_is_told(sites: Callable[..., Site], recorder: Recorder) -> None:
    site = sites("esgf-host", https_url=None)
    mapfile = site.mapfile(site.write(trees.years(1), "tas"))
    done = site.publish(mapfile, "--data-node", "other.example.org", **recorder.environment)
    [(words, attributes)] = recorder.calls
    assert (done.returncode, attributes) == (0, None)
    assert words[words.index("--data-node") + 1] == "other.example.org"
    assert "other.example.org" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--js", "x"], ["--conf", "x"]])
def test_arguments_that_would_be_misunderstood_are_refused(quiet_site: Site, recorder: Recorder, arguments: list[str]) -> None:
    given = ["--map", "x.map", *arguments] if arguments else ["--project", "CMIP6"]
    done = quiet_site.run(ESGCET / "python", ESG_PUBLISHER / "esgpublish-vzarr", *given, **recorder.environment)
    assert (done.returncode, recorder.calls) == (2, [])


# The step of esgcet itself


def shim(site: Site, mapfile: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return site.run(ESGCET / "python", ESG_PUBLISHER / "vzarr_kerchunk.py", "--map", mapfile, **environment)


def test_kerchunk_generation_publishes_our_store(sites: Callable[..., Site]) -> None:
    # Two roots, which esgcet's own step cannot do.
    site = sites("esgf-shim", kerchunk={"generation": True})
    site.prepare(kerchunk={"generation": True}, data_roots={"/nonexistent": "elsewhere", str(site.archive): "css03_data"})
    dataset = site.write(trees.years(2), "evspsbl")
    done = shim(site, site.mapfile(dataset))
    assert done.returncode == 0, done.stderr
    [line] = site.advertise("--all", dataset.id)
    assert site.asset(dataset) == line["asset"]
    assert_opens(line["asset"]["href"], dataset)
    assert site.advertise() == []


def test_kerchunk_generation_goes_on_without_us(sites: Callable[..., Site]) -> None:
    site = sites("esgf-shim-alone", kerchunk={"generation": True})
    dataset = site.write(trees.years(2), "hfss")
    done = shim(site, site.mapfile(dataset), VZARR_PUBLISH="/nonexistent/vzarr-publish")
    assert done.returncode == 0, done.stderr
    assert "published without a virtual store" in done.stderr
    assert site.asset(dataset) is None
