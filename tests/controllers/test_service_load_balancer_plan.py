"""Addresses of load balancers as stories: Services come and change, plans are carried out or lost.

range CIDR        begin anew, with this value of the flag; what it says
service NAME      make the Service, or change it: class, type, ip (loadBalancerIP), age (seconds), deleted,
                  finalizers, status; what is not said stays as it was
gone NAME         the Service is no more
sync NAME ...     look at each, in turn, and carry out what is to be done
try NAME ...      the same, but no patch arrives
restart           another manager takes over
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from controllers.service_load_balancer.addresses import Addresses, addresses_of, is_wanted
from controllers.service_load_balancer.flags import balancer_range
from controllers.service_load_balancer.plan import FINALIZER, Seen, plan
from kube.api import meta
from kube.api.actions import Patch
from kube.api.meta import Object
from kube.api.patch import json_merge
from kube.base.run import StartupError
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "service_load_balancer"
SHORT = {"finalizer": FINALIZER}


class World:
    """All Services, and a manager."""

    def __init__(self) -> None:
        self.services: dict[str, Object] = {}
        self.range = ""
        # Patches that have not arrived, and the Service that each was decided on.
        self.on_their_way: list[tuple[Object, Patch]] = []

    def handle(self, case: datadriven.Case) -> str:
        return str(getattr(self, f"do_{case.command}")(case))

    def do_range(self, case: datadriven.Case) -> str:
        self.services.clear()
        self.range = case.args[0]
        return self.begin()

    def do_restart(self, _: datadriven.Case) -> str:
        return self.begin()

    def begin(self) -> str:
        try:
            network = balancer_range({"load_balancer_ip_range": self.range})
        except StartupError as error:
            return f"refused: {error}"
        if network is None:
            return "off"
        self.addresses = Addresses(network, self._holders)
        return ""

    def _holders(self, address: str) -> list[Object]:
        return [each for each in self.services.values() if address in addresses_of(each)]

    def do_service(self, case: datadriven.Case) -> str:
        (name,) = case.args
        self.put(name, yaml.safe_load(case.input or "{}"))
        return ""

    def put(self, name: str, short: dict[str, Any]) -> None:
        short["finalizers"] = [SHORT.get(each, each) for each in short.get("finalizers", [])]
        spec: dict[str, Any] = {"type": short.get("type", "LoadBalancer"), "ports": [{"port": 80}]}
        spec |= {"loadBalancerClass": short["class"]} if "class" in short else {}
        spec |= {"loadBalancerIP": short["ip"]} if "ip" in short else {}
        old = self.services.get(name, {})
        status = short.get("status", old.get("status", {"loadBalancer": {}}))
        new = made(short | {"name": name}, spec=spec, status=status)
        if old and not short["finalizers"]:
            new["metadata"]["finalizers"] = meta.finalizers(old)
        self.services[name] = new
        self.addresses.forget(meta.key(new))

    def do_gone(self, case: datadriven.Case) -> str:
        for name in case.args:
            self.remove(name)
        return ""

    def remove(self, name: str) -> None:
        self.addresses.forget(meta.key(self.services.pop(name)))

    def do_sync(self, case: datadriven.Case) -> str:
        return "\n".join(self.look(name, arrives=True) for name in case.args)

    def do_try(self, case: datadriven.Case) -> str:
        return "\n".join(self.look(name, arrives=False) for name in case.args)

    def look(self, name: str, *, arrives: bool) -> str:
        service = self.services[name]
        answer = self.addresses.answer(service) if is_wanted(service) else None
        actions = plan(Seen(service, answer, self.addresses.others_of(service)), START)
        text = render(actions, {}).replace(FINALIZER, "FINALIZER")
        patches = [each for each in actions if isinstance(each, Patch)]
        for patch in patches:
            self.on_their_way.append((service, patch))
        if arrives and patches:
            self.arrive(-1)
        waits = answer is not None and answer.can_change
        return "\n".join([text, *(["waits"] if waits else [])])

    def arrive(self, index: int) -> None:
        """A patch is carried out, unless the Service has changed since."""
        service, patch = self.on_their_way.pop(index)
        assert patch.type == "merge"
        if self.services.get(patch.name) is service:
            self.services[patch.name] = json_merge.apply(service, patch.patch)

    def held(self) -> list[str]:
        """All addresses that Services have."""
        return [address for each in self.services.values() for address in addresses_of(each)]


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)


# Services change, go, are looked at; patches are sent, and arrive some time; the manager dies.
USABLE = {"10.0.0.1", "10.0.0.2"}
WISHES: tuple[dict[str, Any], ...] = ({}, {}, {"ip": "10.0.0.1"}, {"ip": "10.0.0.9"}, {"type": "NodePort"})
VERBS = ("try", "arrive", "restart", "put", "gone")
STEPS = st.tuples(st.sampled_from(VERBS), st.sampled_from("abc"), st.sampled_from(WISHES))


def take(world: World, verb: str, name: str, wish: dict[str, Any]) -> None:
    """One step, if it is possible now."""
    if verb == "put":
        world.put(name, {**wish})
    elif verb == "restart":
        world.begin()
    elif verb == "arrive":
        while world.on_their_way:
            world.arrive(0)
    elif name in world.services and verb == "gone":
        world.remove(name)
    elif name in world.services:
        world.look(name, arrives=False)


@pytest.mark.parametrize("is_late", [False, True])
@given(st.lists(STEPS, max_size=50))
@example([("try", "a", {}), ("restart", "a", {}), ("try", "b", {}), ("arrive", "a", {})])
def test_no_two_hold_one_address_and_none_is_lost(
    is_late: bool, steps: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Late are the patches of a manager that is gone: then two may hold one address, but not for long."""
    world = World()
    world.range = "10.0.0.0/30"
    world.begin()
    for name, wish in zip("abc", WISHES, strict=False):
        world.put(name, {**wish})
    for verb, name, wish in steps:
        take(world, verb, name, wish)
        if verb == "restart" and not is_late:
            world.on_their_way.clear()
        assert is_late or len(world.held()) == len(set(world.held()))
    # Who gives something back may come after who waits for it.
    for _ in range(3):
        for name in world.services:
            world.look(name, arrives=True)
    assert len(world.held()) == len(set(world.held()))
    asking = [each for each in world.services.values() if is_wanted(each)]
    assert len(world.held()) == sum(len(addresses_of(each)) for each in asking)
    for each in asking:
        wanted = each["spec"].get("loadBalancerIP")
        possible = {wanted} if wanted else USABLE
        assert addresses_of(each) or not possible - set(world.held()) & USABLE
        assert FINALIZER in meta.finalizers(each)
