"""Core: the file of --token-auth-file: tokens that are what they are until the server is started again.

    token,user,uid
    token,user,uid,"group1,group2"

After: k8s staging/src/k8s.io/apiserver/pkg/authentication/token/tokenfile/tokenfile.go
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable

from apiserver.authentication.user import User, known

FIELDS_MIN = 3


class StaticTokens:
    """Looked up by their digest: how long that takes tells nothing of a token."""

    def __init__(self, tokens: dict[str, User] | None = None) -> None:
        self._users = {_digest(token): user for token, user in (tokens or {}).items()}

    def authenticate(self, token: str) -> User | None:
        """Whose a token is."""
        return self._users.get(_digest(token)) if self._users else None


def parse(lines: Iterable[str]) -> StaticTokens:
    """The tokens of a file's lines; ValueError says which line is none."""
    users: dict[str, User] = {}
    reader = csv.reader(lines)
    for row in reader:
        if not row:
            continue
        line = f"line {reader.line_num}"
        fields = [field.strip() for field in row]
        if len(fields) < FIELDS_MIN:
            raise ValueError(f'{line}: token,user,uid are needed, and "group1,group2" may follow')
        token, name, uid = fields[:FIELDS_MIN]
        if not token or not name:
            raise ValueError(f"{line}: the {'user' if token else 'token'} is empty")
        if token in users:
            raise ValueError(f"{line}: a token that stands further up, too")
        groups = fields[FIELDS_MIN].split(",") if len(fields) > FIELDS_MIN else []
        users[token] = known(name, tuple(each.strip() for each in groups if each.strip()), uid)
    return StaticTokens(users)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
