"""Every run that there is, is found once; one that cannot be read is named, never dropped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from record_rows import a_status, alternating_rows, epoch_row, make_run, step_columns

from seekcli import files
from seekcli.errors import BadInput, RunFailed
from seekcli.runs import records
from seekcli.runs.lease import LEASE, Lease, this_machine
from seekcli.runs.scan import scan_runs


def test_a_scan_takes_results_runs_and_single_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    for run_id in ("b", "a"):
        make_run(results / "runs", run_id)
    make_run(results / "runs" / ".replaced", "old")
    make_run(results / "published" / "found", "theirs")
    (results / "runs" / "notes.txt").write_text("")
    for path in (results, results / "runs"):
        assert [(run.run_id, run.path, run.problem) for run in scan_runs([path])] == [
            ("a", results / "runs" / "a", None),
            ("b", results / "runs" / "b", None),
        ]
    (run,) = scan_runs([results / "runs" / "b"])
    assert run.status == a_status("b")
    assert [run.run_id for run in scan_runs([results / "runs" / "b", results, results / "runs"])] == ["b", "a"]
    monkeypatch.chdir(results / "runs" / "b")
    assert [run.run_id for run in scan_runs([Path(), results])] == ["b", "a"]


def test_runs_that_cannot_be_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    make_run(runs, "fine")
    (runs / "empty").mkdir()
    make_run(runs, "cut")
    (runs / "cut" / records.STATUS).write_text('{"run_id": "c')
    make_run(runs, "early")
    (runs / "early" / records.STATUS).unlink()
    found = {run.run_id: run for run in scan_runs([tmp_path])}
    assert {run_id: run.status is None for run_id, run in found.items()} == {
        "cut": True,
        "early": True,
        "empty": True,
        "fine": False,
    }
    assert "damaged" in str(found["cut"].problem)
    assert str(runs / "early" / records.STATUS) in str(found["early"].problem)
    assert {run_id for run_id, run in found.items() if run.is_interrupted} == {"early", "empty"}
    with Lease.acquire(runs / "early"):
        assert [run.state for run in scan_runs([runs / "early"])] == ["begun"]
    assert "nothing is recorded of this run yet" in str(found["empty"].problem)
    (alone,) = scan_runs([runs / "early"])
    assert alone == found["early"]
    monkeypatch.chdir(runs / "early")
    assert [run.run_id for run in scan_runs([Path()])] == ["early"]


def test_a_run_whose_process_is_gone_is_interrupted_and_one_that_is_written_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("killed", "no-lease", "elsewhere", "lost-elsewhere", "written", "asked-to-stop"):
        make_run(runs, name)
        state, said = ("stopped", "stopped by SIGHUP") if "stop" in name else ("running", None)
        records.write_status(runs / name, a_status(name, state=state, message=said))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host, boot_id, namespace = this_machine()
    here = {"token": "a1", "host": host, "boot_id": boot_id, "pid_namespace": namespace, "process_start": "1"}
    there = here | {"host": "another", "boot_id": "another", "pid": os.getpid()}
    (runs / "killed" / LEASE).write_text(json.dumps(here | {"pid": int(gone.stdout)}))
    for name in ("elsewhere", "lost-elsewhere"):
        (runs / name / LEASE).write_text(json.dumps(there))
    os.utime(runs / "lost-elsewhere" / LEASE, (time.time() - 100,) * 2)
    with Lease.acquire(runs / "written"):
        found = {run.run_id: run for run in scan_runs([tmp_path])}
    assert {name: run.state for name, run in found.items()} == {
        **dict.fromkeys(("killed", "no-lease", "lost-elsewhere"), "interrupted"),
        **dict.fromkeys(("elsewhere", "written"), "running"),
        "asked-to-stop": "stopped",
    }
    assert {found[name].message for name in ("elsewhere", "written")} == {None}
    assert found["killed"].message == "dead, resumable: the same command goes on with it"
    assert found["asked-to-stop"].message == "stopped by SIGHUP; resumable: the same command goes on with it"
    assert (runs / "killed" / LEASE).exists()  # whoever reads takes nothing over


def test_a_run_in_a_folder_that_cannot_be_written_to_is_judged_by_its_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "elsewhere"
    make_run(tmp_path / "runs", run.name)
    records.write_status(run, a_status(run.name, state="running"))
    (run / LEASE).write_text("{}")

    def refuse(folder: Path) -> float:
        raise RunFailed(f"cannot write to {folder}: Read-only file system")

    monkeypatch.setattr("seekcli.runs.exclusive.clock_seconds", refuse)
    assert [one.state for one in scan_runs([run])] == ["running"]
    os.utime(run / LEASE, (time.time() - 100,) * 2)
    assert [one.state for one in scan_runs([run])] == ["interrupted"]


def test_a_scan_takes_published_findings(tmp_path: Path) -> None:
    published = tmp_path / "results" / "published"
    make_run(published / "digits", "kept")
    table = published / "cifar10" / records.EPOCHS
    records.write_epochs(table, [*alternating_rows(2, run_id="two"), epoch_row(role="motivated", run_id="classic")])
    records.write_steps(published / "cifar10" / records.STEPS, step_columns(2))
    (published / "cifar10" / "README.md").write_text("")
    (published / "cifar10" / "figures").mkdir()
    found = scan_runs([published])
    assert [(run.run_id, run.path) for run in found] == [
        ("classic", table),
        ("two", table),
        ("kept", published / "digits" / "kept"),
    ]
    status = found[1].status
    assert status is not None
    assert (status.state, status.epochs_done, status.epochs, status.steps_done, status.steps_per_epoch) == (
        "finished",
        2,
        2,
        46,
        23,
    )
    assert status.final == [epoch_row(2, role, run_id="two") for role in ("base", "motivated")]
    assert status.totals == records.totals_of(alternating_rows(2))
    assert status.models == {"base": "resnet20", "motivated": "resnet32"}
    assert scan_runs([published / "cifar10"]) == scan_runs([table]) == found[:2]
    assert scan_runs([published / "digits"]) == found[2:]
    table.write_bytes(table.read_bytes()[:-9])
    assert [run.problem is None for run in scan_runs([published])] == [False, True]


def test_a_scan_that_finds_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere does not exist: .*`seek train`"):
        scan_runs([tmp_path / "nowhere"])
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    for name in ("results", "results/runs", "photos"):
        with pytest.raises(BadInput, match=f"no runs in {tmp_path / name}: .*`seek train`"):
            scan_runs([tmp_path / name])
    make_run(tmp_path / "results" / "published" / "digits", "theirs")
    with pytest.raises(BadInput, match=r"no runs in .*results; published findings are .*results/published/digits$"):
        scan_runs([tmp_path / "results"])
    files.write_text(tmp_path / "photos" / "cat.parquet", "no table")
    (run,) = scan_runs([tmp_path / "photos"])
    assert "cat.parquet is damaged" in str(run.problem)


def test_a_thousand_runs_are_scanned_in_no_time(tmp_path: Path) -> None:
    text = json.dumps(a_status().model_dump(), indent=2)
    for number in range(1000):
        run_dir = tmp_path / "runs" / f"run-{number:04}"
        os.makedirs(run_dir)
        (run_dir / records.STATUS).write_text(text.replace("resnet20-to-32_digits_s0", run_dir.name))
    before_seconds = time.process_time()
    found = scan_runs([tmp_path])
    assert time.process_time() - before_seconds < 1.5
    assert len({run.run_id for run in found if run.status}) == 1000
