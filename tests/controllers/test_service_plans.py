"""The endpoints of Services as stories: what is there changes, the plan is carried out and told.

service                the Service, as YAML (its selector is app=web unless it says so)
pod NAME ip= node= [ready=no] [phase=] [deleted=yes] [http=]    make or change a pod; http: a named port
pods COUNT             that many ready pods named many-N
zones NODE=ZONE ..     the nodes that have one
gone NAME              the pod, or the slice, is no more
slices | endpoints     plan and carry out: the EndpointSlices, or the Endpoints
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers import service_pods
from controllers.endpoints import plan as endpoints
from controllers.endpointslice import plan as endpointslice
from kube.api import meta
from kube.api.actions import Action, Create, Delete, Update
from kube.api.meta import Object
from tests import datadriven

TESTDATA = Path(__file__).parent / "testdata" / "services"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    """One Service, pods, and what the plans made of them."""

    def __init__(self) -> None:
        self.service: Object = {}
        self.pods: dict[str, Object] = {}
        self.slices: dict[str, Object] = {}
        self.endpoints: Object | None = None
        self.number = itertools.count(1)
        self.zones: dict[str, str] = {}

    def handle(self, case: datadriven.Case) -> str:
        return str(getattr(self, f"do_{case.command}")(case))

    def do_service(self, case: datadriven.Case) -> str:
        given = yaml.safe_load(case.input)
        metadata = {"name": "web", "namespace": "default", "uid": "s"} | given.get("metadata", {})
        spec = {"clusterIP": "127.96.0.9", "selector": {"app": "web"}} | given["spec"]
        self.service = {"metadata": metadata, "spec": spec}
        return ""

    def do_pod(self, case: datadriven.Case) -> str:
        (name,) = case.args
        ready = "False" if case.option("ready", "yes") == "no" else "True"
        named = (
            [{"name": "http", "containerPort": int(case.options["http"])}] if "http" in case.options else []
        )
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": {"app": "web"}}
        if "deleted" in case.options:
            metadata["deletionTimestamp"] = "2030-01-01T00:00:00Z"
        status = {
            "phase": case.option("phase", "Running"),
            "conditions": [{"type": "Ready", "status": ready}],
            **({"podIP": case.options["ip"]} if "ip" in case.options else {}),
        }
        spec = {"nodeName": case.option("node", "node1"), "containers": [{"name": "c", "ports": named}]}
        self.pods[name] = {"metadata": metadata, "spec": spec, "status": status}
        return ""

    def do_pods(self, case: datadriven.Case) -> str:
        for number in range(int(case.args[0])):
            self.do_pod(datadriven.Case("pod", [f"many-{number:03}"], {"ip": f"10.0.0.{number}"}, "", "", 0))
        return ""

    def do_zones(self, case: datadriven.Case) -> str:
        self.zones = dict(case.options)
        return ""

    def do_gone(self, case: datadriven.Case) -> str:
        for name in case.args:
            assert self.pods.pop(name, None) or self.slices.pop(name, None), name
        return ""

    def do_slices(self, case: datadriven.Case) -> str:
        selected = [each for each in self.pods.values() if service_pods.selects(self.service, each)]
        waiting = case.option("expectations", "met") == "met"

        def seen() -> endpointslice.Seen:
            slices = list(self.slices.values())
            return endpointslice.Seen(self.service, selected, slices, waiting, self.zones)

        actions = endpointslice.plan(seen(), NOW)
        lines = [line for action in actions for line in self.carry_out(action)]
        assert endpointslice.plan(seen(), NOW) == [], "a second look finds something to do"
        return "\n".join(lines) or "nothing"

    def carry_out(self, action: Action) -> list[str]:
        match action:
            case Create():
                name = f"{action.object['metadata']['generateName']}{next(self.number)}"
                metadata = {**action.object["metadata"], "name": name, "uid": f"uid-{name}"}
                self.slices[name] = {**action.object, "metadata": metadata}
                owner = meta.owner_references(action.object)[0]
                assert (owner["kind"], owner["uid"], owner["controller"]) == (
                    "Service",
                    meta.uid(self.service),
                    True,
                )
                return [f"create {name}", *shown_slice(action.object, None)]
            case Update():
                name = meta.name(action.object)
                before, self.slices[name] = self.slices[name], action.object
                return [f"update {name}", *shown_slice(action.object, before)]
            case Delete():
                del self.slices[action.name]
                return [f"delete {action.name}"]
        raise AssertionError(action)

    def do_endpoints(self, case: datadriven.Case) -> str:
        service = None if case.args == ["without"] else self.service
        selected = [each for each in self.pods.values() if service and service_pods.selects(service, each)]
        actions = endpoints.plan(endpoints.Seen(service, selected, self.endpoints), NOW)
        if not actions:
            return "nothing"
        (action,) = actions
        if isinstance(action, Delete):
            self.endpoints = None
            return f"delete {action.name}"
        assert isinstance(action, (Create, Update))
        self.endpoints = action.object
        return "\n".join([type(action).__name__.lower(), *shown_endpoints(action.object)])


def shown_slice(new: Object, old: Object | None) -> list[str]:
    """Labels and ports where they changed, and the endpoints: a dozen, or their number."""
    lines = []
    if old is None or meta.labels(new) != meta.labels(old):
        lines.append(f"  labels {' '.join(f'{key}={value}' for key, value in meta.labels(new).items())}")
    if old is None or new["ports"] != old["ports"]:
        ports = (f"{port['name']}:{port['port']}/{port['protocol']}" for port in new["ports"])
        lines.append(f"  ports {' '.join(ports)}".rstrip())
    found = new["endpoints"]
    return lines + ([f"  {len(found)} endpoints"] if len(found) > 12 else [f"  {endpoint(e)}" for e in found])


def endpoint(each: dict[str, Any]) -> str:
    states = " ".join(name for name, value in each["conditions"].items() if value) or "nothing yet"
    where = f"{each['addresses'][0]} {each['targetRef']['name']} on {each.get('nodeName')}"
    more = [f", hostname {each['hostname']}"] if "hostname" in each else []
    more += [f", zone {each['zone']}"] if "zone" in each else []
    for field, targets in each.get("hints", {}).items():
        more.append(f", {field} {' '.join(target['name'] for target in targets)}")
    return f"{where}: {states}{''.join(more)}"


def shown_endpoints(o: Object) -> list[str]:
    lines = [f"  labels {' '.join(f'{key}={value}' for key, value in meta.labels(o).items())}"]
    for subset in o["subsets"]:
        ports = " ".join(f"{port.get('name', '')}:{port['port']}" for port in subset["ports"])
        for part in ("addresses", "notReadyAddresses"):
            lines += [f"  {ports} {part} {each['ip']}" for each in subset.get(part, [])]
    return lines


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
