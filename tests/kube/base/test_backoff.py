import random

from kube.base.backoff import Backoff


def test_grows_to_its_maximum_and_starts_over() -> None:
    backoff = Backoff(1, 10)
    assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next() == 1


def test_jitter_only_adds() -> None:
    backoff = Backoff(10, 10, jitter=0.2, random=random.Random(1))
    delays = [backoff.next() for _ in range(100)]
    assert all(10 <= delay < 12 for delay in delays)
    assert len(set(delays)) > 50
