"""One writer per run folder: who is refused, who takes over, and that of any number of takers exactly one does."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from seekcli import files
from seekcli.errors import BadInput, RunFailed
from seekcli.runs import exclusive, lease
from seekcli.runs.lease import LEASE, Lease

HOLDER = """
    import os, sys, time
    from pathlib import Path
    from seekcli.runs.lease import Lease
    held = Lease.acquire(Path(sys.argv[1]))
    print("held", flush=True)
    time.sleep(120)
"""
RACER = """
    import sys, time
    from pathlib import Path
    from seekcli.errors import BadInput
    from seekcli.runs.lease import Lease
    run_dir, start = Path(sys.argv[1]), Path(sys.argv[2])
    print("ready", flush=True)
    while not start.exists():
        pass
    try:
        held = Lease.acquire(run_dir)
        held.check()
        print("won", flush=True)
    except BadInput:
        print("refused", flush=True)
    sys.stdin.read()
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def plant(path: Path, age_seconds: float = 0.0, **changes: Any) -> str:
    """Write the lease of a process of this machine that is gone, with `changes`; returns its token."""
    host, boot_id, namespace = lease.this_machine()
    record = {
        "token": os.urandom(8).hex(),
        "pid": gone_pid(),
        "host": host,
        "boot_id": boot_id,
        "pid_namespace": namespace,
        "process_start": "12345",
    } | changes
    path.write_text(json.dumps(record))
    age(path, age_seconds)
    return str(record["token"])


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def gone_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_lease_says_who_holds_it_and_leaves_nothing(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "new"
    with Lease.acquire(run_dir) as held:
        record = json.loads((run_dir / LEASE).read_text())
        assert (record["token"], record["pid"], record["host"]) == (held.token, os.getpid(), socket.gethostname())
        assert (record["host"], record["boot_id"], record["pid_namespace"]) == lease.this_machine()
        assert record["process_start"] == lease.start_of(os.getpid())
        held.check()
        assert names(run_dir) == [LEASE]
    assert names(run_dir) == []
    held.release()
    with pytest.raises(RunFailed, match="lost the lease"):
        held.check()
    Lease.acquire(run_dir).release()


def test_a_live_owner_is_named(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path) as held:
        with pytest.raises(BadInput) as caught:
            Lease.acquire(tmp_path)
        held.check()
    start = f"run folder {tmp_path} is being written by process {os.getpid()} on {socket.gethostname()} ("
    assert str(caught.value).startswith(start)


def test_a_live_process_is_refused_and_a_killed_one_taken_over_at_once(tmp_path: Path) -> None:
    child = python(HOLDER, tmp_path)
    assert line_of(child) == "held"
    with pytest.raises(BadInput, match=f"process {child.pid} on"):
        Lease.acquire(tmp_path)
    child.kill()
    # Not waited for yet: until its parent looks, a killed process keeps its pid as a zombie.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with Lease.acquire(tmp_path) as held:
        held.check()
        assert names(tmp_path) == [LEASE]
    child.communicate(timeout=60)


def test_a_pid_that_was_used_again_is_not_the_owner(tmp_path: Path) -> None:
    plant(tmp_path / LEASE, pid=os.getpid(), process_start="1")
    with Lease.acquire(tmp_path) as held:
        held.check()


@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere"}, {"boot_id": "another"}, {"pid_namespace": "pid:[1]"}])
def test_of_another_machine_only_the_heartbeat_counts(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    """Two containers may share a host name, and a pid means nothing across them."""
    plant(tmp_path / LEASE, age_seconds=50, **elsewhere)
    with pytest.raises(BadInput, match=r"being written by process \d+ on .* \(last sign of life (49|50|51) s ago\)"):
        Lease.acquire(tmp_path)
    Lease.acquire(tmp_path, dead_after_seconds=40).release()
    plant(tmp_path / LEASE, age_seconds=61, **elsewhere)
    with Lease.acquire(tmp_path) as held:
        held.check()


@pytest.mark.parametrize("ahead_seconds", [61, 3600, 10 * 365 * 86400])
def test_a_sign_of_life_that_is_to_come_holds_nobody_up(tmp_path: Path, ahead_seconds: float) -> None:
    plant(tmp_path / LEASE, age_seconds=-ahead_seconds, host="elsewhere")
    with Lease.acquire(tmp_path) as held:
        held.check()


def test_a_clock_that_is_a_little_ahead_is_no_sign_of_death(tmp_path: Path) -> None:
    plant(tmp_path / LEASE, age_seconds=-50, host="elsewhere")
    with pytest.raises(BadInput, match="being written by process"):
        Lease.acquire(tmp_path)


def test_a_process_that_lives_keeps_its_lease_when_the_clock_is_set_back(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path) as held:
        age(tmp_path / LEASE, -3600)
        with pytest.raises(BadInput, match="being written by process"):
            Lease.acquire(tmp_path)
        held.check()


def test_a_damaged_lease_of_tomorrow_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / LEASE).write_text("[" * 100_000)
    age(tmp_path / LEASE, -3600)
    with Lease.acquire(tmp_path) as held:
        held.check()


def test_the_heart_beats_and_stops(tmp_path: Path) -> None:
    held = Lease.acquire(tmp_path, beat_seconds=0.01)
    for _ in range(2):
        age(tmp_path / LEASE, 1000)
        deadline = time.monotonic() + 20
        while time.time() - (tmp_path / LEASE).stat().st_mtime > 500:
            assert time.monotonic() < deadline, "no heartbeat"
            time.sleep(0.01)
    held.release()
    assert not held._thread.is_alive()


def test_who_was_taken_over_is_told_and_harms_nobody(tmp_path: Path) -> None:
    slow = Lease.acquire(tmp_path, beat_seconds=0.3)
    age(tmp_path / LEASE, 61)
    with Lease.acquire(tmp_path) as quick:
        with pytest.raises(RunFailed, match=f"lost the lease of .* to process {os.getpid()} on "):
            slow.check()
        age(tmp_path / LEASE, 30)
        before = (tmp_path / LEASE).stat().st_mtime
        time.sleep(0.5)
        assert (tmp_path / LEASE).stat().st_mtime == before  # the loser's heart beats on, but not for the winner
        slow.release()
        quick.check()
        assert names(tmp_path) == [LEASE]
    assert names(tmp_path) == []


def test_a_heart_that_starts_after_the_takeover_does_not_beat_for_the_heir(tmp_path: Path, monkeypatch) -> None:
    late = []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda thread: late.append(thread))
        slow = Lease.acquire(tmp_path, beat_seconds=0.01)
    age(tmp_path / LEASE, 61)
    with Lease.acquire(tmp_path):
        age(tmp_path / LEASE, 30)
        before = (tmp_path / LEASE).stat().st_mtime
        late[0].start()
        time.sleep(0.1)
        assert (tmp_path / LEASE).stat().st_mtime == before
        slow.release()


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "removed"])
def test_a_folder_that_is_gone_is_a_lost_lease_and_does_not_come_back(tmp_path: Path, moved: bool) -> None:
    run_dir = tmp_path / "runs" / "id"
    held = Lease.acquire(run_dir)
    files.set_aside(run_dir) if moved else files.remove(run_dir)
    with pytest.raises(RunFailed, match="lost the lease"):
        held.check()
    held.release()
    assert not run_dir.exists()


