"""An API server without its gate: everyone may do everything, and no plug-in is asked.

python -P benchmarks/gateless.py, with the flags of apiserver; started by `benchmarks/apiserver.py gate`
"""

from __future__ import annotations

from apiserver import app, main
from apiserver.admission.chain import Chain
from apiserver.filters.authentication import authenticate
from apiserver.filters.authorization import authorize
from apiserver.filters.impersonation import impersonate
from apiserver.filters.priority_and_fairness import give_seats

GATE = (authenticate, impersonate, give_seats, authorize)


class NoChain(Chain):
    """Asks nobody."""

    def __init__(self, *_: object) -> None:
        super().__init__()


if __name__ == "__main__":
    app.FILTERS = tuple(each for each in app.FILTERS if each not in GATE)
    main.Chain = NoChain  # type: ignore[misc]
    main.main()
