"""Breaks scans in every way that a machine can, on purpose, and counts what is wrong afterwards. See integration/README.md."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import faults
import kills
import power
import publisher
import race
import shim


def main() -> int:
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--place", type=Path, help="an empty directory to work in; a temporary one without it")
    commands = parser.add_subparsers(dest="command", required=True)
    killing = commands.add_parser("kills", help="kill scans at random moments")
    killing.add_argument("--times", type=int, default=200)
    killing.add_argument("--datasets", type=int, default=304)
    losing = commands.add_parser("power", help="lose power after every operation, on a model of a disk")
    losing.add_argument("--datasets", type=int, default=16)
    losing.add_argument("--states", type=int, help="how many states of each command, chosen at random; all without it")
    losing.add_argument("--format", action="append", default=[], help="a form beside the manifest, parquet or icechunk; repeatable")
    failing = commands.add_parser("faults", help="let calls to the system fail")
    failing.add_argument("--datasets", type=int, default=16)
    failing.add_argument("--times", type=int, default=50, help="of each kind of call")
    racing = commands.add_parser("race", help="let many processes use one ledger at once")
    racing.add_argument("--datasets", type=int, default=60)
    racing.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="vzarr-crash-") as temporary:
        place = arguments.place or Path(temporary)
        reason = shim.why_not()
        if reason:
            print(f"SKIPPED, what needs the shim: {reason}")
        built = None if reason else shim.Shim.build(place / "shim")
        say = lambda line: print(line, flush=True)
        match arguments.command:
            case "kills":
                result = kills.run(publisher.find(), place, arguments.datasets, arguments.times, arguments.seed, built, say)
            case "power":
                found, forms = publisher.find(), arguments.format
                result = power.run(found, place, arguments.datasets, arguments.states, arguments.seed, built, say, forms)
            case "faults":
                result = faults.run(publisher.find(), place, arguments.datasets, arguments.times, arguments.seed, built, say)
            case "race":
                result = race.run(publisher.find(), place / "race", arguments.datasets, arguments.seconds, arguments.seed)
                for difference in result.differences:
                    say(difference)
        print(result)
        return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
