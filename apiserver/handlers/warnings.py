"""Core: says beside an answer what a client should know, though it was done.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response


def warn(response: Response, warnings: Sequence[str]) -> Response:
    """An answer with warnings, each once; one that spans lines fits in no header and is left out."""
    for text in dict.fromkeys(warnings):
        if text.isprintable():
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.append("Warning", f'299 - "{quoted}"')
    return response
