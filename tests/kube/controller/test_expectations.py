from datetime import UTC, datetime, timedelta

from kube.controller.expectations import TIMEOUT, Expectations

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_what_was_created_must_be_seen() -> None:
    expectations = Expectations()
    assert expectations.satisfied("a", NOW)
    expectations.expect("a", 2, [], NOW)
    expectations.created("a")
    assert not expectations.satisfied("a", NOW)
    expectations.created("a")
    assert expectations.satisfied("a", NOW)
    assert expectations.satisfied("b", NOW)


def test_what_was_deleted_must_be_seen_each_by_its_uid() -> None:
    expectations = Expectations()
    expectations.expect("a", 0, ["x", "y"], NOW)
    expectations.deleted("a", "x")
    expectations.deleted("a", "x")
    assert not expectations.satisfied("a", NOW)
    expectations.deleted("a", "y")
    assert expectations.satisfied("a", NOW)


def test_a_plan_that_does_nothing_keeps_what_is_awaited() -> None:
    expectations = Expectations()
    expectations.expect("a", 1, [], NOW)
    expectations.expect("a", 0, [], NOW)
    assert not expectations.satisfied("a", NOW)


def test_nothing_is_awaited_for_ever() -> None:
    expectations = Expectations()
    expectations.expect("a", 1, [], NOW)
    assert not expectations.satisfied("a", NOW + TIMEOUT)
    assert expectations.satisfied("a", NOW + TIMEOUT + timedelta(seconds=1))


def test_what_is_gone_is_forgotten() -> None:
    expectations = Expectations()
    expectations.expect("a", 1, [], NOW)
    expectations.failed("a", "quota")
    assert expectations.failure("a") == "quota"
    expectations.forget("a")
    assert expectations.satisfied("a", NOW)
    assert expectations.failure("a") is None
