"""Datasets of very many chunks in every form: what a scan takes that writes it, how much there is on disk, and what readers wait for.

Set M of make_trees.py, and ten times as many files of it. All forms go beside the manifest, so that a scan for one of them writes
that as well. Readers are those of client.py, over nginx; of the data only the first file is there, the others have holes.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import client
import machine
import whole
from nodes import DataNode

HERE = Path(__file__).resolve().parent
# By what `--format` calls them: the readers' lines, and the name of what they open.
FORMS = {
    "json": ("JSON", {"kerchunk-fast": "V2", "zarr-v3": "V3"}, ".json"),
    "parquet": ("Parquet", {"kerchunk-fast": "V2"}, ".parq"),
    "icechunk": ("Icechunk", {"icechunk": "V3"}, ".icechunk"),
}
# A time step of the first file.
STEP = 5
# All names are served: readers of Parquet ask for one with a dot.
LOCATIONS = ""


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())


def written(tree: Path, place: Path, node: DataNode, form: str, limit: float) -> tuple[whole.Contender, Path]:
    """A scan that writes this form, and where that is."""
    dataset = next(tree.glob("CMIP6/*/*/*/*/*/*/*/*/*"))
    stores, ledger = place / "stores", place / "ledger.sqlite"
    command = [os.environ["VZARR_PUBLISH_ALL"], "scan", str(tree), "--format", form, "--output-dir", str(stores)]
    command += ["--ledger", str(ledger), "--data-root", f"{tree}={node.url(tree)}", "--data-root", f"{stores}={node.url(stores)}"]
    manifest = stores / dataset.relative_to(tree) / f"{whole.instance_id(tree, dataset)}.json"
    scan = whole.Contender(form, command, [stores, ledger], manifest)
    scan.count(scan.run(limit))
    return scan, manifest.with_suffix(FORMS[form][2])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 chunks alone")
    parser.add_argument("--limit", type=float, default=300, help="seconds that a scan may take, readers half as much (default 300)")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/vzarr-bench"), help="where the files are kept")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    print("\n## Very many chunks\n")
    print(machine.load() + " One run each.\n")
    print("| chunks | form | scan s | cpu s | peak MB | on disk MB | reader | open s | one chunk s | requests | reader's peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for scale, name in ((0.1, "quick"),) if arguments.quick else ((1, "whole"), (10, "tenfold")):
        trees = arguments.directory / name
        maker = [HERE / ".venv/bin/python", HERE / "make_trees.py", trees, "--sets", "M", "--scale", str(scale)]
        subprocess.run(maker, check=True)
        with (
            tempfile.TemporaryDirectory(prefix="vzarr-bench-", dir=arguments.directory) as place,
            tempfile.TemporaryDirectory(prefix="vzarr-node-") as private,
            DataNode(arguments.directory, Path(private), LOCATIONS) as node,
        ):
            for form, (title, lines, _) in FORMS.items():
                scan, path = written(trees / "M", Path(place), node, form, arguments.limit)
                if scan.failure:
                    print(f"| {1_000_000 * scale:,.0f} | {title} | {scan.failure} | | | | | | | | |", flush=True)
                    continue
                [run] = scan.runs
                of_scan = f"{run.wall:.1f} | {run.cpu:.1f} | {run.peak:.0f} | {size_of(path) / 1e6:.1f}"
                for line, version in lines.items():
                    reader = client.Contender(title, line, node.url(path), step=STEP)
                    reader.run(node, arguments.limit / 2)
                    opened, chunk, _, first, second, _, peak = reader.row()
                    requests = f"{first} + {second}" if second else first
                    print(f"| {1_000_000 * scale:,.0f} | {title} | {of_scan} | {version} | {opened} | {chunk} | {requests} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
