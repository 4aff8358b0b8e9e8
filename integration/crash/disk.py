"""A model of a disk that may lose power: what is certain to be there after each operation, and all that may or may not be.

POSIX promises little: the content of a file is certain once the file was synchronised, and a name, old or new, once its directory was.
Whatever was done since may be there, in any order, in part or not at all. A rename within a directory, or an exchange, is whole: of the old
and the new name one is there. One between directories is two changes: the file may be under both names, or under none.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

from archive import is_of_form
from shim import Operation

# What is written at once, at most; a page that was being written may hold a part.
SECTOR = 512


@dataclass(eq=False)
class File:
    content: bytes = b""
    certain: bytes = b""
    # Since the file was synchronised: an offset and bytes, or a new size and nothing.
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def change(self, offset: int, data: bytes | None) -> None:
        self.content = _changed(self.content, offset, data)
        self.pending.append((offset, data))

    def synchronise(self) -> None:
        self.certain = self.content
        self.pending.clear()

    def after(self, how: str, chance: random.Random) -> bytes:
        """The content after power was lost: without what is pending, with all, or with a part."""
        if not self.pending or how == "all":
            return self.content
        if how == "none":
            return self.certain
        content = self.certain
        if how == "torn":
            # All up to some write, and of that a part.
            last = chance.randrange(len(self.pending))
            for offset, data in self.pending[:last]:
                content = _changed(content, offset, data)
            return _changed(content, *_cut(self.pending[last], chance))
        for change in self.pending:
            if chance.random() < 0.5:
                content = _changed(content, *(change if chance.random() < 0.7 else _cut(change, chance)))
        return content


def _changed(content: bytes, offset: int, data: bytes | None) -> bytes:
    if data is None:
        return content[:offset].ljust(offset, b"\0")
    return content[:offset].ljust(offset, b"\0") + data + content[offset + len(data) :]


def _cut(change: tuple[int, bytes | None], chance: random.Random) -> tuple[int, bytes | None]:
    offset, data = change
    return offset, data and data[: SECTOR * chance.randint(0, len(data) // SECTOR)]


@dataclass(eq=False)
class Directory:
    entries: dict[str, "Node"] = field(default_factory=dict)
    certain: dict[str, "Node"] = field(default_factory=dict)
    # Names since the directory was synchronised, each with what it is now; several change at once.
    pending: list[dict[str, "Node | None"]] = field(default_factory=list)

    def change(self, names: dict[str, "Node | None"]) -> None:
        _rename(self.entries, names)
        self.pending.append(names)

    def synchronise(self) -> None:
        self.certain = dict(self.entries)
        self.pending.clear()

    def after(self, how: str, chance: random.Random) -> dict[str, "Node"]:
        if not self.pending or how == "all":
            return self.entries
        entries = dict(self.certain)
        if how != "none":
            first = chance.randint(0, len(self.pending)) if how == "first" else len(self.pending)
            for names in self.pending[:first]:
                if how == "first" or chance.random() < 0.5:
                    _rename(entries, names)
        return entries


def _rename(entries: dict[str, "Node"], names: dict[str, "Node | None"]) -> None:
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


Node = File | Directory

# What becomes of pending names, and of pending bytes.
LOSSES = [
    ("none", "none"),
    ("all", "all"),
    ("all", "none"),
    ("none", "all"),
    ("all", "torn"),
    ("first", "all"),
    ("some", "some"),
    ("some", "none"),
    ("first", "some"),
]


class Disk:
    """The directories `tops` below `root`, and all in them that is no NetCDF file, as certain as can be."""

    def __init__(self, root: Path, tops: list[Path]) -> None:
        self.root = root
        self.top = Directory()
        for top in tops:
            if top.exists():
                self._make(top)
        self._settle(self.top)

    def _make(self, path: Path) -> None:
        if path.is_dir():
            self._directory(path, make=True)
            for child in path.iterdir():
                self._make(child)
        elif path.suffix != ".nc":
            content = path.read_bytes()
            self._directory(path.parent, make=True).entries[path.name] = File(content)

    def _settle(self, node: Node) -> None:
        node.synchronise()
        for child in node.entries.values() if isinstance(node, Directory) else ():
            self._settle(child)

    def _directory(self, path: Path, make: bool = False) -> Directory:
        directory = self.top
        for name in path.relative_to(self.root).parts:
            if make and name not in directory.entries:
                directory.entries[name] = Directory()
            directory = directory.entries[name]
        return directory

    def _node(self, path: Path) -> Node:
        return self._directory(path.parent).entries[path.name] if path != self.root else self.top

    def apply(self, operation: Operation) -> None:
        path, parent = operation.path, operation.path.parent
        if path.name.endswith("-shm"):
            # Shared memory: whatever it holds is thrown away when the ledger is opened after a crash.
            return
        match operation.kind:
            case "create":
                self._directory(parent).change({path.name: File()})
            case "mkdir":
                self._directory(parent).change({path.name: Directory()})
            case "write":
                self._node(path).change(operation.offset, operation.data)
            case "resize":
                self._node(path).change(operation.offset, None)
            case "truncate":
                self._node(path).change(0, None)
            case "rename":
                self._move({operation.target: None, path: self._node(operation.target)})
            case "exchange":
                self._move({operation.target: self._node(path), path: self._node(operation.target)})
            case "link":
                self._directory(parent).change({path.name: self._node(operation.target)})
            case "unlink":
                self._directory(parent).change({path.name: None})
            case "sync" | "syncdir":
                self._node(path).synchronise()
            case other:
                raise AssertionError(f"unknown operation {other}")

    def _move(self, nodes: dict[Path, Node | None]) -> None:
        """Names that change at once, as far as they are in one directory."""
        for parent in {path.parent for path in nodes}:
            self._directory(parent).change({path.name: node for path, node in nodes.items() if path.parent == parent})

    def after(self, names: str, content: str, chance: random.Random) -> dict[str, bytes]:
        """All files, by path, after power was lost; and, with a slash at the end, the directories of forms."""
        found: dict[str, bytes] = {}

        def gather(directory: Directory, path: str) -> None:
            for name, node in directory.after(names, chance).items():
                if isinstance(node, Directory):
                    if is_of_form(f"{path}/{name}"):
                        found[f"{path}/{name}/"] = b""
                    gather(node, f"{path}/{name}")
                else:
                    found[f"{path}/{name}"] = node.after(content, chance)

        gather(self.top, str(self.root))
        return found
