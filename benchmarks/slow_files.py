"""A file system that passes each call on to a folder of this machine and waits first: slow_disk.py mounts it.

    python benchmarks/slow_files.py SOURCE MOUNT MILLISECONDS

It is FUSE in Python. The kernel keeps names and attributes for a second, as an NFS client does. Calls that a network
file system does not send to its server (extended attributes, terminals, flushes) are not there, and not counted.
Prints the number of calls of each kind, as JSON, when it is unmounted.
"""

from __future__ import annotations

import collections
import errno
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fuse import FUSE, FuseOSError, Operations

KEPT_SECONDS = 1.0
STATS = ("st_atime", "st_ctime", "st_gid", "st_ino", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
ROOM = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")
NOT_SENT = ("getxattr", "listxattr", "ioctl", "flush", "bmap", "lock")
FREE = ("init", "destroy", "opendir", "releasedir", "fsyncdir")


class Slow(Operations):
    def __init__(self, source: Path, delay_seconds: float) -> None:
        self.source, self.delay_seconds = source, delay_seconds
        self.calls: collections.Counter[str] = collections.Counter()
        self.guard = threading.Lock()

    def __call__(self, operation: str, path: str, *rest: Any) -> Any:
        if operation in FREE:
            return 0
        if operation in NOT_SENT:
            raise FuseOSError(errno.ENOSYS)  # the kernel does not ask again
        with self.guard:
            self.calls[operation] += 1
        time.sleep(self.delay_seconds)
        return getattr(self, operation)(f"{self.source}{path}", *rest)

    def getattr(self, path: str, handle: int | None = None) -> dict[str, Any]:
        found = os.lstat(path)
        return {name: getattr(found, name) for name in STATS}

    def statfs(self, path: str) -> dict[str, Any]:
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in ROOM}

    def access(self, path: str, mode: int) -> None:
        if not os.access(path, mode):
            raise FuseOSError(errno.EACCES)

    def readdir(self, path: str, handle: int) -> list[str]:
        return [".", "..", *os.listdir(path)]

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags)

    def create(self, path: str, mode: int, info: object = None) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, path: str, data: bytes, offset: int, handle: int) -> int:
        return os.pwrite(handle, data, offset)

    def truncate(self, path: str, length: int, handle: int | None = None) -> None:
        os.truncate(path, length)

    def release(self, path: str, handle: int) -> None:
        os.close(handle)

    def fsync(self, path: str, data_alone: int, handle: int) -> None:
        os.fsync(handle)

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(path, mode)

    def utimens(self, path: str, times: tuple[float, float] | None = None) -> None:
        os.utime(path, times)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, f"{self.source}{new}")

    def link(self, new: str, old: str) -> None:
        os.link(f"{self.source}{old}", new)


if __name__ == "__main__":
    slow = Slow(Path(sys.argv[1]).resolve(), float(sys.argv[3]) / 1000)
    FUSE(slow, sys.argv[2], foreground=True, attr_timeout=KEPT_SECONDS, entry_timeout=KEPT_SECONDS, big_writes=True)
    print(json.dumps(slow.calls))
