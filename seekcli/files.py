"""The only place that writes: a file has its final name when it is whole and on the disk, or not at all.

A write that is killed leaves a hidden temporary file beside the old one, which stays as it was; `remove_leftovers`
sweeps those up. Who may write to a run folder is settled by `seekcli.runs.lease`: every function that changes what a
folder holds takes a `check`, which is asked right before each rename or removal and raises where the right to write was
lost. A process that was asleep for longer than its lease lasts may wake up between any two lines.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seekcli import plain_data
from seekcli.errors import BadInput, RunFailed, human_bytes

UMASK = os.umask(0)  # it can only be read by setting it
os.umask(UMASK)
OURS, REPLACED = ("runs", "reports", "published", "tuning", "engines", "refused"), ".replaced"
NOT_CONTENT = (".gitignore", ".gitkeep", ".DS_Store")
LEFTOVER = re.compile(r"\..+\.\d+-[0-9a-f]{16}\.tmp(\.[^.]*)?")
LONGEST_NAME_BYTES, PART_BYTES = 255, 2**18  # of one name in a path, on Linux and macOS; of a file read part by part
Check = Callable[[], None]


def unshared() -> None:
    """The check of files that no lease guards."""


def write_bytes(path: Path, data: bytes, check: Check = unshared) -> None:
    """Replace `path` by `data`, atomically and durably; missing parent folders are made.

    Raises RunFailed ("cannot write PATH: No space left on device") and leaves the old file as it was.
    """
    write_with(path, lambda temporary: write_new(temporary, data), check)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of `text` in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, check: Check = unshared) -> None:
    """`write_bytes` of `value` as indented JSON; floats are read back exactly. Raises ValueError for NaN."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode(), check)


def write_with(path: Path, writer: Callable[[Path], None], check: Check = unshared) -> None:
    """Replace `path`, atomically and durably, by the file that `writer` makes at the path that it is given.

    That path is in the same folder, hidden, and ends like `path`, since libraries read the format from the suffix.
    A system error of the writer (also one that safetensors wraps) is RunFailed; any other passes through. What `check`
    raises goes before both: an heir has swept the file away, or there is no folder any more.
    """
    check()  # nothing is made for nothing
    with cleaned(temporary_beside(path)) as temporary, failing(f"cannot write {path}", check):
        make_folder(path.parent)
        writer(temporary)
        os.chmod(temporary, 0o666 & ~UMASK)  # safetensors makes its files unreadable for others
        sync(temporary)
        check()
        os.replace(temporary, path)
        sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are missing. Raises RunFailed."""
    if path.is_dir():
        return
    with failing(f"cannot make folder {path}"):
        path.mkdir(parents=True, exist_ok=True)
        sync(path.parent)


def remove(path: Path, check: Check = unshared) -> None:
    """Remove a file or a folder with all that is in it; a missing one is fine.

    A folder loses its name first, so that nobody takes a half-removed one for a whole one. Raises RunFailed.
    """
    with failing(f"cannot remove {path}", check), suppress(FileNotFoundError):
        if path.is_symlink() or not path.is_dir():
            check()
            path.unlink()
            return
        doomed = temporary_beside(path)
        check()
        os.rename(path, doomed)
        shutil.rmtree(doomed)


@contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Whatever is made of `folder` and its parents inside, and is empty in the end, is removed again."""
    standing = nearest_standing(folder)
    try:
        yield
    finally:
        with suppress(OSError):
            while folder != standing:
                folder.rmdir()
                folder = folder.parent


def remove_leftovers(folder: Path, check: Check = unshared) -> None:
    """Remove what killed writers left in `folder` and below. Only for whoever holds the folder's lease."""
    for path in [*folder.rglob(".*")]:
        # Those of a lease may belong to a process that is trying to get this one.
        if LEFTOVER.fullmatch(path.name) and "lease" not in path.name:
            remove(path, check)


def sha256_of(path: Path) -> str:
    """Raises BadInput, naming the file, when it is missing or cannot be read."""
    plain_data.refuse_special(path)
    try:
        with open(path, "rb", buffering=0) as file:  # file_digest clears 256 kB of memory first, for any small file
            digest = hashlib.sha256(file.read(PART_BYTES))
            while part := file.read(PART_BYTES):
                digest.update(part)
            return digest.hexdigest()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {system_reason(error)}") from error


