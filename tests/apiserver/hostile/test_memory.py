"""What is remembered to be quick has a size: long texts are not kept by those who check them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.authentication.tokens import Issuing, KeyPair, Tokens
from apiserver.registry import formats, names, resource_amounts
from kube.api import quantity
from kube.api.errors import StatusError
from kube.api.negotiation import negotiate, negotiate_stream
from kube.base.clock import SystemClock

CHECKS: dict[str, Callable[[str], object]] = {
    "a label": lambda text: names.check_labels({"a": text}, "metadata.labels"),
    "a label's key": lambda text: names.check_labels({text: "a"}, "metadata.labels"),
    "a name": lambda text: formats.dns_label(text, "metadata.name"),
    "a resource": lambda text: resource_amounts.amount(text, "1", "spec.hard"),
    "a quantity": quantity.parse,
    "a number": lambda text: quantity.canonical("1" + text),
    "wishes": negotiate,
    "wishes for a stream": negotiate_stream,
}


@pytest.mark.parametrize("name", CHECKS)
def test_long_texts_are_not_kept(name: str) -> None:
    text = "x" * 100_000
    before = sys.getrefcount(text)
    with suppress(StatusError, ValueError):
        CHECKS[name](text)
    assert sys.getrefcount(text) == before


def test_long_tokens_are_not_kept() -> None:
    """A tenant may ask for one with as many audiences as fit into a header."""
    key = ec.generate_private_key(ec.SECP256R1())
    account = {"metadata": {"name": "a", "namespace": "b", "uid": "c"}}
    tokens = Tokens(Issuing(KeyPair.of(key), "us"), SystemClock(), lambda *_: account)
    for audiences, kept in ((["us"], 1), (["us", "x" * 100_000], 0)):
        token, _ = tokens.sign(account, audiences, 600, "1")
        before = sys.getrefcount(token)
        assert tokens.authenticate(token) is not None
        assert sys.getrefcount(token) == before + kept
