import logging

from kube.base.logs import LogfmtFormatter


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("kube.x", logging.INFO, "file", 1, message, None, None)
    made.created = 0.5
    made.fields = fields
    return made


def test_a_line_is_logfmt() -> None:
    line = LogfmtFormatter("scheduler").format(record("pod bound", pod="a/b", why='says "no"\n', empty=""))
    assert line == (
        "time=1970-01-01T00:00:00.500Z level=info component=scheduler logger=kube.x "
        'msg="pod bound" pod=a/b why="says \\"no\\"\\n" empty=""'
    )
