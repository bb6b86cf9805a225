"""Files appear whole or not at all, whatever happens to their writer; what a user is told when the disk refuses."""

from __future__ import annotations

import builtins
import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st
from safetensors.numpy import save_file

from seekcli import files
from seekcli.documents import read_document
from seekcli.errors import BadInput, LostLease, RunFailed, human_bytes
from seekcli.runs import exclusive


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def refusing(number: int) -> Callable[..., Any]:
    def refuse(*arguments: object, **options: object) -> Any:
        raise OSError(number, "words of the caller", "somewhere")

    return refuse


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_text_and_json_arrive(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    files.write_text(path, "größer\n")
    assert path.read_bytes() == "größer\n".encode()
    files.write_json(path, {"b": [1, None], "a": "größer"})
    assert read_document(path) == {"b": [1, None], "a": "größer"}
    assert path.read_text().splitlines()[1].strip() == '"b": ['
    assert names(path.parent) == ["file"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_json_reads_back_exactly(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    files.write_json(path, value)
    assert repr(read_document(path)) == repr(value)


def test_written_files_have_the_usual_permissions(tmp_path: Path) -> None:
    """Colleagues on a cluster read each other's results: no 0600 of a private temporary file."""
    (tmp_path / "usual").write_text("")
    files.write_text(tmp_path / "ours", "")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_the_temporary_file_is_beside_hidden_and_keeps_the_suffix(tmp_path: Path) -> None:
    seen: list[Path] = []

    def writer(path: Path) -> None:
        seen.append(path)
        path.write_text("new")

    files.write_with(tmp_path / "figure.png", writer)
    files.write_with(tmp_path / "figure.png", writer)
    assert seen[0] != seen[1]
    assert {path.parent for path in seen} == {tmp_path}
    assert all(path.name.startswith(".figure.") and path.suffix == ".png" for path in seen)
    assert all(f".{os.getpid()}-" in path.name for path in seen)
    assert names(tmp_path) == ["figure.png"]


def test_the_file_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recording_fsync(handle: int) -> None:
        events.append("sync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync file")
        fsync(handle)

    def recording_replace(source: Path, target: Path) -> None:
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)
    files.write_bytes(tmp_path / "file", b"data")
    assert events == ["sync file", "rename", "sync folder"]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_writer_that_breaks_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def writer(temporary: Path) -> None:
        temporary.write_text("ne")
        raise error

    with pytest.raises(type(error)):
        files.write_with(path, writer)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
        (errno.EDQUOT, "Disk quota exceeded"),
    ],
)
def test_a_disk_that_refuses_is_one_line_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, words: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, call, refusing(number))
    with pytest.raises(RunFailed) as caught:
        files.write_text(path, "new")
    assert str(caught.value) == f"cannot write {path}: {words}"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """The system really refuses here, half-way through the data: a limit on file size stands in for a full disk."""
    path = tmp_path / "file"
    path.write_text("old")
    child = python(
        """
        import resource, sys
        from pathlib import Path
        from seekcli import files
        from seekcli.runs import exclusive
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            files.write_bytes(Path(sys.argv[1]), bytes(1_000_000))
        except files.RunFailed as error:
            print(error)
    """,
        path,
    )
    output, problems = child.communicate(timeout=60)
    assert output == f"cannot write {path}: File too large\n", problems
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_what_safetensors_says_of_the_system_is_understood(tmp_path: Path) -> None:
    """Its errors are no OSError; the number is in their text."""
    with pytest.raises(RunFailed, match=r"cannot write .*model\.safetensors: No such file or directory"):
        files.write_with(tmp_path / "model.safetensors", lambda path: save_file({}, path / "in no folder"))


def test_a_right_to_write_that_is_lost_in_the_middle_leaves_the_file_of_the_heir(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(b"of the heir")
    calls = []

    def check() -> None:
        calls.append(len(list(tmp_path.iterdir())))
        if len(calls) > 1:
            raise LostLease("lost")

    for change in (lambda: files.write_bytes(path, b"late", check), lambda: files.write_json(path, {}, check)):
        calls.clear()
        with pytest.raises(LostLease):
            change()
        assert calls[:2] == [1, 2], "before anything is written, and again when all is"
        assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("status.json", b"of the heir")]


@pytest.mark.parametrize("change", [files.remove, files.quarantine])
@pytest.mark.parametrize("is_folder", [False, True])
def test_nothing_is_removed_or_renamed_without_the_right_to(
    tmp_path: Path, change: Callable[..., object], is_folder: bool
) -> None:
    path = tmp_path / "checkpoint"
    (path if is_folder else path.parent).mkdir(exist_ok=True)
    (path / "a" if is_folder else path).write_bytes(b"of the heir")
    before = sorted(tmp_path.rglob("*"))

    def check() -> None:
        raise LostLease("lost")

    with pytest.raises(LostLease):
        change(path, check)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunFailed, match="Is a directory"):
        files.write_text(tmp_path / "taken", "new")
    assert names(tmp_path) == ["taken"]


