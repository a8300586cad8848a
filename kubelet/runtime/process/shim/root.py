"""Shell: a container's own view of the machine's files: all, but what is written stays in the container.

    tmpfs  <- / of the container
      usr, etc, home ...  overlays: below the machine's folders, above them what the container writes
      dev, proc, tmp, run its own;  sys the machine's
      volumes             bound over all that, at mount points made in the overlays

So no mount point and no write ever reaches the machine's own folders. What is written lies in memory, and is
counted as the container's. File systems mounted deeper than in a folder of `/` are not seen.
"""

from __future__ import annotations

import contextlib
import os

from kubelet.runtime.process.shim import kernel

OWN = frozenset(("dev", "proc", "sys", "tmp", "run", "lost+found"))
# As a file system tells them, and as mounting wants them.
KEPT_FLAGS = {
    os.ST_NOSUID: kernel.MS_NOSUID,
    os.ST_NODEV: kernel.MS_NODEV,
    os.ST_NOEXEC: kernel.MS_NOEXEC,
    os.ST_NOATIME: kernel.MS_NOATIME,
    os.ST_NODIRATIME: kernel.MS_NODIRATIME,
    os.ST_RELATIME: kernel.MS_RELATIME,
}
# How deep a folder is looked into that cannot be overlaid as a whole.
DEPTH_MAX = 3
# Of /proc; after runc's read-only paths.
SETTINGS = ("bus", "fs", "irq", "sys", "sysrq-trigger")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


class Mount:
    """A file or folder of the machine at a path in the container."""

    __slots__ = ("container_path", "host_path", "read_only")

    def __init__(self, container_path: str, host_path: str, *, read_only: bool) -> None:
        self.container_path, self.host_path, self.read_only = container_path, host_path, read_only


def enter(
    place: str,
    mounts: list[Mount],
    working_dir: str,
    *,
    read_only: bool,
    own_processes: bool,
    all_devices: bool,
) -> None:
    """Make this process's root such a view, in a mount namespace that is its own already.

    place: a folder, of the pod's. own_processes: /proc is of a process namespace that this process is in.
    """
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NODEV, "mode=755")
    root, written = f"{place}/root", f"{place}/written"
    os.mkdir(root)
    os.mkdir(written)
    # A mount point of its own, for pivot_root.
    kernel.mount(root, root, None, kernel.MS_BIND)
    for name in sorted(set(os.listdir("/")) - OWN):
        _show(f"/{name}", root, written, depth=1)
    _own_folders(root, own_processes=own_processes, all_devices=all_devices)
    mounts = sorted(mounts, key=lambda each: each.container_path.count("/"))
    for mount in mounts:
        _mount_point(mount, root)
    # As runtimes do; where that is not possible, going there says why.
    with contextlib.suppress(OSError):
        os.makedirs(_inside(root, working_dir), exist_ok=True)
    if read_only:
        _seal(root)
    for mount in mounts:
        _bind(mount, root)
    kernel.pivot_root(root)


def _show(source: str, root: str, written: str, depth: int) -> None:
    """A file or folder of the machine, to be written over."""
    target = root + source
    # One that this user may not see is not shown.
    with contextlib.suppress(OSError):
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source):
            os.mkdir(target)
            os.chmod(target, os.stat(source).st_mode & 0o7777)
            if not _overlay(source, target, written):
                _show_below(source, root, written, depth)
        elif os.path.isfile(source):
            _touch(target)
            kernel.mount(source, target, None, kernel.MS_BIND)
            _remount_read_only(target)


def _overlay(source: str, target: str, written: str) -> bool:
    """False where the file system cannot, or where a user namespace may not: another one is mounted below."""
    upper, work = written + source, f"{written}{source}.work"
    os.makedirs(upper)
    os.makedirs(work)
    os.chmod(upper, os.stat(source).st_mode & 0o7777)
    layers = f"lowerdir={source},upperdir={upper},workdir={work}"
    try:
        # No device that a container makes is one.
        kernel.mount("overlay", target, "overlay", kernel.MS_NODEV, layers)
    except OSError:
        return False
    return True


def _show_below(source: str, root: str, written: str, depth: int) -> None:
    """A folder of our own with the same contents; very deep down, the machine's, read only."""
    if depth < DEPTH_MAX:
        for name in os.listdir(source):
            _show(f"{source}/{name}", root, written, depth + 1)
    else:
        kernel.mount(source, root + source, None, kernel.MS_BIND | kernel.MS_REC)
        _remount_read_only(root + source)


