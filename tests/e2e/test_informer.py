"""An informer of the shape of client-go's, straight on the wire: cut off, it goes on where it was."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

MAPS = "/api/v1/namespaces/default/configmaps"
WRITES = 150
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Reflector:
    """Lists, then watches from what it knows; each error of the connection makes it watch again."""

    def __init__(self, client: httpx.Client, server: str) -> None:
        self.client, self.server = client, server
        self.version = ""
        self.objects: dict[str, Any] = {}
        self.seen: list[tuple[str, str, int]] = []
        self.connections = self.relists = 0

    def list(self) -> None:
        """All objects, page by page; what is known from now on."""
        found, token = {}, ""
        while True:
            query = {"limit": 7} | ({"continue": token} if token else {})
            page = self.client.get(self.server + MAPS, params=query).raise_for_status().json()
            found |= {item["metadata"]["name"]: item for item in page["items"]}
            token = page["metadata"].get("continue", "")
            if not token:
                break
        self.objects, self.version = found, page["metadata"]["resourceVersion"]
        self.relists += 1

    def run_until(self, name: str) -> None:
        """Watch until an object of that name comes."""
        while name not in self.objects:
            try:
                self._watch(name)
            except httpx.HTTPError:
                until("the server answers again", self.is_ready)

    def is_ready(self) -> bool:
        try:
            return self.client.get(self.server + "/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def _watch(self, name: str) -> None:
        query = {"watch": "true", "resourceVersion": self.version, "allowWatchBookmarks": "true"}
        self.connections += 1
        with self.client.stream("GET", self.server + MAPS, params=query) as answer:
            if answer.status_code == 410:
                return self.list()
            assert answer.status_code == 200
            for event in events(answer):
                if event["type"] == "ERROR":
                    assert event["object"]["code"] == 410, event
                    return self.list()
                self._take(event)
                if name in self.objects:
                    return None
        return None

    def _take(self, event: Any) -> None:
        o, kind = event["object"], event["type"]
        self.version = o["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        name = o["metadata"]["name"]
        assert (kind == "ADDED") == (name not in self.objects), f"{kind} {name} at {self.version}"
        if kind == "DELETED":
            del self.objects[name]
        else:
            # As in a list, where kind and version are said once for all.
            self.objects[name] = {key: o[key] for key in o if key not in ("kind", "apiVersion")}
        self.seen.append((kind, name, int(self.version)))


def events(answer: httpx.Response) -> Iterator[Any]:
    return (json.loads(line) for line in answer.iter_lines())


@contextmanager
def client_of(cluster: Cluster) -> Iterator[httpx.Client]:
    pki = cluster.layout.pki
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    with httpx.Client(verify=context, timeout=60) as client:
        yield client


def server_of(cluster: Cluster, index: int) -> str:
    return f"https://127.0.0.1:{cluster.layout.apiserver_port(index)}"


def write(cluster: Cluster, written: list[tuple[str, str, int]]) -> None:
    """Make, change and delete objects one after another; keep what was acknowledged."""
    with client_of(cluster) as client:
        base = server_of(cluster, 1) + MAPS
        for number in range(WRITES):
            name = f"map-{number // 3}"
            match number % 3:
                case 0:
                    answer = client.post(base, json={"metadata": {"name": name}})
                    kind = "ADDED"
                case 1:
                    answer = client.put(
                        f"{base}/{name}", json={"metadata": {"name": name}, "data": {"a": "b"}}
                    )
                    kind = "MODIFIED"
                case _ if number % 2:
                    continue
                case _:
                    answer = client.delete(f"{base}/{name}", params={"propagationPolicy": "Background"})
                    kind = "DELETED"
            o = answer.raise_for_status().json()
            written.append((kind, name, int(o["metadata"].get("resourceVersion", 0))))
        client.post(base, json={"metadata": {"name": "last"}}).raise_for_status()


def test_cut_off_twice_it_sees_each_change_once_and_in_order(own_cluster: Cluster) -> None:
    cluster = own_cluster
    written: list[tuple[str, str, int]] = []
    with client_of(cluster) as client:
        reflector = Reflector(client, server_of(cluster, 0))
        reflector.list()
        writer = threading.Thread(target=write, args=(cluster, written))
        writer.start()
        for name in ("map-8", "map-24"):
            reflector.run_until(name)
            cluster.kill("apiserver-0")
        reflector.run_until("last")
        writer.join()
        ours = [each for each in reflector.seen if each[1].startswith("map-")]
        assert [each[:2] for each in ours] == [each[:2] for each in written]
        versions = [version for _, _, version in reflector.seen]
        assert versions == sorted(set(versions)), "each revision once, and growing"
        assert all(
            mine == theirs or theirs == 0 for (*_, mine), (*_, theirs) in zip(ours, written, strict=True)
        )
        assert (reflector.connections, reflector.relists) >= (3, 1)
        kept = dict(reflector.objects)
        reflector.list()
        assert reflector.objects == kept
        what_is_compacted_is_listed_again(cluster, reflector)


def what_is_compacted_is_listed_again(cluster: Cluster, reflector: Reflector) -> None:
    """A server that has started anew knows nothing from before the compaction: 410."""
    client, server = reflector.client, reflector.server
    reflector.relists = 0
    reflector.seen.clear()
    for name in ("a", "b"):
        client.post(server + MAPS, json={"metadata": {"name": name}}).raise_for_status()
    revision = json.loads(cluster.etcdctl("get", "none", "-w", "json"))["header"]["revision"]
    cluster.etcdctl("compact", str(revision))
    cluster.kill("apiserver-0")
    until("the server answers again", reflector.is_ready)
    reflector.run_until("b")
    assert (reflector.relists, reflector.seen) == (1, [])
    assert {"a", "b"} <= set(reflector.objects)


def test_a_watch_can_begin_with_the_list(cluster: Cluster, namespace: str) -> None:
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    with client_of(cluster) as client:
        server = server_of(cluster, 0)
        until("the controllers' own", lambda: client.get(server + maps).json()["items"])
        for name in ("a", "b"):
            client.post(server + maps, json={"metadata": {"name": name}}).raise_for_status()
        query = {
            "watch": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "allowWatchBookmarks": "true",
        }
        with client.stream("GET", server + maps, params=query) as answer:
            stream, initial = events(answer), []
            while (event := next(stream))["type"] == "ADDED":
                initial.append(event["object"]["metadata"]["name"])
            assert sorted(initial) == ["a", "b", "kube-root-ca.crt"]
            assert event["type"] == "BOOKMARK"
            assert event["object"]["metadata"]["annotations"][INITIAL_EVENTS_END] == "true"
            listed = client.get(server + maps).json()["metadata"]["resourceVersion"]
            assert int(event["object"]["metadata"]["resourceVersion"]) <= int(listed)
            client.delete(f"{server}{maps}/a").raise_for_status()
            gone = next(stream)
            assert (gone["type"], gone["object"]["metadata"]["name"]) == ("DELETED", "a")
        del query["resourceVersionMatch"]
        refused = client.get(server + maps, params=query)
        assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
