"""Several arrays of one grid, one after the other: each has an order of its own, and all of them are cancelled."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_slurm import GRID, put_on_path, seek, write_grid

import seekcli.engines.slurm
from seekcli.engines.engine import Work
from seekcli.engines.slots import Slot
from seekcli.engines.slurm import ArrayElement
from seekcli.grid.schema import read_grid
from seekcli.grid.submission import Submission, Submissions

# Jobs are numbered as Slurm does it; squeue knows those that stand in the file `queue` beside it.
FAKES = {
    "sbatch": '#!/bin/sh\ncd "$(dirname "$0")"\necho >> jobs\necho "Submitted batch job $(wc -l < jobs)"\n',
    "squeue": '#!/bin/sh\ngrep -x "$3" "$(dirname "$0")/queue" || { echo "Invalid job id" >&2; exit 1; }\n',
}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return write_grid(tmp_path, GRID)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = put_on_path(tmp_path / "bin", FAKES, monkeypatch)
    (folder / "queue").write_text("1\n2\n")
    return folder


def orders(results: Path, grid: Path) -> list[list[str]]:
    """What the elements of each array are told beyond the file."""
    folders = Submissions.of(results, read_grid(grid)).folders()
    return [json.loads(folder.order_path.read_text())["assignments"] for folder in folders]


def test_each_array_keeps_its_order_and_all_are_shown_and_cancelled(grid: Path, slurm: Path, tmp_path: Path) -> None:
    words = ["grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm"]
    first, second = (seek(*words, "--set", f"train.ema_decay={decay}").stderr for decay in (0.5, 0.9))
    assert "may still be in the queue" not in first
    assert "note: job 1 of this grid may still be in the queue; the two share the work" in second
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: no' >&2\nexit 1\n")
    assert seek(*words).exit_code == 2
    assert [each[0] for each in orders(tmp_path / "r", grid)] == ["train.ema_decay=0.5", "train.ema_decay=0.9"]
    status = seek("grid", "status", grid, "--out", tmp_path / "r").stdout.splitlines()
    assert status[1:] == ["slurm job 1: 4 elements, 4 queued", "slurm job 2: 4 elements, 4 queued"]
    said = json.loads(seek("grid", "status", grid, "--out", tmp_path / "r", "--format", "json").stdout)
    assert [said["engine"]["job"], *(one["job"] for one in said["other_engines"])] == ["2", "1"]
    done = seek("grid", "cancel", grid, "--out", tmp_path / "r").stderr.splitlines()
    assert [line[:19] for line in done] == ["job 1 is cancelled:", "job 2 is cancelled:"]
    assert [line.split()[-1] for line in (slurm / "cancelled").read_text().splitlines()] == ["1", "1", "2", "2"]
    assert seek("grid", "status", grid, "--out", tmp_path / "r").stdout.startswith("4 runs: 4 new")


def test_an_array_that_slurm_does_not_know_any_more_is_forgotten(grid: Path, slurm: Path, tmp_path: Path) -> None:
    words = ["grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm"]
    seek(*words)
    (slurm / "queue").write_text("")  # a plain scancel
    assert "may still be in the queue" not in seek(*words).stderr
    assert "slurm job 2: 4 elements, 4 queued" in seek("grid", "status", grid, "--out", tmp_path / "r").stdout
    seek("grid", "cancel", grid, "--out", tmp_path / "r")
    assert [line.split()[-1] for line in (slurm / "cancelled").read_text().splitlines()] == ["2", "2"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="not run: reads /proc")
def test_a_number_that_another_process_has_by_now_is_left_alone(grid: Path, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    lost = Submission(engine="slurm", cluster="local", job=str(other.pid), elements=1, submitted_at=1.0)
    folder = Submissions.of(tmp_path / "r", read_grid(grid)).new(1.0)
    folder.write_order("{}")
    folder.write(lost)
    cancelled = seek("grid", "cancel", grid, "--out", tmp_path / "r")
    assert (cancelled.exit_code, other.poll()) == (0, None), cancelled.output
    other.kill()


@pytest.mark.parametrize(
    ("text", "said"),
    [("{bad", "is damaged (not JSON"), ('{"schema_version": 99}', "a newer seek"), ("{}", "Field required")],
)
def test_an_array_that_cannot_be_read_hides_no_run_and_no_other_array(
    grid: Path, slurm: Path, tmp_path: Path, text: str, said: str
) -> None:
    words = ["--out", tmp_path / "r"]
    for _ in range(2):
        seek("grid", "run", grid, *words, "--engine", "slurm")
    damaged = Submissions.of(tmp_path / "r", read_grid(grid)).folders()[0].path / "submission.json"
    damaged.write_text(text, encoding="utf-8")
    status = seek("grid", "status", grid, *words)
    head, job, problem = status.stdout.splitlines()
    assert (status.exit_code, head[:16], job[:11]) == (0, "4 runs: 4 queued", "slurm job 2")
    assert problem.startswith(str(damaged))
    assert said in problem
    assert problem.endswith("runs are not touched by it, nor where it is removed")
    assert seek("grid", "plan", grid, *words).exit_code == 0
    cancelled = seek("grid", "cancel", grid, *words)
    assert (cancelled.exit_code, cancelled.stderr.splitlines()[0][:19]) == (2, "job 2 is cancelled:")
    assert cancelled.stderr.splitlines()[1] == f"seek: error: {problem}"


def test_watching_ends_where_all_is_done_and_an_array_still_waits(
    grid: Path, slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm")
    monkeypatch.setattr("seekcli.grid.standing.Watch.look", look_finished)
    watched = seek("grid", "status", grid, "--out", tmp_path / "r", "--watch")
    assert watched.stdout == "4 runs: 4 finished\n"


def look_finished(watch) -> None:
    from seekcli.grid.standing import Standing

    watch.standings = {str(n): Standing(str(n), "finished", one.resolved) for n, one in enumerate(watch.plan.points)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_that_is_edited_while_its_array_is_waited_for_is_told(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(element: ArrayElement) -> int:
        grid.write_text(GRID.replace("seeds = 4", "seeds = 5"), encoding="utf-8")
        return 0

    monkeypatch.setattr(ArrayElement, "run_worker", work)
    words = ["--engine", "slurm", "--slurm", "cluster=debug elements=1", "--wait"]
    done = seek("grid", "run", grid, "--out", tmp_path / "r", *words)
    assert done.exit_code == 1, done.output
    assert f"never begun; grid file {grid} was edited while it ran" in done.stderr.splitlines()[-1]
    gc.collect()  # the debug executor of submitit leaves its log files open


def test_a_second_signal_keeps_no_element_from_queueing_again(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexit 75\n", encoding="utf-8")
    worker.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(worker))
    monkeypatch.setattr(seekcli.engines.slurm, "job_here", lambda: "7_0")
    queued: list[str] = []

    def requeue(job: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        queued.append(job)

    monkeypatch.setattr(seekcli.engines.slurm, "requeue", requeue)
    folder = tmp_path / "engines" / "g" / "1"
    before = signal.getsignal(signal.SIGTERM)
    assert ArrayElement(Work(grid, tmp_path, "{}", [Slot(1)]), 0, folder, 1.0, None, 1)() == 75
    assert (queued, signal.getsignal(signal.SIGTERM)) == (["7_0"], before)
