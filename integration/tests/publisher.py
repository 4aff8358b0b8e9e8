"""vzarr-publish as a user runs it: a command with arguments, an exit code and what it prints."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Store:
    """One line of `list --json`."""

    id: str
    status: str
    reason: str | None
    manifest: Path | None
    url: str | None
    files: list[Path]
    variables: dict[str, str]
    segments: list[Path]
    seams: Path | None
    # Stored bytes of the chunks that were encoded anew, wherever they went.
    reencoded_bytes: int = 0

    @property
    def built(self) -> bool:
        return self.status == "built"

    @property
    def form(self) -> str:
        """The status, and what kind of store it is."""
        if not self.built:
            return self.status
        kinds = {"seamed": self.reencoded_bytes, "rectilinear": self.manifest and self.segments, "segmented": not self.manifest}
        return " ".join(["built", *(kind for kind, is_so in kinds.items() if is_so)])

    @property
    def written(self) -> list[Path]:
        return [path for path in (self.manifest, self.seams, *self.segments) if path]

    @classmethod
    def from_json(cls, line: str) -> "Store":
        fields = json.loads(line)
        manifest = fields["manifest"] and Path(fields["manifest"])
        files = [Path(file) for file in fields["files"]]
        segments = [Path(segment) for segment in fields["segments"]]
        seams = fields["seams"] and Path(fields["seams"])
        return cls(
            fields["id"], fields["status"], fields["reason"], manifest, fields["url"], files, fields["variables"], segments, seams
        )


@dataclass(frozen=True)
class Publisher:
    binary: Path
    # What goes before the command, to run it as somebody else.
    prefix: tuple[str, ...] = ()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, str(self.binary), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    def scan(self, *arguments: object, ledger: Path, expect: Sequence[int] = (0, 1)) -> subprocess.CompletedProcess[str]:
        done = self.run("scan", *arguments, "--ledger", ledger)
        assert done.returncode in expect, f"exit {done.returncode}, expected one of {expect}\n{done.stdout}\n{done.stderr}"
        return done

    def stores(self, ledger: Path) -> dict[str, Store]:
        done = self.run("list", "--json", "--ledger", ledger)
        assert done.returncode == 0, f"list: exit {done.returncode}\n{done.stderr}"
        stores = [Store.from_json(line) for line in done.stdout.splitlines()]
        query = "SELECT instance_id, sum(reencoded_bytes) FROM variables JOIN datasets ON datasets.id = dataset GROUP BY instance_id"
        with closing(sqlite3.connect(ledger)) as connection:
            reencoded = dict(connection.execute(query))
        by_id = {store.id: replace(store, reencoded_bytes=reencoded.get(store.id) or 0) for store in stores}
        assert len(by_id) == len(stores), "list names a store twice"
        return by_id

    def show(self, store: Store, ledger: Path) -> str:
        done = self.run("show", store.id, "--ledger", ledger)
        assert done.returncode == 0, f"show: exit {done.returncode}\n{done.stderr}"
        return done.stdout

    def explanation(self, store: Store, ledger: Path) -> str:
        """All that the tool tells about a dataset that is no store; `list` gives the reason in short, beginning with its code."""
        assert store.reason, f"{store.id} is {store.status} without a reason"
        shown = self.show(store, ledger)
        code = store.reason.split(":")[0]
        assert code in shown, f"`show` gives another reason than `list`, {store.reason}:\n{shown}"
        return shown[shown.index("\nreason") :]

    def warnings(self, store: Store, ledger: Path) -> list[str]:
        return [line for line in self.show(store, ledger).splitlines() if line.startswith("warning")]

    def inspect(self, file: Path) -> dict:
        done = self.run("inspect", file, "--json", "--chunks")
        assert done.returncode == 0, f"inspect {file}: exit {done.returncode}\n{done.stderr}"
        return json.loads(done.stdout)


def find() -> Path:
    """The binary named by VZARR_PUBLISH, else the one cargo builds from this checkout."""
    if named := os.environ.get("VZARR_PUBLISH"):
        return Path(named).resolve(strict=True)
    subprocess.run(["cargo", "build", "--release", "--quiet", "--features", "netcdf,icechunk"], cwd=REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return (target / "release" / "vzarr-publish").resolve(strict=True)
