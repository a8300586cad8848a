"""Shell: writes the Python stubs of proto/*.proto.

The proto folder is mounted as `etcdlite/pb`, so that the stubs import one another by their real paths
and need no editing afterwards. Run as `python -P proto/generate.py [target]`; a test generates again and
compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generate(target: Path) -> None:
    """Write every stub below `target`, in the folder etcdlite/pb."""
    from grpc_tools import protoc

    sources = sorted(f"etcdlite/pb/{path.name}" for path in (ROOT / "proto").glob("*.proto"))
    arguments = [f"-Ietcdlite/pb={ROOT / 'proto'}", f"--python_out={target}", f"--grpc_python_out={target}"]
    if protoc.main(["protoc", *arguments, *sources]) != 0:
        sys.exit("protoc failed")
    for stub in (target / "etcdlite/pb").glob("*_pb2_grpc.py"):
        if "class " not in stub.read_text():
            stub.unlink()  # no service in this file


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
