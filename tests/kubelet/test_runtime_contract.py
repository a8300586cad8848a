"""The runtimes that need nothing but this machine keep the contract of all runtimes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kube.base.clock import SystemClock
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records as FakeRecords
from kubelet.runtime.stages import Stages
from tests.kubelet.process_bench import process_bench
from tests.kubelet.runtime_contract import Bench, RuntimeContract

QUICK = {"start_seconds": 0, "stop_seconds": 0}
STAGES = Stages.parse(
    [
        {
            "name": "fails",
            "images": ["fails"],
            **QUICK,
            "exit_after_seconds": 0.05,
            "exit_code": 3,
            "log": ["hello"],
        },
        {"name": "stubborn", "images": ["stubborn"], "start_seconds": 0, "stop_seconds": 600},
        {"name": "runs", "images": ["*"], **QUICK, "log": ["ready"]},
    ]
)
NETWORK = IPv4Network("127.239.96.0/24")


class TestFake(RuntimeContract):
    """Containers as data."""

    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        ids = itertools.count(1)

        def make() -> FakeRuntime:
            records = FakeRecords(tmp_path)
            records.open()
            return FakeRuntime(
                STAGES, records, NETWORK, "127.31.0.8", SystemClock(), lambda: f"id-{next(ids)}"
            )

        bench = Bench(make, {kind: {"image": kind} for kind in ("runs", "fails", "stubborn")})
        await bench.start()
        yield bench
        await bench.close()


class TestProcess(RuntimeContract):
    """Containers as processes."""

    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[Bench]:
        async with process_bench(tmp_path) as bench:
            yield bench
