"""The cache's promises: assumed pods count, and everything is counted once."""

from __future__ import annotations

from typing import Any

from scheduler.cache import Cache
from scheduler.framework.pod_info import PodInfo
from tests.scheduler.world import make_node, make_pod


def placed(name: str, node: str, **requests: str) -> PodInfo:
    return PodInfo.of(make_pod(name, {"spec": {"nodeName": node}}, **requests))


def requested(cache: Cache, node: str) -> dict[str, Any] | None:
    info = cache.node(node)
    return info.requested if info else None


def test_an_assumed_pod_counts_until_it_is_forgotten() -> None:
    cache = Cache()
    cache.set_node(make_node("n"))
    cache.assume(placed("p", "n", cpu="1"))
    assert requested(cache, "n") == {"cpu": 1000}
    cache.forget("uid-p")
    assert requested(cache, "n") == {"cpu": 0}


def test_a_confirmed_pod_is_counted_once_and_not_forgotten() -> None:
    cache = Cache()
    cache.set_node(make_node("n"))
    cache.assume(placed("p", "n", cpu="1"))
    cache.set_pod(placed("p", "n", cpu="1"))
    cache.forget("uid-p")
    assert requested(cache, "n") == {"cpu": 1000}


def test_a_pod_seen_elsewhere_moves() -> None:
    cache = Cache()
    cache.set_node(make_node("n"))
    cache.set_node(make_node("m"))
    cache.assume(placed("p", "n", cpu="1"))
    cache.set_pod(placed("p", "m", cpu="1"))
    assert requested(cache, "n") == {"cpu": 0}
    assert requested(cache, "m") == {"cpu": 1000}


def test_pods_may_come_before_their_node_and_stay_after_it() -> None:
    cache = Cache()
    cache.set_pod(placed("p", "n", cpu="1"))
    assert cache.cluster_snapshot() == ()
    cache.set_node(make_node("n"))
    assert [info.name for info in cache.cluster_snapshot()] == ["n"]
    assert requested(cache, "n") == {"cpu": 1000}
    cache.remove_node("n")
    assert cache.cluster_snapshot() == ()
    assert cache.remove_pod("uid-p")
    assert not cache.remove_pod("uid-p")
    cache.set_node(make_node("n"))
    assert requested(cache, "n") == {}
