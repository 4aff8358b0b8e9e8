"""What vzarr-publish does in a publication: builds the store of a mapfile, hands over its asset, and is told that it was published.

Named by the environment:
    VZARR_PUBLISH  the program (default: vzarr-publish on PATH)
    VZARR_LEDGER   its ledger, if not the default one; the nightly scan must use the same
    VZARR_SCAN     more options of `vzarr-publish scan`, such as `--on-overlap last`
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ASSET = "reference_file"


class NoStore(Exception):
    """Why there is nothing to publish beside the NetCDF files."""


def reason(error: Exception) -> str:
    """Why a dataset goes without a store, whatever went wrong."""
    return str(error) if isinstance(error, NoStore) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class Advertised:
    """What a publication is to say about the stores of a dataset; there is one, but where a dataset has many variables, as in CMIP5."""

    dataset_id: str
    assets: dict[str, dict[str, Any]]
    # As vzarr-publish printed them, to be acknowledged as they are.
    lines: str

    def attributes(self, has_catalog: object) -> dict[str, Any]:
        """What is added to the Dataset record. The older indexes, Solr and Globus, have a field for the address alone."""
        return self.assets if has_catalog else {key: asset["href"] for key, asset in self.assets.items()}


def config_file(named: str | None) -> Path:
    """The file that esgpublish reads its settings from."""
    return Path(named or os.environ.get("ESG_CONFIG_FILE") or Path.home() / ".esg/esg.yaml")


def load_config(path: Path) -> dict[str, Any]:
    try:
        import yaml  # esgcet brings it along; another Python may not have it

        config = yaml.safe_load(path.read_text())
    except ImportError as error:
        raise NoStore(f"{error}: run this by the Python that esgcet is installed in") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise NoStore(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise NoStore(f"{path} holds no settings")
    return config


def dataset_id(mapfile: Path) -> str:
    """The dataset that esgcet publishes a mapfile as: that of its first line, with version, `....gn.v20190401`."""
    try:
        with open(mapfile) as lines:
            first = next(lines, "").split("|")[0].strip()
    except (OSError, ValueError) as error:
        raise NoStore(f"{mapfile} cannot be read: {error}") from error
    return first.replace("#", ".v")


def build(mapfile: Path, config: Path, data_node: str | None = None) -> Advertised:
    """Builds what `mapfile` lists, unless it is built already, and returns what is to be published of it."""
    _check_data_node(config, data_node)
    published = dataset_id(mapfile)
    more = shlex.split(os.environ.get("VZARR_SCAN", ""))
    scanned = _run(["scan", "--quiet", "--map", mapfile, "--config", config, "--report", "-", *more])
    if scanned.returncode not in (0, 1):  # with 1, only some datasets may have failed: whether this one has a store is seen below
        raise NoStore(f"`vzarr-publish scan` ended with exit code {scanned.returncode}")
    with tempfile.TemporaryDirectory(prefix="vzarr-") as directory:
        printed = _run(["advertise", "--all", "--map", mapfile, "--config", config, "--emit-json", directory])
        if printed.returncode not in (0, 1):
            raise NoStore(f"`vzarr-publish advertise` ended with exit code {printed.returncode}")
        emitted = Path(directory) / f"{published}.json"
        try:
            if not emitted.exists():
                raise NoStore(_why_none(published, scanned.stdout))
            lines = [line for line in printed.stdout.splitlines(keepends=True) if _adds(line, published)]
            return Advertised(published, json.loads(emitted.read_bytes()), "".join(lines))
        except (ValueError, LookupError, TypeError) as error:
            raise NoStore(f"vzarr-publish printed what is not understood here: {error!r}") from error


def _why_none(published: str, report: str) -> str:
    """From the report of a scan. The scan itself says why only when it sees a file for the first time."""
    for line in map(json.loads, report.splitlines()):
        if line.get("dataset_id") == published:
            otherwise = "no URL, for none of data_roots covers its files" if line["local"] else "no manifest"
            message = line["error"]["message"] if line["error"] else otherwise
            return ": ".join(filter(None, (f"{line['id']} is {line['status']}", line["reason"], message)))
    return f"the scan passed over {published}, as it does if that is retracted: see `vzarr-publish show {published}`"


def _check_data_node(config: Path, data_node: str | None) -> None:
    """The files and their store must have URLs of one host; vzarr-publish takes it from the settings."""
    settings = load_config(config)
    if data_node not in (None, settings.get("data_node")) and not settings.get("https_url"):
        raise NoStore(f"--data-node {data_node} is another than {settings.get('data_node')} in {config}: change it there")


def acknowledge(advertised: Advertised) -> None:
    """Tells vzarr-publish that the asset is published. If that fails, it is only sent once more, which does no harm."""
    try:
        if _run(["advertise", "--ack", "-"], stdin=advertised.lines).returncode == 0:
            return
    except NoStore as error:
        say(str(error))
    say(f"{advertised.dataset_id}: published, but not acknowledged; `vzarr-publish advertise` will print it again")


def _adds(line: str, dataset_id: str) -> bool:
    advertisement = json.loads(line)
    return (advertisement["action"], advertisement["dataset_id"]) == ("add", dataset_id)


def say(message: str) -> None:
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr, flush=True)


def _run(arguments: list[object], stdin: str = "") -> subprocess.CompletedProcess:
    """Runs vzarr-publish; what it has to say goes to standard error, where esgpublish logs too."""
    ledger = ["--ledger", os.environ["VZARR_LEDGER"]] if os.environ.get("VZARR_LEDGER") else []
    command = [os.environ.get("VZARR_PUBLISH") or "vzarr-publish", *map(str, arguments), *ledger]
    try:
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise NoStore(f"{command[0]} does not start: {error.strerror}; name it by VZARR_PUBLISH") from error
