"""Scans in shards on a real Slurm of one node: a task that is killed is requeued, and the merged ledger is that of one scan."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import trees
from publisher import REPOSITORY, Publisher

SLURM = REPOSITORY / "integration/slurm"
DATASETS = 16
SHARDS = 4
URL = "https://node.example.org/data"


@dataclass(frozen=True)
class Cluster:
    environment: dict[str, str]
    # Jobs of tests before.
    past: set[str] = field(default_factory=set)

    def run(self, *command: object, expect: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run([*map(str, command)], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode in expect, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """The states of the jobs of this test by number; of tasks, by that of the array and the task."""
        lines = self.run("squeue", "--noheader", "--array", "--states=all", "--format=%i %T").splitlines()
        states = dict(line.split() for line in lines)
        return {number: state for number, state in states.items() if number not in self.past}

    def wait(self, is_done: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < end, f"not after {seconds} s: {self.jobs()}"
            time.sleep(0.1)

    def forget(self) -> None:
        """Cancels what a test left, for the next."""
        self.run("scancel", f"--user={getpass.getuser()}")
        self.wait(lambda: {"RUNNING", "PENDING", "COMPLETING"}.isdisjoint(self.jobs().values()))
        self.past.update(self.jobs())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of this machine alone, on the loopback interface."""
    if not shutil.which("sbatch") and not shutil.which("apt-get"):
        pytest.skip("there is no Slurm: install the packages that integration/setup --slurm names")
    path = os.environ["PATH"] + ":/usr/sbin"
    started = subprocess.run([SLURM / "start"], env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=300)
    if started.returncode:
        pytest.skip(f"Slurm cannot be started here: {started.stderr.strip()[-2000:]}")
    conf = started.stdout.strip().removeprefix("export SLURM_CONF=")
    environment = os.environ | {"PATH": path, "SLURM_CONF": conf}
    # What other jobs, or users of this machine, set is not for these.
    environment = {name: value for name, value in environment.items() if not name.startswith(("SBATCH_", "SLURM_JOB"))}
    try:
        yield Cluster(environment)
    finally:
        subprocess.run([SLURM / "stop"], env=environment, check=True, timeout=60)
        shutil.rmtree(Path(conf).parent)


@dataclass(frozen=True)
class Site:
    """An archive, what scans it, and where that keeps its things."""

    place: Path
    program: Path

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def ledger(self) -> Path:
        return self.place / "ledger.sqlite"

    @property
    def settings(self) -> tuple[str, ...]:
        return ("--data-root", f"{self.data}={URL}")

    def configuration(self, **more: str) -> Path:
        path = self.place / "site.conf"
        values = {
            "program": str(self.program),
            "paths": f"('{self.data}')",
            "settings": f"({' '.join(self.settings)})",
            "build": "(--jobs 1)",
            "ledger": str(self.ledger),
            "work": str(self.place / "work"),
            "shards": str(SHARDS),
        } | more
        path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return path

    def submit(self, cluster: Cluster, **more: str) -> Path | None:
        lines = cluster.run(SLURM / "submit", self.configuration(**more)).splitlines()
        return Path(lines[0]) if lines else None

    def stores(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in trees.everything_below(self.data) if path.suffix != ".nc"}


def write(directory: Path, source_id: str) -> None:
    trees.write_series(directory, trees.years(2), source_id)


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path, vzarr_publish: Publisher) -> Iterator[Site]:
    first = trees.version_directory(tmp_path / "data", "VZARR-SLURM")
    write(first, "VZARR-SLURM")
    for number in range(1, DATASETS):
        version = first.parent.parent.parent.parent.parent / f"r{number + 1}i1p1f1" / first.relative_to(first.parents[3])
        shutil.copytree(first, version)
        for file in version.iterdir():
            file.rename(version / file.name.replace("r1i1p1f1", f"r{number + 1}i1p1f1"))
    yield Site(tmp_path, vzarr_publish.binary)
    cluster.forget()


def slowed(site: Site) -> Site:
    """The program, waiting before the scan of the second shard until a file is there."""
    wrapper = site.place / "vzarr-publish"
    wrapper.write_text(
        f"""#!/bin/bash
case "$*" in *shard-0002.jsonl*)
    echo $$ $PPID >'{site.place}/pids.part' && mv '{site.place}/pids.part' '{site.place}/pids'
    while [ ! -e '{site.place}/go' ]; do sleep 0.1; done ;;
esac
exec '{site.program}' "$@"
"""
    )
    wrapper.chmod(0o755)
    return Site(site.place, wrapper)


