"""Core: says beside an answer what a client should know, though it was done.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

# As Kubernetes: from so many characters on, each warning is cut to fewer, and the rest left out.
CHARS_MAX = 4096
ITEM_CHARS_MAX = 256


def warn(response: Response, warnings: Sequence[str]) -> Response:
    """An answer with warnings, each once; one that spans lines fits in no header and is left out."""
    texts = [text for text in dict.fromkeys(warnings) if text.isprintable()]
    is_cut = sum(map(len, texts)) > CHARS_MAX
    written = 0
    for text in texts:
        if written >= CHARS_MAX:
            break
        shown = text[:ITEM_CHARS_MAX] if is_cut else text
        written += len(shown)
        quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
        response.raw_headers.append((b"warning", f'299 - "{quoted}"'.encode()))
    return response
