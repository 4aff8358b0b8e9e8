"""The C shim between the program and the file system: built here, and told by the environment what to record, to refuse or to cut short."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")


def why_not() -> str | None:
    """What keeps the shim from being used on this machine, if anything."""
    if os.uname().sysname != "Linux":
        return "the shim is for Linux"
    return None if shutil.which("cc") else "there is no C compiler (cc) to build the shim with"


@dataclass(frozen=True)
class Operation:
    """A call that changed the file system: what was done to `path`; `target` is the old name of a renamed file."""

    kind: str
    path: Path
    target: Path
    offset: int
    data: bytes


@dataclass(frozen=True)
class Shim:
    library: Path

    @classmethod
    def build(cls, directory: Path) -> "Shim":
        directory.mkdir(parents=True, exist_ok=True)
        library = directory / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True)
        return cls(library)

    def recording(self, root: Path, log: Path) -> dict[str, str]:
        return self._below(root) | {"VZARR_SHIM_LOG": str(log)}

    def failing(self, root: Path, log: Path, operation: str, error: str, number: int, count: int, part: str) -> dict[str, str]:
        """`count` calls of `operation` on paths that contain `part`, from the call `number` on (from 1), end with `error`; all from then
        on where `count` is 0. The record has an operation `fail` for each."""
        rule = f"{operation},{getattr(errno, error)},{number},{count},{part}"
        return self.recording(root, log) | {"VZARR_SHIM_FAIL": rule}

    def killing(self, root: Path, operation: str, number: int, part: str = "") -> dict[str, str]:
        """The process is killed in place of that call."""
        return self._below(root) | {"VZARR_SHIM_KILL": f"{operation},{number},{part}"}

    def _below(self, root: Path) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "VZARR_SHIM_ROOT": str(root)}


def operations(log: Path) -> Iterator[Operation]:
    """What the shim recorded, in the order of its effects."""
    with log.open("rb") as lines:
        for line in lines:
            kind, path, target, offset, length = line.rstrip(b"\n").split(b"\t")
            data = lines.read(int(length))
            if data:
                lines.read(1)
            yield Operation(kind.decode(), Path(os.fsdecode(path)), Path(os.fsdecode(target)), int(offset), data)