def known(program: Publisher, ledger: Path) -> list[object]:
    """What a ledger knows, but for runs and times."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {key: strip(of) for key, of in value.items() if key not in ("run_id", "id") and not key.endswith("_at")}
        return [*map(strip, value)] if isinstance(value, list) else value

    done = program.run("ledger", "export", "--json", "--ledger", ledger)
    assert done.returncode == 0, done.stderr
    return [strip(line) for line in map(json.loads, done.stdout.splitlines()) if line["type"] != "run"]


def as_one_scan_does(program: Publisher, site: Site) -> tuple[list[object], dict[Path, bytes]]:
    ledger = site.place / "one.sqlite"
    program.scan(site.data, *site.settings, ledger=ledger, expect=(0,))
    one = known(program, ledger), site.stores()
    assert len(one[1]) == DATASETS
    for path in one[1]:
        path.unlink()
    return one


def merged(directory: Path) -> bool:
    log = directory / "merge.log"
    return log.exists() and log.read_text().count("is merged") == SHARDS


def test_a_task_that_is_killed_is_requeued_and_the_merge_waits_for_it(
    cluster: Cluster, site: Site, vzarr_publish: Publisher
) -> None:
    one = as_one_scan_does(vzarr_publish, site)
    directory = slowed(site).submit(cluster)
    assert directory
    assert len([*directory.glob("shard-*.jsonl")]) == SHARDS
    # Run by cron meanwhile, it does nothing.
    assert site.submit(cluster) is None
    cluster.wait((site.place / "pids").exists)
    task = next(number for number in cluster.jobs() if number.endswith("_2"))
    cluster.run("scontrol", "requeue", task)
    log = directory / "shard-0002.log"
    cluster.wait(lambda: "ended with" in log.read_text(), 30)
    assert not merged(directory)
    (site.place / "go").touch()
    cluster.wait(lambda: merged(directory))
    assert "begins, restart 1" in log.read_text()
    cluster.wait(lambda: set(cluster.jobs().values()) == {"COMPLETED"})
    assert (known(vzarr_publish, site.ledger), site.stores()) == one
    # Nothing has changed, so that nothing is submitted.
    assert site.submit(cluster) is None
    assert len([*(site.place / "work").iterdir()]) == 1


def test_a_task_that_failed_is_named_by_the_merge_and_run_again_alone(
    cluster: Cluster, site: Site, vzarr_publish: Publisher
) -> None:
    one = as_one_scan_does(vzarr_publish, site)
    directory = slowed(site).submit(cluster)
    assert directory
    pids = site.place / "pids"
    cluster.wait(pids.exists)
    # As when memory is short.
    os.kill(int(pids.read_text().split()[0]), signal.SIGKILL)
    cluster.wait(lambda: merged(directory))
    cluster.wait(lambda: set(cluster.jobs().values()) <= {"COMPLETED", "FAILED"})
    assert "ended with 137" in (directory / "shard-0002.log").read_text()
    log = (directory / "merge.log").read_text()
    assert f"shard 2 of {SHARDS} is not complete: it was not scanned" in log and "shard 3 of" not in log
    states = [*cluster.jobs().values()]
    assert states.count("FAILED") == 2, "the task, and the merge"
    known_now = known(vzarr_publish, site.ledger)
    assert 0 < len(known_now) < DATASETS
    # That shard alone, and the merge after it.
    scan = (SLURM / "scan.sbatch", site.program, directory, *site.settings)
    again = cluster.run("sbatch", "--parsable", "--array=2", f"--output={directory}/shard-%4a.log", *scan).strip()
    merge = (SLURM / "merge.sbatch", site.program, directory, "--ledger", site.ledger)
    last = cluster.run(
        "sbatch", "--parsable", f"--dependency=afterany:{again}", f"--output={directory}/merge-2.log", *merge
    ).strip()
    cluster.wait(lambda: cluster.jobs()[last] == "COMPLETED")
    assert (known(vzarr_publish, site.ledger), site.stores()) == one


def test_the_merge_may_run_where_the_ledger_is(cluster: Cluster, site: Site, vzarr_publish: Publisher) -> None:
    one = as_one_scan_does(vzarr_publish, site)
    directory = site.submit(cluster, merge_here="true")
    assert directory
    assert merged(directory)
    assert (known(vzarr_publish, site.ledger), site.stores()) == one


def test_a_task_whose_time_is_up_goes_on_in_another(cluster: Cluster, site: Site, vzarr_publish: Publisher) -> None:
    directory = slowed(site).submit(cluster)
    assert directory
    pids = site.place / "pids"
    cluster.wait(pids.exists)
    # What Slurm does two minutes before: it tells the shell alone.
    os.kill(int(pids.read_text().split()[1]), signal.SIGUSR1)
    log = directory / "shard-0002.log"
    cluster.wait(lambda: "goes on in another task" in log.read_text(), 30)
    (site.place / "go").touch()
    cluster.wait(lambda: merged(directory))
    assert "begins, restart 1" in log.read_text()
