"""Bad input at the command: each is named, the rest of the run goes on, and nothing half-written stays behind.

The scans run as an ordinary user, for whom a directory without permission is one; root passes through all of them.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import readers
import truth
from publisher import Publisher
from trees import File, everything_below, file_name, instance_id, months, version_directory, write_series, years


@pytest.fixture
def workplace() -> Iterator[Path]:
    """A directory that another user can reach, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="vzarr-publish-"))
    directory.chmod(0o755)
    yield directory
    subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=True)
    shutil.rmtree(directory)


@pytest.fixture
def ordinary(vzarr_publish: Publisher, workplace: Path) -> Publisher:
    """The tool as an ordinary user runs it; `own` hands a tree over to that user."""
    if os.geteuid() != 0:
        return vzarr_publish
    if shutil.which("setpriv") is None:
        pytest.skip("running as root without setpriv (package util-linux): permissions would not bind")
    nobody = pwd.getpwnam("nobody")
    binary = workplace / "vzarr-publish"
    shutil.copy(vzarr_publish.binary, binary)
    binary.chmod(0o755)
    return Publisher(binary, ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"))


def own(directory: Path) -> None:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", str(directory)], check=True)


@dataclass(frozen=True)
class Spoilt:
    """A dataset that cannot be read or written, and what must be named."""

    directory: Path
    named: Path


def empty(root: Path) -> Spoilt:
    directory = version_directory(root, "empty-file")
    write_series(directory, years(1), "empty-file")
    bad = directory / file_name("empty-file", months(12, 12))
    bad.touch()
    return Spoilt(directory, bad)


def html(root: Path) -> Spoilt:
    directory = version_directory(root, "error-page")
    directory.mkdir(parents=True)
    bad = directory / file_name("error-page", months(0, 12))
    bad.write_text("<!DOCTYPE html><html><body><h1>503 Service Unavailable</h1></body></html>\n" * 20)
    return Spoilt(directory, bad)


def truncated(root: Path) -> Spoilt:
    directory = version_directory(root, "truncated")
    bad = directory / file_name("truncated", months(0, 12))
    File().write(bad)
    os.truncate(bad, bad.stat().st_size // 2)
    return Spoilt(directory, bad)


def truncated_netcdf3(root: Path) -> Spoilt:
    directory = version_directory(root, "truncated-netcdf3")
    bad = directory / file_name("truncated-netcdf3", months(0, 12))
    File(format="NETCDF3_CLASSIC", chunks=None, deflate=None).write(bad)
    os.truncate(bad, bad.stat().st_size - 100)
    return Spoilt(directory, bad)


def unreadable(root: Path) -> Spoilt:
    directory = version_directory(root, "unreadable-file")
    bad = directory / file_name("unreadable-file", months(0, 12))
    File().write(bad)
    bad.chmod(0)
    return Spoilt(directory, bad)


def read_only(root: Path) -> Spoilt:
    directory = version_directory(root, "read-only")
    write_series(directory, years(1), "read-only")
    directory.chmod(0o555)
    return Spoilt(directory, directory)


def test_the_rest_of_the_run_goes_on(ordinary: Publisher, workplace: Path) -> None:
    root = workplace / "data"
    good = version_directory(root, "good")
    write_series(good, years(2), "good")
    spoilt = [make(root) for make in (empty, html, truncated, truncated_netcdf3, unreadable, read_only)]
    closed = version_directory(root, "closed-directory")
    write_series(closed, years(1), "closed-directory")
    own(root)
    before = everything_below(root)
    closed.chmod(0)
    ledger = workplace / "state" / "ledger.sqlite"
    ledger.parent.mkdir()
    own(ledger.parent)

    done = ordinary.scan(root, ledger=ledger, expect=[1])
    stores = ordinary.stores(ledger)

    said = done.stdout + done.stderr
    for bad in spoilt:
        store = stores[instance_id(bad.directory, root)]
        assert store.status in ("refused", "failed"), store
        told = ordinary.explanation(store, ledger)
        assert str(bad.named) in told, f"{bad.named} is not named in\n{told}"
        assert str(bad.named) in said, f"{bad.named} is not named in\n{said}"
        assert store.manifest is None
    assert "--output-dir" in ordinary.explanation(stores[instance_id(version_directory(root, "read-only"), root)], ledger)
    assert str(closed) in said, f"{closed} is not named in\n{said}"

    store = stores[instance_id(good, root)]
    assert store.built
    assert readers.differences(str(store.manifest), truth.in_time_order(good.glob("*.nc"))) == []
    closed.chmod(0o755)
    assert everything_below(root) == before | {store.manifest}, "something half-written stayed behind"


def test_a_read_only_tree_is_built_elsewhere(ordinary: Publisher, workplace: Path) -> None:
    root = workplace / "data"
    directory = read_only(root).directory
    output, state = workplace / "stores", workplace / "state"
    output.mkdir()
    state.mkdir()
    own(workplace)
    ordinary.scan(root, "--output-dir", output, ledger=state / "ledger.sqlite", expect=[0])
    store = ordinary.stores(state / "ledger.sqlite")[instance_id(directory, root)]
    assert store.built
    assert everything_below(output) == {store.manifest}


def test_a_ledger_that_cannot_be_written(ordinary: Publisher, workplace: Path) -> None:
    root = workplace / "data"
    write_series(version_directory(root, "good"), years(1), "good")
    closed = workplace / "closed"
    closed.mkdir(mode=0o555)
    before = everything_below(root)
    own(root)
    done = ordinary.run("scan", root, "--ledger", closed / "ledger.sqlite")
    assert done.returncode == 3, done
    assert str(closed / "ledger.sqlite") in done.stderr
    assert everything_below(root) == before


def test_a_path_that_does_not_exist(vzarr_publish: Publisher, tmp_path: Path) -> None:
    done = vzarr_publish.run("scan", tmp_path / "nowhere", "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 3, done
    assert str(tmp_path / "nowhere") in done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["--data-root", "no-equals-sign"], ["--jobs", "many"], ["--config", "{tmp}/absent.yaml"]], ids=str
)
def test_wrong_usage(arguments: list[str], vzarr_publish: Publisher, tmp_path: Path) -> None:
    paths = [tmp_path] if arguments else []
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    done = vzarr_publish.run("scan", *paths, *arguments, "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 2, done
    assert all(argument in done.stderr for argument in arguments if not argument.startswith("--")), done.stderr