def _own_folders(root: str, *, own_processes: bool, all_devices: bool) -> None:
    for name in ("dev", "proc", "sys", "tmp", "run"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    if own_processes:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("proc", f"{root}/proc", "proc", flags)
    else:
        kernel.mount("/proc", f"{root}/proc", None, kernel.MS_BIND | kernel.MS_REC)
    kernel.mount("/sys", f"{root}/sys", None, kernel.MS_BIND | kernel.MS_REC)
    if not all_devices:
        _protect_kernel(root)
    kernel.mount("tmpfs", f"{root}/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    kernel.mount("tmpfs", f"{root}/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    if all_devices:
        kernel.mount("/dev", f"{root}/dev", None, kernel.MS_BIND | kernel.MS_REC)
    else:
        _devices(f"{root}/dev")


def _protect_kernel(root: str) -> None:
    """Its settings are the machine's, and root in a container is root."""
    for target in _mounted(f"{root}/sys"):
        # Where a user namespace does not let us, the user himself may not write either.
        with contextlib.suppress(OSError):
            _remount_read_only(target)
    for name in SETTINGS:
        target = f"{root}/proc/{name}"
        with contextlib.suppress(OSError):
            kernel.mount(target, target, None, kernel.MS_BIND)
            _remount_read_only(target)


def _devices(dev: str) -> None:
    kernel.mount("tmpfs", dev, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for name in DEVICES:
        if os.path.exists(f"/dev/{name}"):
            _touch(f"{dev}/{name}")
            kernel.mount(f"/dev/{name}", f"{dev}/{name}", None, kernel.MS_BIND)
    for name, target in LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{dev}/{name}")
    kernel.mount("devpts", f"{dev}/pts", "devpts", kernel.MS_NOSUID, "newinstance,ptmxmode=0666,mode=0620")
    kernel.mount("tmpfs", f"{dev}/shm", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")


def _mount_point(mount: Mount, root: str) -> str:
    """Where a volume is to be; whatever of its path is missing is made inside the container."""
    target = _inside(root, mount.container_path)
    if os.path.isdir(mount.host_path):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _touch(target)
    return target


def _bind(mount: Mount, root: str) -> None:
    # Again: this one may lie in another volume.
    target = _mount_point(mount, root)
    try:
        kernel.mount(mount.host_path, target, None, kernel.MS_BIND | kernel.MS_REC)
    except OSError as error:
        where = f'error mounting "{mount.host_path}" to rootfs at "{mount.container_path}"'
        raise OSError(error.errno, error.strerror, where) from error
    if mount.read_only:
        _remount_read_only(target)


def _inside(root: str, path: str) -> str:
    """Where a path of the container lies now; its symbolic links are those of the container."""
    place, waiting, links = root, path.strip("/").split("/"), 0
    while waiting:
        name, *waiting = waiting
        if name in ("", "."):
            continue
        if name == "..":
            place = os.path.dirname(place) if place != root else root
            continue
        step = f"{place}/{name}"
        if os.path.islink(step) and links < 40:
            target, links = os.readlink(step), links + 1
            place = root if target.startswith("/") else place
            waiting = [*target.strip("/").split("/"), *waiting]
        else:
            place = step
    return place


def _remount_read_only(target: str) -> None:
    """A bind mount keeps the flags of its origin, which a user namespace may not take off."""
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
    have = os.statvfs(target).f_flag
    kept = sum(flag for seen, flag in KEPT_FLAGS.items() if have & seen)
    kernel.mount(None, target, None, flags | kept)


def _seal(root: str) -> None:
    """Make all of it read-only that is there before the volumes, but for what is the container's own."""
    own = tuple(f"{root}/{name}" for name in OWN)
    for target in _mounted(root):
        if not target.startswith(own):
            _remount_read_only(target)


def _mounted(path: str) -> list[str]:
    """What is mounted there, and below."""
    with open("/proc/self/mountinfo") as file:
        targets = [line.split()[4] for line in file]
    return [target for target in targets if target == path or target.startswith(f"{path}/")]


def _touch(path: str) -> None:
    with open(path, "a"):
        """Nothing to write."""