def test_a_killed_writer_leaves_the_old_file_and_litter_that_can_be_swept(tmp_path: Path) -> None:
    path = tmp_path / "below" / "weights.safetensors"
    files.write_text(path, "old")
    child = python(
        """
        import sys, time
        from pathlib import Path
        from seekcli import files
        from seekcli.runs import exclusive
        def writer(temporary):
            temporary.write_text("half of the ne")
            print("half", flush=True)
            time.sleep(60)
        files.write_with(Path(sys.argv[1]), writer)
    """,
        path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    child.send_signal(signal.SIGKILL)
    assert child.wait(timeout=60) == -signal.SIGKILL
    child.communicate()

    assert path.read_text() == "old"
    (litter,) = set(names(path.parent)) - {path.name}
    assert f".{child.pid}-" in litter
    (path.parent / ".hidden").write_text("somebody's")
    (path.parent / ".lease.17-0123456789abcdef.tmp.json").write_text("another process may be about to link this")
    files.remove_leftovers(tmp_path)
    assert names(path.parent) == [".hidden", ".lease.17-0123456789abcdef.tmp.json", path.name]


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    size = 3_000_000
    path.write_bytes(b"a" * size)
    for delay_seconds in (0.0, 0.003, 0.011, 0.017, 0.023, 0.031):
        child = python(
            """
            import sys
            from pathlib import Path
            from seekcli import files
            from seekcli.runs import exclusive
            print("started", flush=True)
            while True:
                for letter in (b"a", b"b"):
                    files.write_bytes(Path(sys.argv[1]), letter * int(sys.argv[2]))
        """,
            path,
            size,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "started\n"
        time.sleep(delay_seconds)
        child.kill()
        child.communicate(timeout=60)
        data = path.read_bytes()
        assert len(data) == size
        assert len(set(data)) == 1


def test_exclusive_creation_has_one_winner(tmp_path: Path) -> None:
    threads = 16
    start = Barrier(threads)

    def race(number: int) -> bool:
        start.wait()
        return exclusive.create_exclusive(tmp_path / "file", str(number).encode())

    with ThreadPoolExecutor(threads) as pool:
        won = list(pool.map(race, range(threads)))
    assert won.count(True) == 1
    assert (tmp_path / "file").read_text() == str(won.index(True))
    assert names(tmp_path) == ["file"]


def test_exclusive_creation_believes_the_link_and_not_a_repeated_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", repeated)
    assert exclusive.create_exclusive(tmp_path / "file", b"ours")
    assert not exclusive.create_exclusive(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"ours"


def test_exclusive_creation_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    assert exclusive.create_exclusive(tmp_path / "file", b"first")
    assert not exclusive.create_exclusive(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_exclusive_creation_fails_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailed, match="No such file or directory"):
        exclusive.create_exclusive(tmp_path / "missing" / "file", b"")
    monkeypatch.setattr(os, "link", refusing(errno.ENOSPC))
    with pytest.raises(RunFailed, match="No space left on device"):
        exclusive.create_exclusive(tmp_path / "file", b"")
    assert names(tmp_path) == []


def test_folders_are_made_or_refused(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="cannot make folder"):
        files.make_folder(tmp_path / "file" / "below")


def test_mounts_that_cannot_sync_folders_are_put_up_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def files_only(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", files_only)
    files.write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_remove(tmp_path: Path) -> None:
    files.write_text(tmp_path / "folder" / "below" / "file", "")
    files.write_text(tmp_path / "kept" / "file", "")
    files.write_text(tmp_path / "file", "")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "file", "link", "missing"):
        files.remove(tmp_path / name)
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == ["file"]


def test_remove_says_what_it_could_not_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(os, "rename", refusing(errno.EROFS))
    with pytest.raises(RunFailed, match=r"cannot remove .*folder: Read-only file system"):
        files.remove(tmp_path / "folder")


@pytest.mark.parametrize("data", [b"", b'{"epochs": 2', b"\xff\xfe\x00", b"epochs: 2"])
def test_damaged_json_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path} is damaged (not JSON: ")


def test_unreadable_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"missing\.json does not exist"):
        read_document(tmp_path / "missing.json")
    with pytest.raises(BadInput, match=r"cannot read .*: Is a directory"):
        read_document(tmp_path)


def test_quarantine_counts_up_and_takes_folders(tmp_path: Path) -> None:
    for number in (1, 2):
        files.write_text(tmp_path / "state.json", str(number))
        assert files.quarantine(tmp_path / "state.json") == tmp_path / f"state.json.damaged-{number}"
    (tmp_path / "state.json.damaged-1").unlink()
    files.write_text(tmp_path / "state.json" / "inside", "3")
    assert files.quarantine(tmp_path / "state.json") == tmp_path / "state.json.damaged-1"
    assert (tmp_path / "state.json.damaged-1" / "inside").read_text() == "3"
    assert (tmp_path / "state.json.damaged-2").read_text() == "2"
    with pytest.raises(RunFailed, match="No such file"):
        files.quarantine(tmp_path / "state.json")


def test_set_aside_keeps_every_old_run(tmp_path: Path) -> None:
    run_dir = tmp_path / "runs" / "resnet20_s0"
    moved = []
    for number in range(3):
        files.write_text(run_dir / "status.json", str(number))
        moved.append(files.set_aside(run_dir))
        assert not run_dir.exists()
    assert len(set(moved)) == 3
    assert {path.parent for path in moved} == {tmp_path / "runs" / ".replaced"}
    assert all(path.name.startswith("resnet20_s0-2") for path in moved)
    assert [(path / "status.json").read_text() for path in moved] == ["0", "1", "2"]
    with pytest.raises(RunFailed, match="cannot set"):
        files.set_aside(run_dir)


@pytest.mark.parametrize("content", [[], [".gitkeep"], ["runs/"], ["reports/", "notes.txt"], ["published/"]])
def test_results_folders_that_will_do(tmp_path: Path, content: list[str]) -> None:
    for name in content:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text("")
    before = names(tmp_path)
    files.require_results_folder(tmp_path)
    files.require_results_folder(tmp_path / "missing" / "below")
    assert names(tmp_path) == before


def test_results_folders_that_will_not_do(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "runs").write_text("a file of this name makes no folder ours")
    for name, words in {
        "photos": r"holds something else \(cat\.png",
        "file": "is not a folder",
        "link": "is not a folder",
        "file/below": "file is not a folder",
        "named": "holds something else",
    }.items():
        with pytest.raises(BadInput, match=words) as caught:
            files.require_results_folder(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_results_folder_is_really_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def recording(path: Path, mode: str) -> Any:
        tried.append(path)
        return builtins.open(path, mode)

    monkeypatch.setattr(files, "open", recording, raising=False)
    files.require_results_folder(tmp_path / "new" / "results")
    assert [path.parent for path in tried] == [tmp_path]
    assert names(tmp_path) == []
    monkeypatch.setattr(files, "open", refusing(errno.EACCES), raising=False)
    with pytest.raises(BadInput, match=r"results folder .*results is not writable: Permission denied"):
        files.require_results_folder(tmp_path / "new" / "results")


def test_too_little_disk_is_told_in_human_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2_500_000))
    files.require_free_bytes(tmp_path / "new" / "results", 2_500_000)
    with pytest.raises(BadInput) as caught:
        files.require_free_bytes(tmp_path / "new" / "results", 40_000_000_000)
    assert str(caught.value) == f"not enough disk at {tmp_path / 'new' / 'results'}: needs 40 GB, has 2.5 MB"


def test_free_disk_is_asked_of_the_nearest_folder(tmp_path: Path) -> None:
    files.require_free_bytes(tmp_path / "new" / "results", 1)
    with pytest.raises(BadInput, match=r"needs 1e\+06 TB|needs 1,000,000 TB"):
        files.require_free_bytes(tmp_path / "new" / "results", 10**18)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1234567, "1.23 MB"),
        (999_900, "1 MB"),
        (5_400_000_000, "5.4 GB"),
        (2.5e12, "2.5 TB"),
        (10**18, "1,000,000 TB"),
    ],
)
def test_human_bytes(count: float, words: str) -> None:
    assert human_bytes(count) == words


def test_the_clock_is_that_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "before").write_text("")
    now_seconds = exclusive.clock_seconds(tmp_path)
    (tmp_path / "after").write_text("")
    assert (tmp_path / "before").stat().st_mtime <= now_seconds <= (tmp_path / "after").stat().st_mtime
    assert names(tmp_path) == ["after", "before"]


def test_json_is_plain(tmp_path: Path) -> None:
    """Other programs read these files."""
    files.write_json(tmp_path / "file.json", {"a": 1})
    assert json.loads((tmp_path / "file.json").read_text()) == {"a": 1}
    assert (tmp_path / "file.json").read_text().endswith("}\n")


def test_what_another_process_tries_a_results_folder_with_is_no_content(tmp_path):
    (tmp_path / ".probe.123-0123456789abcdef.tmp").touch()
    files.require_results_folder(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_json_holds_a_number_that_is_none(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "value.json", {"accuracy": [value]})
    assert not list(tmp_path.iterdir())
