"""`python -m tests.sim --seed FIRST [--last LAST]`: run these seeds, print those that fail, and why."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback

from tests.sim.world import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seed", type=int, required=True, help="the run to repeat, or the first of several")
    parser.add_argument("--last", type=int, help="the last of several")
    arguments = parser.parse_args()
    logging.disable()  # what members log is in nobody's interest but of a single run
    last = arguments.seed if arguments.last is None else arguments.last
    failed = 0
    for seed in range(arguments.seed, last + 1):
        try:
            digest = run(seed)
        except AssertionError as error:
            failed += 1
            print(error)
            if last == arguments.seed:
                traceback.print_exc()
        else:
            if last == arguments.seed:
                print(seed, digest)
    print(f"{last - arguments.seed + 1} seeds, {failed} failed")
    return min(failed, 1)


sys.exit(main())