def quarantine(path: Path, check: Check = unshared) -> Path:
    """Rename a damaged file or folder to PATH.damaged-N, N the first free number, and return that path."""
    number = 1
    while os.path.lexists(target := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    with failing(f"cannot set {path} aside", check):
        check()
        os.rename(path, target)
        sync(path.parent)
    return target


def set_aside(run_dir: Path, check: Check = unshared) -> Path:
    """Move runs/<id> to runs/.replaced/<id>-<UTC time> and return that path.

    Hold the folder's lease: it moves along (tell it), so acquire the one of the new folder afterwards.
    """
    shelf = run_dir.parent / REPLACED
    make_folder(shelf)
    name = f"{run_dir.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    target, number = shelf / name, 1
    while os.path.lexists(target):
        number += 1
        target = shelf / f"{name}-{number}"
    with failing(f"cannot set {run_dir} aside", check):
        check()
        os.rename(run_dir, target)
        sync(run_dir.parent)
        sync(shelf)
    return target


def require_results_folder(path: Path) -> None:
    """Raise BadInput unless runs can be kept in `path`: missing, empty or ours, and writable. Leaves nothing behind.

    A folder is ours when it holds runs/, reports/, published/, tuning/, engines/ or refused/.
    """
    try:
        standing = nearest_standing(path)
        if not standing.is_dir():
            raise BadInput(f"results folder {path}: {standing} is not a folder")
        if standing == path:
            _require_ours(path)
        with cleaned(temporary_beside(standing / "probe")) as temporary:
            write_new(temporary, b"seek")
    except OSError as error:
        raise BadInput(f"results folder {path} is not writable: {system_reason(error)}") from error


def require_possible_path(path: Path) -> None:
    """Raise BadInput where the system refuses the path itself (a name too long, a loop of links, a NUL in it), or a
    library would: safetensors and arrow open UTF-8 alone."""
    if any("\ud800" <= character <= "\udfff" for character in str(path)):
        raise BadInput(f"cannot use {path}: its name is not UTF-8")
    if max((len(part.encode()) for part in path.parts), default=0) > LONGEST_NAME_BYTES:  # a parent may be missing yet
        raise BadInput(f"cannot use {path}: File name too long")
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot use {path}: {system_reason(error) or error}") from error


def require_writable_folders(*folders: Path) -> None:
    """Raise BadInput, naming the first of them, unless each that exists is a folder that we may write to."""
    for folder in folders:
        try:
            os.lstat(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise BadInput(f"cannot use {folder}: {system_reason(error)}") from error
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise BadInput(f"{folder} is {'not writable' if folder.is_dir() else 'in the way: it is not a folder'}")


def require_free_bytes(path: Path, needed_bytes: int) -> None:
    """Raise BadInput unless the disk that holds (or will hold) `path` has `needed_bytes` free."""
    try:
        free_bytes = shutil.disk_usage(nearest_standing(path)).free
    except OSError as error:
        raise BadInput(f"cannot tell how much disk is free at {path}: {system_reason(error)}") from error
    if free_bytes < needed_bytes:
        raise BadInput(f"not enough disk at {path}: needs {human_bytes(needed_bytes)}, has {human_bytes(free_bytes)}")


def _require_ours(folder: Path) -> None:
    # Another process may be trying the folder at this moment, or was killed while it did: what it wrote is no content.
    names = sorted({name for name in os.listdir(folder) if not LEFTOVER.fullmatch(name)} - set(NOT_CONTENT))
    if names and not any((folder / name).is_dir() for name in OURS):
        raise BadInput(
            f"results folder {folder} holds something else ({names[0]}...): name an empty or new folder, "
            "or one that seek made"
        )


def nearest_standing(path: Path) -> Path:
    """The nearest of `path` and its parents that exists (a link that leads nowhere exists, and is no folder)."""
    standing = path
    while not os.path.lexists(standing) and standing != standing.parent:
        standing = standing.parent
    return standing


def temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.stem[:40]}.{os.getpid()}-{secrets.token_hex(8)}.tmp{path.suffix}")


def write_new(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):  # some mounts cannot sync folders
            raise
    finally:
        os.close(handle)


def system_reason(error: BaseException) -> str | None:
    """What the system says went wrong ("No space left on device"), or None when it was not the system."""
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else str(error)
    wrapped = re.search(r"\(os error (\d+)\)", str(error))  # safetensors passes on what Rust says
    return os.strerror(int(wrapped[1])) if wrapped else None


@contextmanager
def failing(what: str, check: Check = unshared) -> Iterator[None]:
    """Turn a system error into RunFailed "WHAT: reason", or into what `check` raises."""
    try:
        yield
    except Exception as error:
        reason = system_reason(error)
        if reason is None:
            raise
        check()
        raise RunFailed(f"{what}: {reason}") from error


@contextmanager
def cleaned(temporary: Path) -> Iterator[Path]:
    """Whatever happens (an interrupt too), no temporary file stays behind; a kill is for `remove_leftovers`."""
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
