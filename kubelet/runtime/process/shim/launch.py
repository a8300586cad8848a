"""Shell: between fork and exec: makes the child what its container says, then is the container's command.

    cgroup -> namespaces, files -> working folder -> network -> capabilities, user -> exec

Each step is done with the rights that the next one takes away. What fails is told to the shim in the words of
container runtimes; the child ends then.
After: runc libcontainer/{standard_init,setns_init}_linux.go.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import termios
from collections.abc import Callable, Mapping, Sequence

from kubelet.runtime.process.shim import capabilities, kernel, network
from kubelet.runtime.process.shim.cgroup import Cgroup

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CANNOT_START = 127
# What the child sends along with a descriptor.
HANDING_OVER = b"\0"


class CannotStart(Exception):
    """The text is for users."""


class Launch:
    """What a process is to be. window: columns and rows of its terminal, if it has one.

    enter: makes the namespaces and files, or joins those of a container.
    """

    __slots__ = (
        "argv",
        "can_be_anybody",
        "cgroup",
        "enter",
        "environment",
        "is_redirected",
        "oom_score_adj",
        "security",
        "window",
        "working_dir",
    )

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        working_dir: str,
        security: Mapping[str, object],
        *,
        window: Sequence[int] | None,
        is_redirected: bool,
        can_be_anybody: bool,
        cgroup: Cgroup | None,
        oom_score_adj: int,
        enter: Callable[[], None],
    ) -> None:
        self.argv, self.environment, self.working_dir = argv, environment, working_dir
        self.security, self.window, self.is_redirected = security, window, is_redirected
        self.can_be_anybody = can_be_anybody
        self.cgroup, self.oom_score_adj, self.enter = cgroup, oom_score_adj, enter


class Spawned:
    """A started process: its terminal, if it has one, and where to answer for its network."""

    __slots__ = ("listener", "pid", "terminal")

    def __init__(self, pid: int, terminal: int | None, listener: int | None) -> None:
        self.pid, self.terminal, self.listener = pid, terminal, listener


def spawn(launch: Launch, stdio: Sequence[int]) -> Spawned:
    """Start it, with these as 0, 1 and 2 unless it has a terminal. CannotStart, and nothing is left of it."""
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if pid == 0:
            _become(launch, stdio, theirs)
        theirs.close()
        text, descriptors = _outcome(ours)
    if text:
        os.waitpid(pid, 0)
        for each in descriptors:
            os.close(each)
        raise CannotStart(text)
    return Spawned(
        pid,
        descriptors.pop(0) if launch.window else None,
        descriptors.pop(0) if launch.is_redirected else None,
    )


def _outcome(ours: socket.socket) -> tuple[str, list[int]]:
    """What the child says, and hands over, until it has become the command, which says nothing."""
    text, descriptors = b"", []
    while True:
        data, more, _, _ = socket.recv_fds(ours, 4096, 2)
        descriptors += more
        if not data:
            return text.replace(HANDING_OVER, b"").decode(), descriptors
        text += data


def _become(launch: Launch, stdio: Sequence[int], theirs: socket.socket) -> None:
    """Never returns."""
    try:
        _prepare(launch, stdio, theirs)
        _execute(launch)
    except (CannotStart, capabilities.UnknownCapability) as error:
        _tell(theirs, str(error))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _tell(theirs, f"{what}{(error.strerror or str(error)).lower()}")
    finally:
        os._exit(CANNOT_START)


def _tell(theirs: socket.socket, text: str) -> None:
    theirs.sendall(text.encode())


def _prepare(launch: Launch, stdio: Sequence[int], theirs: socket.socket) -> None:
    signal.set_wakeup_fd(-1)
    for number in (
        signal.SIGCHLD,
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGPIPE,
        signal.SIGXFSZ,
        signal.SIGHUP,
    ):
        signal.signal(number, signal.SIG_DFL)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    if not launch.window:
        _take_streams(stdio)
    if launch.cgroup:
        launch.cgroup.join()
    # Only root may lower it.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(str(launch.oom_score_adj))
    launch.enter()
    if launch.window:
        _take_terminal(launch.window, theirs)
    _change_folder(launch.working_dir)
    # A filter may be set by an administrator, or by who gives up to become one.
    if launch.security["no_new_privileges"] or (launch.is_redirected and not kernel.is_admin()):
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if launch.is_redirected:
        socket.send_fds(theirs, [HANDING_OVER], [network.install()])
    _take_user(launch.security, can_be_anybody=launch.can_be_anybody)
    # A change of user takes it away.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_terminal(window: Sequence[int], theirs: socket.socket) -> None:
    """One of the container's own, so that it knows the name; its other side goes to the shim."""
    terminal, screen = os.openpty()
    fcntl.ioctl(screen, termios.TIOCSCTTY, 0)
    columns, rows = window
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    socket.send_fds(theirs, [HANDING_OVER], [terminal])
    _take_streams([screen] * 3)


def _take_streams(stdio: Sequence[int]) -> None:
    # Copies first: what stands at 0 to 2 may be wanted at another place of these.
    copies = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def _change_folder(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        why = (error.strerror or "").lower()
        raise CannotStart(f'chdir to cwd ("{path}") set in config.json failed: {why}') from error


def _take_user(security: Mapping[str, object], *, can_be_anybody: bool) -> None:
    dropped = _dropped_capabilities(security)
    user, group = security["run_as_user"], security["run_as_group"]
    others = security["supplemental_groups"]
    assert isinstance(others, list)
    if not security["privileged"]:
        _drop_capabilities(dropped)
    if not can_be_anybody:
        if user not in (None, os.geteuid()):
            raise CannotStart(
                f"setresuid: cannot run as user {user}: "
                f"the node's kubelet has not the rights of root, but those of user {os.geteuid()}"
            )
        return
    uid = user if isinstance(user, int) else 0
    gid = group if isinstance(group, int) else 0
    os.setgroups([gid, *others])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _dropped_capabilities(security: Mapping[str, object]) -> list[int]:
    added, removed = security["add_capabilities"], security["drop_capabilities"]
    assert isinstance(added, list)
    assert isinstance(removed, list)
    return capabilities.dropped(added, removed)


def _drop_capabilities(numbers: Sequence[int]) -> None:
    """From the bounding set: at exec, root gets what is in it, and others get nothing."""
    for number in numbers:
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, number)
        except OSError as error:
            # A kernel that does not know the newest; a user who has none to lose.
            if error.errno not in (errno.EINVAL, errno.EPERM):
                raise


def _execute(launch: Launch) -> None:
    name, environment, is_forbidden = launch.argv[0], dict(launch.environment), False
    for path in _candidates(name, environment.get("PATH", DEFAULT_PATH)):
        try:
            os.execve(path, list(launch.argv), environment)
        except FileNotFoundError:
            continue
        except PermissionError:
            is_forbidden = True
        except OSError as error:
            raise CannotStart(f"exec {path}: {(error.strerror or '').lower()}") from error
    if "/" not in name:
        why = "executable file not found in $PATH"
    else:
        why = "permission denied" if is_forbidden else f"stat {name}: no such file or directory"
    raise CannotStart(f'exec: "{name}": {why}')


def _candidates(name: str, path: str) -> list[str]:
    return [name] if "/" in name else [f"{folder}/{name}" for folder in path.split(":") if folder]
