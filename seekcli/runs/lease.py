"""One writer per run folder: a lease that is refused while its owner lives and taken over when it is dead.

No fcntl locks: they are silently absent on many cluster file systems. Two rules carry the whole of it:

1. A folder without lease.json goes to whoever creates it exclusively.
2. A lease with token T passes on only through the file `.lease-after-T.json`, created exclusively with the heir's own
   lease in it. So one heir wins, and one that dies half-way is itself a link of the chain that can be followed and
   inherited from. The winner then replaces lease.json by its own lease and sweeps up the claims before it. A claim that
   is not on the chain that starts at lease.json is void: a late comer finds that out by following the chain once more.

The heartbeat is the modification time of lease.json. It is set and judged by the clock of the file system, so hosts
whose clocks differ agree about it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from seekcli import files
from seekcli.errors import HeldElsewhere, LostLease, RunFailed
from seekcli.plain_data import parse_json
from seekcli.runs import exclusive

LEASE = "lease.json"
CLAIM_PREFIX = ".lease-after-"
ATTEMPTS = 100
UNKNOWN = "unknown"  # a start time that is not told counts as alive: to wait a minute is better than two writers


@dataclass(frozen=True)
class Owner:
    """What a lease file says about whoever wrote it; a file that cannot be understood has an unknown owner."""

    token: str
    pid: int
    host: str
    boot_id: str | None
    pid_namespace: str | None
    process_start: str
    heartbeat_seconds: float

    @property
    def machine(self) -> tuple[str, str | None, str | None]:
        """Where the pid means something: equal hosts, boots and pid namespaces (containers may share a host name)."""
        return self.host, self.boot_id, self.pid_namespace

    def is_dead(self, now_seconds: float, dead_after_seconds: float) -> bool:
        """Silent for so long, or its process is gone; or its last sign of life is to come, by a clock that was wrong.

        A process of this machine that lives sets such a time right with its next beat.
        """
        silent_seconds, here = now_seconds - self.heartbeat_seconds, self.machine == this_machine()
        if silent_seconds > dead_after_seconds or (silent_seconds < -dead_after_seconds and not here):
            return True
        return here and not runs_still(self.pid, self.process_start)


class Lease:
    """The right to write to one run folder, kept alive by a thread. A context manager that releases it at the end."""

    def __init__(self, run_dir: Path, beat_seconds: float) -> None:
        self.run_dir = run_dir
        self.token = secrets.token_hex(16)
        self._path = run_dir / LEASE
        self._record = _new_record(self.token)
        self._released = threading.Event()
        self._beat_seconds = beat_seconds
        self._thread = threading.Thread(target=self._beat, name=f"lease of {run_dir}", daemon=True)

    @classmethod
    def acquire(cls, run_dir: Path, beat_seconds: float = 10.0, dead_after_seconds: float = 60.0) -> Lease:
        """Take the lease of `run_dir`, from a dead owner too, and remove what killed writers left in it.

        A missing folder is made. Raises HeldElsewhere when a live owner holds the lease, RunFailed when the folder
        cannot be written to. An owner is dead when it ran on this machine since this boot and its process is gone (or
        its pid is another process by now), or when its heartbeat is older than `dead_after_seconds` or as far ahead.
        """
        lease = cls(run_dir, beat_seconds)
        files.make_folder(run_dir)
        for _ in range(ATTEMPTS):  # every lost round means that another process got further
            if lease._try_to_own(dead_after_seconds):
                lease._thread.start()
                lease._sweep(dead_after_seconds)
                return lease
        raise RunFailed(f"cannot take the lease of {run_dir}: {LEASE} changes all the time or cannot be read")

    def check(self) -> None:
        """Raise LostLease unless this lease still holds: the `check` of every write to the folder (see `files`)."""
        owner = _current(self.run_dir)
        if owner is None:
            raise LostLease(f"lost the lease of {self.run_dir}: nobody holds it now")
        if owner.token != self.token:
            raise LostLease(f"lost the lease of {self.run_dir} to process {owner.pid} on {owner.host}")

    def follow(self, run_dir: Path) -> None:
        """The folder has been moved to `run_dir`, and its lease file with it: that one is released in the end."""
        self.run_dir, self._path = run_dir, run_dir / LEASE

    def release(self) -> None:
        """Give the lease back (once; later calls do nothing). One that was lost stays with its new owner."""
        if self._released.is_set():
            return
        self._released.set()
        self._thread.join()
        with suppress(RunFailed):  # an owner that is gone is found dead anyway
            self._hand_back()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _try_to_own(self, dead_after_seconds: float) -> bool:
        owner = _current(self.run_dir)
        if owner is None:
            return exclusive.create_exclusive(self._path, self._record)
        _refuse_alive(self.run_dir, owner, dead_after_seconds)
        return self._inherit(owner)

    def _inherit(self, dead: Owner) -> bool:
        claim = _claim_path(self.run_dir, dead.token)  # one name for all who want it: only one of them can create it
        if not exclusive.create_exclusive(claim, self._record):
            return False
        try:
            self.check()
        except RunFailed:  # `dead` was succeeded before we claimed: our claim is void
            files.remove(claim)
            return False
        try:
            files.write_bytes(self._path, self._record, self.check)  # killed before it, we are a link of the chain
        except BaseException:
            files.remove(claim)  # or this process would stand in its own way when it tries again
            raise
        return True

    def _sweep(self, dead_after_seconds: float) -> None:
        """Remove the claims that led to this lease and what killed writers left; litter is no reason to fail.

        A lease that is half written may be that of a process which is trying to get this one: an old one is not.
        """
        with suppress(RunFailed, OSError):
            for claim in self.run_dir.glob(f"{CLAIM_PREFIX}*"):
                if claim != _claim_path(self.run_dir, self.token):
                    files.remove(claim, self.check)
            files.remove_leftovers(self.run_dir, self.check)
            now_seconds = exclusive.clock_seconds(self.run_dir)
            for path in self.run_dir.glob(".*lease*"):
                old = abs(now_seconds - path.stat().st_mtime) > dead_after_seconds
                if old and files.LEFTOVER.fullmatch(path.name):
                    files.remove(path, self.check)

    def _beat(self) -> None:
        # The file is held open: after a takeover this touches the file that was ours, never the new owner's.
        with suppress(OSError), open(self._path, "rb") as file:
            ours = self.token.encode() in file.read()  # a thread that starts late may open the file of an heir
            while ours and not self._released.wait(self._beat_seconds):  # a sixth of what makes an owner dead
                with suppress(OSError):  # a network mount may come back
                    os.utime(file.fileno())

    def _hand_back(self) -> None:
        claim = _claim_path(self.run_dir, self.token)
        try:
            barred = exclusive.create_exclusive(claim, _new_record(secrets.token_hex(16)))  # no heir can come between
        except RunFailed:  # no room for the claim; the next best
            barred = False
            files.remove(self._path, self.check)
        if barred:
            with suppress(RunFailed):
                files.remove(self._path, self._check_file)
            files.remove(claim)

    def _check_file(self) -> None:
        """Raise LostLease unless lease.json itself is ours: while the claim after it is ours too, `check` sees that."""
        if (first := _read(self._path)) is None or first.token != self.token:
            raise LostLease(f"lost the lease of {self.run_dir}")


def require_no_owner(run_dir: Path, dead_after_seconds: float = 60.0) -> None:
    """Raise HeldElsewhere where a live process writes to `run_dir`: before anything is done that takes long."""
    if (owner := _current(run_dir)) is not None:
        _refuse_alive(run_dir, owner, dead_after_seconds)


def clear_dead_lease(run_dir: Path) -> None:
    """Remove the lease that a process left which was killed after the last write of its run, where that can be done."""
    with suppress(HeldElsewhere, RunFailed, OSError):
        if any("lease" in name for name in os.listdir(run_dir)):
            Lease.acquire(run_dir).release()


def _refuse_alive(run_dir: Path, owner: Owner, dead_after_seconds: float) -> None:
    now_seconds = exclusive.clock_seconds(run_dir)
    if not owner.is_dead(now_seconds, dead_after_seconds):
        who = f"process {owner.pid} on {owner.host}"
        silent_seconds = max(0.0, now_seconds - owner.heartbeat_seconds)
        raise HeldElsewhere(
            f"run folder {run_dir} is being written by {who} (last sign of life {silent_seconds:.0f} s ago)", who
        )


def this_machine() -> tuple[str, str | None, str | None]:
    """Host name, boot id and pid namespace of this process; None where the system does not tell."""
    boot_id = namespace = None
    with suppress(OSError):
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return socket.gethostname(), boot_id, namespace


def runs_still(pid: int, process_start: str) -> bool:
    """Whether the process with that pid and start time lives; True where the system does not let us know."""
    start = start_of(pid)
    return start is not None and (start == process_start or UNKNOWN in (start, process_start))


def start_of(pid: int) -> str | None:
    """When a process of this machine started (in the kernel's ticks); None when it is gone, a zombie included."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    if os.name != "posix" or pid <= 0:
        return UNKNOWN
    try:
        os.kill(pid, 0)  # no /proc here, or it hides the processes of other users
    except ProcessLookupError:
        return None
    except OSError:
        return UNKNOWN
    return UNKNOWN


def _new_record(token: str) -> bytes:
    host, boot_id, namespace = this_machine()
    record = {
        "token": token,
        "pid": os.getpid(),
        "host": host,
        "boot_id": boot_id,
        "pid_namespace": namespace,
        "process_start": start_of(os.getpid()) or UNKNOWN,
    }
    return (json.dumps(record, indent=2) + "\n").encode()


def _claim_path(run_dir: Path, token: str) -> Path:
    return run_dir / f"{CLAIM_PREFIX}{token}.json"


def _current(run_dir: Path) -> Owner | None:
    """The last link of the chain that starts at lease.json."""
    owner = _read(run_dir / LEASE)
    seen = set()
    while owner is not None and owner.token not in seen:  # two damaged files may point at each other
        seen.add(owner.token)
        owner = _read(_claim_path(run_dir, owner.token)) or owner
    return owner


def _read(path: Path) -> Owner | None:
    try:
        with open(path, "rb", opener=exclusive.open_at_once) as file:  # on a network mount it fetches the true time
            data, heartbeat_seconds = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFailed(f"cannot read {path}: {error.strerror}") from error
    try:
        return _owner(parse_json(data), heartbeat_seconds)
    except (ValueError, KeyError, TypeError):  # damaged: nobody's, and dead once it is old
        token = hashlib.sha256(data).hexdigest()[:32]
        return Owner(token, 0, UNKNOWN, None, None, UNKNOWN, heartbeat_seconds)


def _owner(record: dict[str, Any], heartbeat_seconds: float) -> Owner:
    token = record["token"]
    if not (isinstance(token, str) and token.isalnum()):
        raise ValueError("a token names a file")
    return Owner(
        token,
        int(record["pid"]),
        str(record["host"]),
        record["boot_id"],
        record["pid_namespace"],
        str(record["process_start"]),
        heartbeat_seconds,
    )
