"""Nodes and their ranges as text: a line for each node that comes, has ranges or goes -> actions."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.node_ipam.cidr_set import CidrSet
from controllers.node_ipam.flags import FLAGS, layout
from controllers.node_ipam.plan import Seen, plan
from controllers.node_ipam.ranges import Layout, Ranges
from kube.base.run import StartupError
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START

TESTDATA = Path(__file__).parent / "testdata" / "node_ipam"


def said(case: datadriven.Case) -> Layout | None:
    """The layout that a case's options say, as flags."""
    flags: dict[str, object] = {"allocate_node_cidrs": case.option("allocate", "yes") == "yes"}
    for name in FLAGS:
        text = case.option(name, "")
        flags[name.replace("-", "_")] = int(text) if text.isdigit() else text or None
    return layout(flags)


def handle(case: datadriven.Case) -> str:
    try:
        found = said(case)
    except StartupError as error:
        return f"refused: {error}"
    if found is None:
        return "off"
    ranges, lines = Ranges(found), []
    for line in case.input.splitlines():
        verb, name, *cidrs = line.split()
        uid = name if verb != "again" else f"new-{name}"
        if verb == "gone":
            ranges.release(name)
        elif cidrs:
            lines += [f"{name}: strange {each}" for each in ranges.hold(name, uid, cidrs)]
        else:
            node = {"metadata": {"name": name, "uid": uid}}
            lines.append(render(plan(Seen(node, ranges.propose(name, uid)), START), {}))
    return "\n".join(lines) or "nothing"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


CLUSTERS = ((ip_network("10.0.0.0/24"), 27), (ip_network("fd00::/60"), 64), (ip_network("fd00::/66"), 68))
# Allocate; or occupy or release a subnet of the cluster: by how much longer its mask is, and where.
STEPS = st.tuples(st.sampled_from("aor"), st.integers(0, 4), st.integers(0, 15))


@given(st.sampled_from(CLUSTERS), st.lists(STEPS, max_size=60))
def test_a_set_is_like_a_list_of_blocks(cluster: tuple, steps: list[tuple[str, int, int]]) -> None:  # type: ignore[type-arg]
    network, size = cluster
    blocks = list(network.subnets(new_prefix=size))
    users, turn, own = dict.fromkeys(blocks, 0), 0, CidrSet(network, size)
    for verb, longer, place in steps:
        if verb == "a":
            order = blocks[turn:] + blocks[:turn]
            free = next((each for each in order if not users[each]), None)
            assert own.allocate() == free
            if free is not None:
                users[free], turn = 1, (blocks.index(free) + 1) % len(blocks)
            continue
        parts = list(network.subnets(prefixlen_diff=longer))
        part = parts[place % len(parts)]
        if verb == "o":
            assert own.occupy(part)
        else:
            own.release(part)
        for each in blocks:
            if each.overlaps(part):
                users[each] = max(users[each] + (1 if verb == "o" else -1), 0)
