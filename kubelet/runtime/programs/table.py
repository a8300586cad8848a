"""Core: which programs a fake container has, and what a runtime says of those it has not.

After: runc, whose words containerd and the kubelet pass on.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelet.runtime.programs import archive, changes, names, system, text, web
from kubelet.runtime.programs.process import Process, Program, Running
from kubelet.runtime.programs.shell import sh

PROGRAMS: dict[str, Program] = {
    "[": system.test,
    "ash": sh,
    "bash": sh,
    "cat": text.cat,
    "cp": changes.cp,
    "curl": web.curl,
    "date": system.date,
    "echo": text.echo,
    "env": system.env,
    "false": system.false,
    "grep": text.grep,
    "head": text.head,
    "hostname": system.hostname,
    "id": system.identity,
    "kill": system.kill,
    "ls": system.ls,
    "mkdir": changes.mkdir,
    "mv": changes.mv,
    "nslookup": names.nslookup,
    "printenv": system.printenv,
    "printf": text.printf,
    "ps": system.ps,
    "pwd": system.pwd,
    "rm": changes.rm,
    "rmdir": changes.rmdir,
    "seq": text.seq,
    "sh": sh,
    "sleep": system.sleep,
    "stty": system.stty,
    "tail": text.tail,
    "tar": archive.tar,
    "tee": changes.tee,
    "test": system.test,
    "touch": changes.touch,
    "true": system.true,
    "wc": text.wc,
    "wget": web.wget,
    "whoami": system.who,
}


class CannotStart(Exception):
    """There is no such program; the text is the runtime's."""


def start(process: Process, command: Sequence[str]) -> Running:
    """The program that a command names, ready to run; CannotStart where there is none."""
    assert command, "a command has at least one word"
    name = command[0]
    program = process.find(name)
    if program is not None:
        return program(process, command[1:])
    if "/" not in name:
        why = "executable file not found in $PATH"
    elif process.surroundings.files.exists(process.path(name)):
        why = "permission denied"
    else:
        why = f"stat {name}: no such file or directory"
    reason = f'exec: "{name}": {why}: unknown'
    raise CannotStart(f"OCI runtime exec failed: exec failed: unable to start container process: {reason}")
