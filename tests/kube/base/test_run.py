import asyncio
import os
import signal

import pytest

from kube.base.run import StartupError, run


def test_a_signal_cancels_and_the_code_closes_what_it_opened() -> None:
    happened: list[str] = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            happened.append("closed")

    run(main)
    assert happened == ["closed"]


def test_a_startup_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        raise StartupError("cannot listen on 127.0.0.1:1: permission denied")

    with pytest.raises(SystemExit) as exit_code:
        run(main)
    assert exit_code.value.code == 1
    assert capsys.readouterr().err == "error: cannot listen on 127.0.0.1:1: permission denied\n"
