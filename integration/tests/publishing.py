"""A site that publishes: a data node with esg.yaml, mapfiles by esgprep, and the publisher, all the real programs."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import netCDF4
import yaml

import trees
from catalog import Catalog
from nodes import DataNode
from publisher import Publisher, Store

INTEGRATION = Path(__file__).resolve().parents[1]
ESG_PUBLISHER = INTEGRATION / "esg-publisher"
ESGCET = INTEGRATION / "esgcet/.venv/bin"

MODEL = "UKESM1-0-LL"
# What the publisher takes from the files and the catalogue demands.
ATTRIBUTES = {
    "activity_id": "CMIP",
    "data_specs_version": "01.00.29",
    "experiment": "all-forcing simulation of the recent past",
    "nominal_resolution": "250 km",
    "product": "model-output",
    "realm": "atmos",
    "source_type": "AOGCM",
    "sub_experiment_id": "none",
    "variant_label": "r1i1p1f1",
}


def missing() -> str | None:
    if not (ESGCET / "esgpublish").exists() or not (ESGCET / "esgmapfile").exists():
        return f"no esgcet and esgprep in {ESGCET.parent}: run integration/setup"
    return None


def make_vocabulary(directory: Path) -> tuple[Path, dict]:
    """A home for esgvoc with the terms of the trees, and the schema of items that esgvoc generates from it."""
    command = [ESGCET / "python", INTEGRATION / "esgcet/vocabulary.py"]
    made = subprocess.run(command, env=os.environ | {"ESGVOC_HOME": str(directory)}, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    return directory, json.loads(made.stdout)


@dataclass(frozen=True)
class Dataset:
    directory: Path
    id: str

    @property
    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.nc"))


@dataclass(frozen=True)
class Site:
    """What a node manager has. Everything is below `home`, but the data, which nginx serves."""

    name: str  # data_node
    node: DataNode
    catalog: Catalog
    vocabulary: Path
    home: Path
    tool: Publisher

    def prepare(self, **settings: object) -> "Site":
        """Writes esg.yaml; `settings` are added to it."""
        self.archive.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        # The catalogue lets everybody in: what esgcet asks an identity provider for is a file, and its token is there already.
        (self.node.root / "scope").write_text('{"scope": "any"}')
        (self.home / "token.json").write_text('{"access_token": "any", "expires_at": 99999999999}')
        transaction_api = {"base_url": self.catalog.base, "scope_endpoint": f"{self.node.base}/scope"}
        standard = {
            "data_node": self.name,
            "index_node": "unused.example.org",
            "data_roots": {str(self.archive): "css03_data"},
            "https_url": f"{self.node.base}/{self.name}/{{}}/{{}}|application/netcdf|HTTPServer",
            "cmor_path": "/unused",  # demanded and not read
            "project": "none",
            "stac_config": {
                "stac_api": self.catalog.base,
                "stac_transaction_api": transaction_api,
                "token_storage_file": str(self.home / "token.json"),
            },
        }
        self.config.write_text(yaml.safe_dump(standard | settings))
        return self

    @property
    def archive(self) -> Path:
        return self.node.root / self.name / "css03_data"

    @property
    def config(self) -> Path:
        return self.home / "esg.yaml"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.sqlite"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of whoever runs the tests is read or written."""
        return os.environ | {
            "HOME": str(self.home),
            "PATH": f"{ESGCET}:{os.environ['PATH']}",
            "ESGVOC_HOME": str(self.vocabulary),
            "ESG_CONFIG_FILE": str(self.config),
            "VZARR_PUBLISH": str(self.tool.binary),
            "VZARR_LEDGER": str(self.ledger),
            "NO_PROXY": "127.0.0.1",
        }

    def write(self, files: Iterable[trees.File], variable: str = "tas", version: str = "v20260101") -> Dataset:
        directory = self.archive / "CMIP6/CMIP/MOHC" / MODEL / "historical/r1i1p1f1/Amon" / variable / "gn" / version
        files = [replace(file, variable=variable, also=_describe) for file in files]
        trees.write_series(directory, files, MODEL)
        return Dataset(directory, trees.instance_id(directory, self.archive))

    def run(
        self, program: Path | str, *arguments: object, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A program as the node manager types it."""
        command = [str(program), *map(str, arguments)]
        environment = self.environment | environment
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, cwd=self.home, timeout=300, check=False
        )

    def mapfile(self, dataset: Dataset) -> Path:
        return self.mapfiles(dataset)[0]

    def mapfiles(self, *datasets: Dataset) -> list[Path]:
        """By esgprep, one for each dataset."""
        directories = [dataset.directory for dataset in datasets]
        made = self.run(
            ESGCET / "esgmapfile", "make", "--project", "cmip6", "--all-versions", "--outdir", self.home / "maps",
            "--directory", *directories,
        )  # fmt: skip
        paths = [self.home / "maps" / f"{dataset.id}.map" for dataset in datasets]
        for path in paths:
            assert path.exists(), f"esgmapfile made no {path.name}\n{made.stdout}\n{made.stderr}"
        return paths

    def publish(self, mapfiles: Path | list[Path], *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """By the wrapper."""
        maps = mapfiles if isinstance(mapfiles, list) else [mapfiles]
        settings = [] if "--config" in arguments else ["--config", self.config]
        return self.run(
            ESGCET / "python", ESG_PUBLISHER / "esgpublish-vzarr", "--map", *maps, *settings, *arguments, **environment
        )

    def scan(self, *mapfiles: Path, expect: Sequence[int] = (0,)) -> None:
        maps = [word for mapfile in mapfiles for word in ("--map", mapfile)]
        done = self.run(self.tool.binary, "scan", *maps, "--config", self.config, "--ledger", self.ledger)
        assert done.returncode in expect, done.stderr

    def advertise(self, *arguments: object) -> list[dict]:
        """The lines that are pending."""
        done = self.run(self.tool.binary, "advertise", "--config", self.config, "--ledger", self.ledger, *arguments)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def acknowledge(self, lines: list[dict]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        done = self.run(self.tool.binary, "advertise", "--ack", "-", "--ledger", self.ledger, stdin=text)
        assert done.returncode == 0, done.stderr

    def retract(self, dataset: Dataset, *arguments: object) -> None:
        done = self.run(self.tool.binary, "retract", dataset.id, "--ledger", self.ledger, *arguments)
        assert done.returncode == 0, done.stderr

    def store(self, dataset: Dataset) -> Store:
        return self.tool.stores(self.ledger)[dataset.id]

    def asset(self, dataset: Dataset) -> dict | None:
        """As the catalogue has it."""
        return self.catalog.item(dataset.id)["assets"].get("reference_file")


def _describe(dataset: netCDF4.Dataset) -> None:
    dataset.setncatts(ATTRIBUTES)
    dataset.tracking_id = f"hdl:21.14100/{uuid.uuid5(uuid.NAMESPACE_URL, dataset.filepath())}"
    for variable in dataset.variables.values():
        if "cell_methods" in variable.ncattrs():
            variable.long_name = "Something Near the Surface"
