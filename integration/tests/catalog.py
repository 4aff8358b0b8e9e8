"""A STAC catalogue to publish to: stac-fastapi-pgstac over a PostgreSQL of its own, both private and on this machine only."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

STAC = Path(__file__).resolve().parents[1] / "stac"
USER = "postgres"  # PostgreSQL refuses to run as root; the Debian package brings this user


def missing() -> str | None:
    """What of the catalogue is not installed, or None."""
    if not (STAC / ".venv/bin/uvicorn").exists():
        return f"no STAC server in {STAC / '.venv'}: run integration/setup"
    if _postgresql() is None:
        return "no PostgreSQL with PostGIS: run integration/setup"
    return None


def _postgresql() -> Path | None:
    """The programs of the newest PostgreSQL that has PostGIS, where Debian puts them."""
    controls = Path("/usr/share/postgresql").glob("*/extension/postgis.control")
    versions = sorted((control.parts[4] for control in controls), key=int, reverse=True)
    found = (Path("/usr/lib/postgresql") / version / "bin" for version in versions)
    return next((programs for programs in found if (programs / "initdb").exists()), None)


class Catalog:
    """An empty catalogue; use as a context manager."""

    def __init__(self) -> None:
        self.base = ""
        self._processes: list[subprocess.Popen] = []
        self._directory: Path | None = None

    def __enter__(self) -> "Catalog":
        # Not below pytest's directories: those are closed to the user that PostgreSQL runs as.
        self._directory = Path(tempfile.mkdtemp(prefix="vzarr-stac-"))
        try:
            self._start_database()
            self._start_server()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=30)
        self._processes.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start_database(self) -> None:
        directory, programs = self._directory, _postgresql()
        as_user = []
        if os.geteuid() == 0:
            shutil.chown(directory, USER, USER)
            as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--"]
        # Nobody but its owner can enter the directory of the socket, and there is no port: a password would protect nothing.
        make = [*as_user, programs / "initdb", "-D", directory / "data", "-U", "stac", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run([*make, "--locale=C.UTF-8"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
        run = [*as_user, programs / "postgres", "-D", directory / "data", "-k", directory]
        run += ["-c", "listen_addresses=", "-c", "fsync=off"]
        with open(directory / "postgres.log", "wb") as log:
            self._processes.append(subprocess.Popen(run, cwd=directory, stdout=log, stderr=log))
        environment = os.environ | {"PGHOST": str(directory), "PGUSER": "stac", "PGDATABASE": "postgres", "PGPORT": "5432"}
        self._wait(lambda: (directory / ".s.PGSQL.5432").exists(), "postgres")
        # Searches count what they match, which esgcet asks for.
        count = "UPDATE pgstac.pgstac_settings SET value = 'on' WHERE name = 'context'"
        migrate = [STAC / ".venv/bin/pypgstac", "migrate"]
        subprocess.run(migrate, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
        subprocess.run([programs / "psql", "-qc", count], env=environment, check=True, timeout=60)

    def _start_server(self) -> None:
        environment = os.environ | {
            "PGHOST": quote(str(self._directory), safe=""),  # goes into a URL as it is
            "PGUSER": "stac",
            "PGPASSWORD": "unused",
            "PGDATABASE": "postgres",
            "PGPORT": "5432",
            "ENABLE_TRANSACTIONS_EXTENSIONS": "true",
        }
        with socket.socket() as listener:
            # Bound here and handed on, so that no other program takes the port in between.
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            port = listener.getsockname()[1]
            self.base = f"http://127.0.0.1:{port}"
            command = [
                STAC / ".venv/bin/uvicorn",
                "--factory",
                "stac_fastapi.pgstac.app:create_app",
                "--fd",
                str(listener.fileno()),
            ]
            with open(self._directory / "uvicorn.log", "wb") as log:
                pass_on = {"pass_fds": [listener.fileno()], "stdout": log, "stderr": log, "env": environment}
                self._processes.append(subprocess.Popen(command, **pass_on))
        self._wait(lambda: self.get("/")["type"] == "Catalog", "uvicorn")

    def _wait(self, ready, name: str) -> None:
        for _ in range(300):
            if self._processes[-1].poll() is not None:
                break
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{name} does not start: {(self._directory / f'{name}.log').read_text()}")

    def request(self, method: str, path: str, body: object = None, media_type: str = "application/json") -> Any:
        """Asks the server as any client would; an answer that is no success is an HTTPError that says what the server said."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.base + path, data, {"Content-Type": media_type}, method=method), timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            error.msg += f": {error.read().decode(errors='replace')}"
            raise

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def create_collection(self, collection: str) -> None:
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
        described = {
            "type": "Collection",
            "id": collection,
            "stac_version": "1.1.0",
            "description": collection,
            "license": "other",
        }
        self.request("POST", "/collections", described | {"links": [], "extent": extent})

    def item(self, dataset_id: str) -> dict:
        return self.get(f"/collections/{dataset_id.split('.')[0]}/items/{dataset_id}")

    def patch(self, line: dict) -> dict:
        """Applies one line of `vzarr-publish advertise`."""
        path = f"/collections/{line['collection']}/items/{line['dataset_id']}"
        return self.request("PATCH", path, line["patch"], "application/json-patch+json")

    def search(self, **query: object) -> list[dict]:
        """The items that pystac-client finds, as a scientist would look for them."""
        command = [STAC / ".venv/bin/python", STAC / "search.py", self.base]
        found = subprocess.run(command, input=json.dumps(query), capture_output=True, text=True, timeout=120)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)


def stac_violations(item: dict) -> str:
    """What pystac has against an item by the schemas of the STAC specification, which it brings along; empty if nothing."""
    command = [STAC / ".venv/bin/python", STAC / "validate.py"]
    return subprocess.run(command, input=json.dumps(item), capture_output=True, text=True, timeout=120, check=True).stdout
