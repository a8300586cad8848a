"""rules.txt: Services, EndpointSlices and Nodes in, listeners and who stands behind them out."""

from __future__ import annotations

import random
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.api.meta import Object
from proxy.nodes import facts
from proxy.rules import HealthCheck, Rule, Rules
from proxy.table import Table
from tests import datadriven

EVERYWHERE = [IPv4Network("0.0.0.0/0")]


def node(number: int, zone: str) -> Object:
    return {
        "metadata": {"name": f"node{number}", "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDRs": [f"127.224.{number}.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": f"127.16.0.{number}"}]},
    }


NODES = [node(1, "a"), node(2, "b")]


def put(table: Table, o: Object) -> None:
    (table.put_slice if "addressType" in o else table.put_service)(o)


def drop(table: Table, o: Object) -> None:
    (table.drop_slice if "addressType" in o else table.drop_service)(o)


def table_of(objects: list[Object], nodes: list[Object]) -> Table:
    table = Table()
    table.set_nodes(facts(nodes, EVERYWHERE))
    for each in objects:
        put(table, each)
    return table


def rules_of(table: Table) -> Rules:
    return {listener: rule for listener, rule in table.changes().items() if rule is not None}


def show(rules: Rules) -> str:
    return "\n".join(f"{listener} {show_rule(rule)}" for listener, rule in rules.items()) or "nothing"


def show_rule(rule: Rule | HealthCheck) -> str:
    if isinstance(rule, HealthCheck):
        return f"{rule.service} health: {rule.local_endpoints}{'' if rule.is_healthy else ', being left'}"
    sticky = f" sticky {rule.affinity_seconds}s" if rule.affinity_seconds else ""
    sources = f" from {', '.join(map(str, rule.sources))}" if rule.sources else ""
    text = f"{rule.service}{sticky}{sources} -> {show_backends(rule.backends)}"
    return text + "".join(f"; {name}: {show_backends(each)}" for name, each in sorted(rule.by_node.items()))


def show_backends(backends: Any) -> str:
    return " ".join(map(str, backends)) or "(nobody)"


def handle(case: datadriven.Case) -> str:
    """`rules`: documents of Services, EndpointSlices, Nodes that differ; their order does not matter."""
    documents = [each for each in yaml.safe_load_all(case.input) if each]
    nodes = [each for each in documents if each.get("kind") == "Node"]
    nodes += [
        each for each in NODES if each["metadata"]["name"] not in {n["metadata"]["name"] for n in nodes}
    ]
    objects = [each for each in documents if each.get("kind") != "Node"]
    shown = show(rules_of(table_of(objects, nodes)))
    assert shown == show(rules_of(table_of(objects[::-1], nodes[::-1]))), "the order of objects matters"
    return shown


def test_rules_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).parent / "rules.txt", request, handle)


def service(number: int, chance: random.Random) -> Object:
    spec: dict[str, Any] = {"clusterIP": f"127.96.0.{number}", "type": "LoadBalancer"}
    spec["ports"] = [{"port": 80, "nodePort": chance.choice([0, 30080, 30081])}]
    spec["internalTrafficPolicy"] = chance.choice(["Local", "Cluster"])
    spec["externalIPs"] = chance.sample(["127.80.0.1", "127.80.0.2"], chance.randrange(3))
    spec["externalTrafficPolicy"] = chance.choice(["Local", "Cluster"])
    spec["healthCheckNodePort"] = 32000 + chance.randrange(3)
    return {"metadata": {"namespace": "default", "name": f"s{number}"}, "spec": spec}


def endpoint_slice(number: int, chance: random.Random) -> Object:
    labels = {"kubernetes.io/service-name": f"s{chance.randrange(4)}"}
    endpoints = [
        {
            "addresses": [f"127.224.{at}.{each}"],
            "nodeName": f"node{at}",
            "conditions": {"ready": chance.random() < 0.7, "serving": True, "terminating": True},
            "hints": {"forZones": [{"name": "b"}]} if chance.random() < 0.3 else {},
        }
        for at in (1, 2)
        for each in range(chance.randrange(3))
    ]
    metadata = {"namespace": "default", "name": f"slice{number}", "labels": labels}
    return {
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080}],
        "endpoints": endpoints,
    }


@pytest.mark.parametrize("seed", range(20))
def test_changes_add_up_to_what_one_look_at_everything_says(seed: int) -> None:
    """However objects come, change and go, also where several Services ask for one address."""
    chance = random.Random(seed)
    table, known, nodes = table_of([], NODES), {}, NODES
    seen: dict[Any, Any] = {}
    for _ in range(200):
        kind, number = chance.choice([service, endpoint_slice]), chance.randrange(4)
        name = (kind.__name__, number)
        if name in known and (chance.random() < 0.4 or kind is endpoint_slice):
            drop(table, known.pop(name))
        else:
            known[name] = kind(number, chance)
            put(table, known[name])
        if chance.random() < 0.2:
            nodes = [node(1, chance.choice("ab")), node(2, "b")][: chance.randrange(1, 3)]
            table.set_nodes(facts(nodes, EVERYWHERE))
        if chance.random() < 0.5:
            seen |= table.changes()
    seen |= table.changes()
    now = {listener: rule for listener, rule in seen.items() if rule is not None}
    assert now == rules_of(table_of(list(known.values()), nodes))


def test_a_change_tells_of_its_own_service_alone() -> None:
    chance = random.Random(1)
    table = table_of([service(1, chance), service(2, chance), endpoint_slice(1, chance)], NODES)
    table.changes()
    assert table.changes() == {}
    other = {**service(3, chance), "spec": {"clusterIP": "127.96.0.3", "ports": [{"port": 80}]}}
    table.put_service(other)
    assert [str(each) for each in table.changes()] == ["127.96.0.3:80/TCP"]
    table.put_service(other)
    assert table.changes() == {}, "nothing has changed"
    table.drop_service(other)
    assert list(table.changes().values()) == [None]


def test_another_node_changes_what_has_to_do_with_it() -> None:
    spec = {"clusterIP": "127.96.0.3", "ports": [{"port": 80}]}
    plain = {"metadata": {"namespace": "default", "name": "plain"}, "spec": spec}
    ported = {
        "metadata": {"namespace": "default", "name": "ported"},
        "spec": {"clusterIP": "127.96.0.4", "ports": [{"port": 80, "nodePort": 30080}]},
    }
    table = table_of([plain, ported], NODES[:1])
    table.changes()
    table.set_nodes(facts(NODES, EVERYWHERE))
    assert [str(each) for each in table.changes()] == ["127.16.0.2:30080/TCP"]


def test_who_asks_for_the_same_address() -> None:
    def asking(name: str, ip: str) -> Object:
        spec = {"clusterIP": ip, "externalIPs": ["127.80.0.1"], "ports": [{"port": 80}]}
        return {"metadata": {"namespace": "default", "name": name}, "spec": spec}

    first, second = asking("a", "127.96.0.1"), asking("b", "127.96.0.2")
    table = table_of([second], NODES)
    (shared,) = [listener for listener in table.changes() if listener.address == "127.80.0.1"]
    table.put_service(first)
    changed = table.changes()[shared]
    assert isinstance(changed, Rule)
    assert (changed.service, table.rivals(shared)) == ("default/a:80", ["default/a", "default/b"])
    table.drop_service(first)
    changed = table.changes()[shared]
    assert isinstance(changed, Rule)
    assert (changed.service, table.rivals(shared)) == ("default/b:80", ["default/b"])
