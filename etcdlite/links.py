"""Core: which other members are out of reach because somebody said so.

A cut link is silent, as a pulled cable is: messages vanish, connections stand, and nobody is told. Both ends
must cut for both directions to be silent whatever happens to one of them.
"""

from __future__ import annotations

from collections.abc import Iterable


class Links:
    """The links of one member; all pass at first."""

    def __init__(self) -> None:
        self.all_cut: set[int] = set()

    def cut(self, members: Iterable[int]) -> None:
        """Let nothing through to or from these members."""
        self.all_cut.update(members)

    def heal(self, members: Iterable[int]) -> None:
        """Let everything through again; to and from all, if none is named."""
        named = set(members)
        self.all_cut -= named or set(self.all_cut)

    def passes(self, member_id: int) -> bool:
        return member_id not in self.all_cut
