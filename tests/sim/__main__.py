"""`python -m tests.sim FIRST [LAST]`: run these seeds, print those that fail, and why."""

from __future__ import annotations

import sys
import traceback

from tests.sim.world import run


def main() -> int:
    first = int(sys.argv[1])
    last = int(sys.argv[2]) if len(sys.argv) > 2 else first + 1
    failed = 0
    for seed in range(first, last):
        try:
            digest = run(seed)
        except AssertionError as error:
            failed += 1
            print(error)
            if last == first + 1:
                traceback.print_exc()
        else:
            if last == first + 1:
                print(seed, digest)
    print(f"{last - first} seeds, {failed} failed")
    return min(failed, 1)


sys.exit(main())
