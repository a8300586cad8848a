"""names.txt: Services and EndpointSlices in, the records of names out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy.dns.zone import Record, Zone, labels_of
from tests import datadriven


class Names:
    """One zone, over all cases of the file."""

    def __init__(self) -> None:
        self.zone = Zone("cluster.local", "127.96.0.10")

    def handle(self, case: datadriven.Case) -> str:
        """`objects`, `deleted`: documents; `ask`: lines of `name type`."""
        if case.command == "ask":
            return "\n".join(f"{line}: {self.ask(*line.split())}" for line in case.input.splitlines())
        version, word = self.zone.version, "put" if case.command == "objects" else "drop"
        kinds = {"Namespace": "namespace", "Service": "service", "EndpointSlice": "slice"}
        for each in yaml.safe_load_all(case.input):
            getattr(self.zone, f"{word}_{kinds[each['kind']]}")(each)
        return "version unchanged" if self.zone.version == version else "version changed"

    def ask(self, name: str, kind: str) -> str:
        answer = self.zone.lookup(labels_of(name), kind)
        if not answer.records:
            return "nothing of this type" if answer.exists else "no such name"
        shown = ", ".join(map(show, answer.records))
        shown += " + " + ", ".join(map(show, answer.more)) if answer.more else ""
        return shown + (f", the rest at {'.'.join(answer.alias)}" if answer.alias else "")


def show(record: Record) -> str:
    data = record.data
    if isinstance(data, str):
        return f"{record.type} {data}"
    parts = [".".join(each) if isinstance(each, tuple) else str(each) for each in data]
    return f"{record.type} {(' ' if record.type == 'SRV' else '.').join(parts)}"


def test_names_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).parent / "names.txt", request, Names().handle)


def test_each_of_many_endpoints_has_some_weight() -> None:
    zone, labels = Zone("cluster.local"), {"kubernetes.io/service-name": "many"}
    metadata = {"namespace": "default", "name": "many", "labels": labels}
    zone.put_service({"metadata": metadata, "spec": {"clusterIP": "None"}})
    endpoints = [{"addresses": [f"127.224.0.{number}"]} for number in range(1, 151)]
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    zone.put_slice({"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": endpoints})
    records = zone.lookup(labels_of("_http._tcp.many.default.svc.cluster.local"), "SRV").records
    assert len(records) == 150
    assert {each.data[1] for each in records} == {1}
