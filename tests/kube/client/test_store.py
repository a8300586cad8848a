from typing import Any

from kube.client.store import Store


def pod(name: str, node: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": node}}


def by_node(o: dict[str, Any]) -> list[str]:
    return [o["spec"]["nodeName"]] if o["spec"]["nodeName"] else []


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [each["metadata"]["name"] for each in objects]


def test_an_index_follows_every_change() -> None:
    store = Store()
    store.put(pod("a", "n1"))
    store.add_index("node", by_node)
    store.put(pod("b", "n1"))
    store.put(pod("c"))
    assert names(store.by_index("node", "n1")) == ["a", "b"]
    store.put(pod("a", "n2"))
    store.put(pod("c", "n1"))
    assert names(store.by_index("node", "n1")) == ["b", "c"]
    assert names(store.by_index("node", "n2")) == ["a"]
    assert store.pop("default/a") == pod("a", "n2")
    assert store.by_index("node", "n2") == []
    assert store.pop("default/a") is None
    assert len(store) == 2
