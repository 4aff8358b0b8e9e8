"""The ESGF publisher, in an environment of its own: what it makes of mapfiles, by integration/esgcet/records.py."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from publisher import REPOSITORY

DIRECTORY = REPOSITORY / "integration" / "esgcet"
PYTHON = DIRECTORY / ".venv" / "bin" / "python"

needs_esgcet = pytest.mark.skipif(not PYTHON.exists(), reason=f"no {PYTHON}: integration/setup makes it, with Python 3.12 or later")

# What esgcet asks for and does not look into here. `skipxr` is its reading of metadata without xarray.
ALWAYS = {"data_node": "node.test", "index_node": "index.test", "cmor_path": "/none", "skipxr": True, "disable_qaqc": True}


@dataclass(frozen=True)
class Published:
    """What would be published of one dataset, or the error."""

    id: str | None = None
    urls: dict[str, str] | None = None
    reference: str | None = None
    error: str | None = None


def write_mapfile(directory: Path, instance_id: str, files: Iterable[Path]) -> Path:
    """A mapfile as esgmapfile writes it; `files` are named as they are to stand in it, and need not exist."""
    mapfile = directory / f"{instance_id}.map"
    lines = []
    for file in files:
        checksum = hashlib.sha256(file.name.encode()).hexdigest()
        lines.append(f"{instance_id} | {file} | 1 | mod_time=1609786526.0 | checksum={checksum} | checksum_type=SHA256\n")
    mapfile.write_text("".join(lines))
    return mapfile


def write_config(path: Path, **settings: object) -> Path:
    """An esg.yaml; JSON is YAML, and keeps the order of data roots."""
    path.write_text(json.dumps(ALWAYS | settings, ensure_ascii=False))
    return path


def publish(cases: list[tuple[Path, Path]]) -> list[Published]:
    """What becomes of pairs of an esg.yaml and a mapfile."""
    given = json.dumps([{"config": str(config), "mapfile": str(mapfile)} for config, mapfile in cases])
    # -P: a module here is called as the package is.
    command = [PYTHON, "-P", DIRECTORY / "records.py"]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [Published(**found) for found in json.loads(done.stdout)]
