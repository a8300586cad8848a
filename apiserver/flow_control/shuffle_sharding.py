"""Core: deals each flow a small hand of queues, always the same one.

A flow that floods fills the queues of its hand alone. Another flow has very likely a queue in its own hand
that is not among them: with 128 queues and hands of 6, one flow that floods takes all six of another's with
a chance of 1 in 5 thousand million.

After: k8s staging/src/k8s.io/apiserver/pkg/util/shufflesharding/dealer.go
"""

from __future__ import annotations

import hashlib


def hash_of(schema: str, flow: str) -> int:
    """64 bits out of a flow's identity; the same on every server."""
    digest = hashlib.sha256(f"{schema}\0{flow}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def deal(hash_value: int, deck_size: int, hand_size: int) -> tuple[int, ...]:
    """`hand_size` different cards out of 0 to `deck_size` - 1, as the hash says.

    Each digit of the hash, in a mixed base, says which of the cards still in the deck comes next.
    """
    assert 0 < hand_size <= deck_size, "validation has checked it"
    hand: list[int] = []
    for dealt in range(hand_size):
        hash_value, card = divmod(hash_value, deck_size - dealt)
        for taken in sorted(hand):
            card += card >= taken
        hand.append(card)
    return tuple(hand)
