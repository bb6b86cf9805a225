"""What a lease is made of: a file that exactly one process can create, and the clock that stamps it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from seekcli import files

# File systems without hard links (FAT, some network mounts) answer os.link with one of these.
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def create_exclusive(path: Path, data: bytes) -> bool:
    """Create `path` holding `data` and return True, or return False where it exists already.

    Of any number of processes, on any number of hosts, exactly one gets True; nobody ever sees the file half-written.
    The folder must exist. Raises RunFailed when it cannot be written to.
    """
    with files.cleaned(files.temporary_beside(path)) as temporary, files.failing(f"cannot write {path}"):
        files.write_new(temporary, data)
        try:
            files.sync(temporary)
            return _link(temporary, path, data)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            return False  # swept up by the owner of a lease, while this process slept for longer than one lasts


def clock_seconds(folder: Path) -> float:
    """The time by the clock that stamps the files of `folder`, which on a network mount is not this host's."""
    with (
        files.cleaned(files.temporary_beside(folder / "lease-clock")) as temporary,
        files.failing(f"cannot write to {folder}"),
        open(temporary, "xb") as file,
    ):
        return os.fstat(file.fileno()).st_mtime


def _link(temporary: Path, path: Path, data: bytes) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS may repeat a request whose answer was lost and then report our own success as a failure.
        return os.stat(temporary).st_nlink == 2
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        with suppress(FileExistsError):
            files.write_new(path, data)
            return True
        return False
    return True


def open_at_once(path: str, flags: int) -> int:
    """An `opener` that waits for no other end of a pipe; of a file it changes nothing."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
