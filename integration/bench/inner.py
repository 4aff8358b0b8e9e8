"""Runs the criterion benches of `reader_bench` and prints what they found as a table."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
GOAL = ("JSON of a million references", 1.5e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    arguments = parser.parse_args()
    seconds = ("0.5", "1") if arguments.quick else ("1", "3")
    with tempfile.TemporaryDirectory(prefix="vzarr-criterion-") as found:
        command = ["cargo", "bench", "--locked", "--quiet", "--manifest-path", str(HERE / "reader_bench/Cargo.toml")]
        command += ["--target-dir", os.environ.get("CARGO_TARGET_DIR", str(HERE.parents[1] / "target")), "--bench", "inner_loops"]
        command += ["--", "--noplot", "--warm-up-time", seconds[0], "--measurement-time", seconds[1]]
        done = subprocess.run(command, env={**os.environ, "CRITERION_HOME": found}, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"cargo bench: exit {done.returncode}\n{done.stdout}{done.stderr}")
        print("\n## Inner loops\n")
        print(f"{machine.load()} Inputs in memory, one thread; medians of criterion.\n")
        print("| loop | elements | ms | million elements a second |\n|---|---|---|---|")
        reached = ""
        for path in sorted(Path(found).glob("*/*/new/benchmark.json")):
            benchmark = json.loads(path.read_text())
            seconds_taken = json.loads((path.parent / "estimates.json").read_text())["median"]["point_estimate"] / 1e9
            elements = benchmark["throughput"]["Elements"]
            rate = elements / seconds_taken
            name = f"{benchmark['group_id']}: {benchmark['function_id']}"
            print(f"| {name} | {elements:,} | {1000 * seconds_taken:.3f} | {rate / 1e6:.2f} |")
            if benchmark["function_id"] == GOAL[0]:
                verdict = "met" if rate >= GOAL[1] else "missed"
                reached = f"| {name} | at least {GOAL[1] / 1e6:g} million/s | {rate / 1e6:.2f} million/s | {verdict} |"
    print(f"\n### Beside the goals\n\n| goal | | reached | |\n|---|---|---|---|\n{reached}", flush=True)


if __name__ == "__main__":
    main()
