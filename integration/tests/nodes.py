"""A data node: nginx on a free loopback port, private in everything (own configuration, own temporary files, no privileges used)."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

# One process and no daemon: it runs as whoever runs the tests and ends with them.
CONFIGURATION = """
daemon off;
master_process off;
pid {private}/nginx.pid;
error_log {private}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {private}/access.log;
    client_body_temp_path {private}/body;
    proxy_temp_path {private}/proxy;
    fastcgi_temp_path {private}/fastcgi;
    uwsgi_temp_path {private}/uwsgi;
    scgi_temp_path {private}/scgi;
    types {{ application/json json; application/netcdf nc; }}
    sendfile on;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        {locations}
    }}
}}
"""

# What ESGF data nodes do: nothing under a name that begins with a dot is served.
LOCATIONS = "location ~ /\\. { return 404; }"


def executable() -> str | None:
    """Where nginx is; Debian puts it where an ordinary PATH does not look."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin:/usr/local/sbin")


class DataNode:
    """Serves `root`, as `locations` of nginx say; use as a context manager."""

    def __init__(self, root: Path, private: Path, locations: str = LOCATIONS) -> None:
        self.root = root
        self.private = private
        self.locations = locations
        self.base = ""
        self._process: subprocess.Popen | None = None

    def url(self, path: Path) -> str:
        """The address of a file below the root; the path is taken as it is written, links unresolved."""
        return f"{self.base}/{quote(str(path.relative_to(self.root)))}"

    def __enter__(self) -> "DataNode":
        nginx = executable()
        if nginx is None:
            raise FileNotFoundError("nginx is not installed: run integration/setup")
        self.private.mkdir(parents=True, exist_ok=True)
        for _ in range(5):  # between finding a free port and nginx taking it, another program may
            port = _free_port()
            self.base = f"http://127.0.0.1:{port}"
            configuration = self.private / "nginx.conf"
            configuration.write_text(
                CONFIGURATION.format(private=self.private, root=self.root, port=port, locations=self.locations)
            )
            command = [nginx, "-p", str(self.private), "-c", str(configuration), "-e", str(self.private / "error.log")]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._answers(port):
                self._check_ranges()
                return self
            self.__exit__()
        raise RuntimeError(f"nginx does not start: {(self.private / 'error.log').read_text()}")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def _answers(self, port: int) -> bool:
        for _ in range(100):
            if self._process.poll() is not None:
                return False
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return True
            time.sleep(0.05)
        return False

    def _check_ranges(self) -> None:
        """Readers ask for byte ranges; a server that ignores them would make every later failure unreadable."""
        probe = self.root / "range-probe"
        probe.write_bytes(b"0123456789")
        with urlopen(Request(self.url(probe), headers={"Range": "bytes=2-4"}), timeout=10) as answer:
            assert (answer.status, answer.read()) == (206, b"234"), "nginx ignores range requests"
        probe.unlink()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
