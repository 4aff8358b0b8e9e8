"""What a report says of the machine, the versions and the load.

    machine.py      the first lines of a report
"""

import datetime
import os
import platform
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
# By environment, which is that of the peers or that of readers.
PACKAGES = {HERE: "esgcet virtualizarr hidefix h5py", HERE.parent: "kerchunk xarray zarr fsspec aiohttp"}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {names[0] if names else platform.machine()}"


def today() -> str:
    return str(datetime.date.today())


def load() -> str:
    """Tells whether the figures that follow are worth anything."""
    return f"Load average {os.getloadavg()[0]:.1f} at the start."


def versions() -> str:
    ours = subprocess.run([os.environ["VZARR_PUBLISH"], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    theirs = ", ".join(packages(where / ".venv/bin/python", names) for where, names in PACKAGES.items())
    scripts = f" (scripts of {commit})" if commit else ""
    return f"{ours}{scripts}; {theirs}; Python {platform.python_version()}"


def packages(python: Path, names: str) -> str:
    script = f"from importlib.metadata import version; print(', '.join(f'{{n}} {{version(n)}}' for n in '{names}'.split()))"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print("# A run of integration/bench/run\n")
    print(f"{today()}, {processor()}, {memory:.0f} GiB, Linux {platform.release()}. {load()}")
    print(f"Versions: {versions()}.", flush=True)


if __name__ == "__main__":
    main()