@pytest.mark.parametrize("dead", [False, True], ids=["free", "dead"])
def test_of_many_threads_one_wins(tmp_path: Path, dead: bool) -> None:
    threads, rounds = 12, 12

    def race(arguments: tuple[Barrier, Path]) -> Lease | None:
        start, run_dir = arguments
        start.wait()
        try:
            return Lease.acquire(run_dir)
        except BadInput:
            return None

    with ThreadPoolExecutor(threads) as pool:
        for number in range(rounds):
            run_dir = tmp_path / str(number)
            run_dir.mkdir()
            if dead:
                plant(run_dir / LEASE)
            winners = [held for held in pool.map(race, [(Barrier(threads), run_dir)] * threads) if held]
            assert len(winners) == 1
            winners[0].check()
            winners[0].release()
            assert names(run_dir) == []


def test_of_many_processes_one_wins_a_dead_lease(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    plant(run_dir / LEASE)
    racers = [python(RACER, run_dir, tmp_path / "start") for _ in range(6)]
    assert [line_of(racer) for racer in racers] == ["ready"] * 6
    (tmp_path / "start").write_text("")
    results = [line_of(racer) for racer in racers]
    assert sorted(results) == ["refused"] * 5 + ["won"]
    winner = racers[results.index("won")]
    assert json.loads((run_dir / LEASE).read_text())["pid"] == winner.pid
    for racer in racers:
        racer.communicate(timeout=60)


def test_who_found_the_owner_dead_but_comes_late_loses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The late one saw the dead lease; before it acts, another takes over, starts to write and has swept its claim."""
    plant(tmp_path / LEASE)
    create, winners = exclusive.create_exclusive, []

    def late(path: Path, data: bytes) -> bool:
        if not winners:
            winners.append(None)
            winners[0] = Lease.acquire(tmp_path)
        return create(path, data)

    monkeypatch.setattr(exclusive, "create_exclusive", late)
    with pytest.raises(BadInput, match="is being written"):
        Lease.acquire(tmp_path)
    winners[0].check()
    assert names(tmp_path) == [LEASE]
    winners[0].release()


def test_an_heir_that_died_half_way_is_inherited_from(tmp_path: Path) -> None:
    first = plant(tmp_path / LEASE)
    second = plant(tmp_path / f".lease-after-{first}.json")
    plant(tmp_path / f".lease-after-{second}.json")
    with Lease.acquire(tmp_path) as held:
        held.check()
        assert names(tmp_path) == [LEASE]


def test_an_heir_that_lives_is_the_owner(tmp_path: Path) -> None:
    held = Lease.acquire(tmp_path)
    plant(tmp_path / f".lease-after-{held.token}.json", pid=os.getpid(), process_start=lease.start_of(os.getpid()))
    with pytest.raises(RunFailed, match="lost the lease"):
        held.check()
    held.release()
    with pytest.raises(BadInput, match="is being written"):
        Lease.acquire(tmp_path)


def refuse_writes(*arguments: object) -> Any:
    raise RunFailed(f"cannot write: {os.strerror(errno.ENOSPC)}")


def test_a_takeover_that_finds_the_disk_full_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / LEASE)
    with monkeypatch.context() as full_disk:
        full_disk.setattr(files, "write_bytes", refuse_writes)
        with pytest.raises(RunFailed, match="No space left"):
            Lease.acquire(tmp_path)
    Lease.acquire(tmp_path).release()


def test_a_full_disk_does_not_keep_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Lease.acquire(tmp_path)
    monkeypatch.setattr(exclusive, "create_exclusive", refuse_writes)
    held.release()
    assert names(tmp_path) == []


@pytest.mark.parametrize("data", ["", '{"token": "a', "[]", '{"token": "../x", "pid": 1}', '{"token": 7}', "{}"])
def test_a_damaged_lease_is_somebodys_until_it_is_old(tmp_path: Path, data: str) -> None:
    (tmp_path / LEASE).write_text(data)
    with pytest.raises(BadInput, match="is being written by process 0 on unknown"):
        Lease.acquire(tmp_path)
    age(tmp_path / LEASE, 61)
    with Lease.acquire(tmp_path) as held:
        held.check()


def test_a_token_that_is_a_path_is_damage(tmp_path: Path) -> None:
    plant(tmp_path / LEASE, token="../x")
    with pytest.raises(BadInput, match="is being written by process 0 on unknown"):
        Lease.acquire(tmp_path)


def test_damaged_leases_that_point_at_each_other_end(tmp_path: Path) -> None:
    plant(tmp_path / LEASE, token="aa")
    plant(tmp_path / ".lease-after-aa.json", token="bb")
    plant(tmp_path / ".lease-after-bb.json", token="aa")
    with pytest.raises(RunFailed, match="cannot take the lease"):
        Lease.acquire(tmp_path)


def test_the_new_owner_sweeps_what_killed_writers_left(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    for name in (".status.9-0123456789abcdef.tmp.json", "checkpoint/.base.9-0123456789abcdef.tmp.safetensors"):
        (tmp_path / name).write_text("half")
    (tmp_path / "status.json").write_text("whole")
    with Lease.acquire(tmp_path):
        assert names(tmp_path) == ["checkpoint", LEASE, "status.json"]
        assert names(tmp_path / "checkpoint") == []


def test_half_a_lease_is_swept_when_it_is_old(tmp_path: Path) -> None:
    """A younger one may be that of a process that is trying to get the lease at this moment."""
    for number, name in enumerate(("lease", ".lease-after-aa", "lease-clock")):
        for seconds in (59, 61):
            path = tmp_path / f".{name}.{number}-{seconds:016d}.tmp.json"
            path.write_text("half")
            age(path, seconds)
    with Lease.acquire(tmp_path):
        assert len(names(tmp_path)) == 4
        assert not list(tmp_path.glob(".*61.tmp.json"))


@pytest.mark.parametrize("function", ["sync", "write_new"])
def test_half_a_lease_that_was_swept_while_its_process_slept_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    write, swept = getattr(files, function), []

    def sleepy(path: Path, *rest: object) -> None:
        if function == "write_new":
            write(path, *rest)
        if not swept and "lease" in path.name:
            swept.append(path)
            path.unlink()
        if function == "sync":
            write(path)

    monkeypatch.setattr(files, function, sleepy)
    with Lease.acquire(tmp_path) as held:
        held.check()
        assert swept
    assert names(tmp_path) == []


@pytest.mark.parametrize("left", [(LEASE,), (LEASE, ".lease-after-aa.json"), (".lease-after-aa.json",), ()])
def test_the_lease_of_a_process_killed_after_its_run_was_finished_goes(tmp_path: Path, left: tuple[str, ...]) -> None:
    for name in left:
        plant(tmp_path / name, token="aa" if name == LEASE else "bb")
    lease.clear_dead_lease(tmp_path)
    assert names(tmp_path) == []


def test_a_lease_that_is_held_is_not_cleared(tmp_path: Path) -> None:
    with Lease.acquire(tmp_path) as held:
        lease.clear_dead_lease(tmp_path)
        held.check()
    lease.clear_dead_lease(tmp_path / "missing")
    assert names(tmp_path) == []


def test_processes_without_a_readable_start_live_until_the_system_denies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no /proc, and some clusters hide in it the processes of other users."""
    pid = gone_pid()
    monkeypatch.setattr(lease, "Path", lambda text: Path("/nowhere"))
    assert lease.runs_still(os.getpid(), "12345")
    assert lease.runs_still(os.getpid(), lease.UNKNOWN)
    assert not lease.runs_still(pid, "12345")
