"""`--engine slurm`: what is submitted, what elements leave in the folder, and who queues again. No Slurm is needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_slurm import GRID as BASE_GRID, put_on_path, seek, write_grid

from seekcli.engines.slurm import ArrayElement
from seekcli.grid.engine_settings import limit_seconds
from seekcli.grid.plan import points_of_grid
from seekcli.grid.schema import read_grid
from seekcli.grid.submission import SubmissionFolder, Submissions

# The debug executor of submitit leaves its log files open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

GRID = BASE_GRID + '[engine.slurm]\ncomment = "a test"\n'
# It keeps what it was given in a file beside it, and answers as Slurm does.
FAKES = {
    "sbatch": '#!/bin/sh\ncp "$1" "$(dirname "$0")/submitted"\necho "Submitted batch job 42"\n',
}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return write_grid(tmp_path, GRID)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that look like Slurm's."""
    return put_on_path(tmp_path / "bin", FAKES, monkeypatch)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of an element is called, and no process is started for it."""
    monkeypatch.setattr(ArrayElement, "run_worker", lambda self: seek(*words_of(self)).exit_code)


def last_folder(results: Path, grid: Path) -> SubmissionFolder:
    return Submissions.of(results, read_grid(grid)).folders()[-1]


def words_of(element: ArrayElement) -> list[str]:
    return element.work.words(element.number, str(SubmissionFolder(element.folder).order_path))


def test_one_array_is_submitted_with_what_was_said(grid: Path, slurm: Path, tmp_path: Path) -> None:
    words = ["--slurm", "partition=gpu time=30", "--slurm", "gpus_per_task=1", "--per-gpu", "2"]
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm", *words)
    assert result.exit_code == 0, result.output
    assert "job 42, 2 elements for 4 runs" in result.stderr
    said = [line.removeprefix("#SBATCH --") for line in (slurm / "submitted").read_text().splitlines()]
    assert {"array=0-1%2", "partition=gpu", "time=30", "gpus-per-task=1", "comment='a test'", "requeue"} <= set(said)
    assert {"signal=USR2@90", "job-name=seek-grid"} <= set(said)
    assert not [line for line in said if line.startswith("wckey")]
    order = json.loads(last_folder(tmp_path / "r", grid).order_path.read_text())
    assert order["assignments"] == ["runtime.device=cuda"], "this machine plans, and others train"
    status = seek("grid", "status", grid, "--out", tmp_path / "r").stdout
    assert status.splitlines() == [
        "4 runs: 4 queued; time left not known", "slurm job 42: 2 elements, 2 queued",
    ]  # fmt: skip


def test_cancel_ends_what_waits_and_lets_save_what_runs(grid: Path, slurm: Path, tmp_path: Path) -> None:
    seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm")
    result = seek("grid", "cancel", grid, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert (slurm / "cancelled").read_text().splitlines() == ["--state=PENDING 42", "--signal=USR2 --state=RUNNING 42"]
    assert seek("grid", "status", grid, "--out", tmp_path / "r").stdout.startswith("4 runs: 4 new")


def test_workers_of_this_machine_do_not_hold_the_pipe_of_the_command() -> None:
    code = """if True:
        import subprocess
        from seekcli.engines.slurm import without_output
        with without_output(True):
            started = subprocess.Popen(["sleep", "100"])
        print(started.pid)
    """
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60, check=True)
    os.kill(int(done.stdout), signal.SIGKILL)


def test_in_this_process_every_point_is_done_and_another_engine_finds_it_done(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: None
) -> None:
    words = ["--out", tmp_path / "r", "--engine", "slurm", "--slurm", "cluster=debug elements=2"]
    result = seek("grid", "run", grid, *words)
    assert result.exit_code == 0, result.output
    assert seek("grid", "status", grid, "--out", tmp_path / "r").stdout == "4 runs: 4 finished\n"
    cancelled = seek("grid", "cancel", grid, "--out", tmp_path / "r")
    assert (cancelled.exit_code, cancelled.stderr.endswith(" has ended: nothing is left to cancel\n")) == (0, True)
    assert "4 done already" in seek("grid", "run", grid, "--out", tmp_path / "r").stderr
    assert "nothing is left to do" in seek("grid", "run", grid, *words).stderr
    more = grid.read_text().replace("seeds = 4", "seeds = 6")
    grid.write_text(more, encoding="utf-8")
    longer = seek("grid", "run", grid, *words)
    assert "2 elements for 2 runs" in longer.stderr
    assert "of work in the longest, by finished runs); what does not fit is queued again" in longer.stderr
    grid.write_text(more.replace("seeds = 6", "seeds = 7"), encoding="utf-8")
    monkeypatch.setattr("seekcli.grid.standing.failed_points", lambda plan: frozenset([plan.points[-1].key]))
    retried = seek("grid", "retry", grid, *words)
    assert "2 elements for 1 run" in retried.stderr
    assert "of work in the longest, by finished runs)" in retried.stderr


@pytest.mark.parametrize(("cancelled", "state"), [(False, "requeued"), (True, "ended")])
def test_who_was_asked_to_stop_is_queued_again_and_not_after_a_cancel(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancelled: bool, state: str
) -> None:
    """The worker ends as one does that was asked to stop."""

    def stopped(element: ArrayElement) -> int:
        if cancelled:
            folder = SubmissionFolder(element.folder)
            folder.write(submission_of(element, cancelled=True))
        return 75

    monkeypatch.setattr(ArrayElement, "run_worker", stopped)
    seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm", "--slurm", "cluster=debug elements=1")
    folder = last_folder(tmp_path / "r", grid)
    element = json.loads((folder.path / "element-0.json").read_text())
    assert element["state"] == state


def submission_of(element: ArrayElement, cancelled: bool):
    from seekcli.grid.submission import Submission

    return Submission(
        engine="slurm", cluster="debug", job="1", elements=1, submitted_at=element.submitted_at, cancelled=cancelled
    )


@pytest.mark.slow
def test_processes_of_submitit_do_a_point_and_are_waited_for(grid: Path, tmp_path: Path) -> None:
    grid.write_text(GRID.replace("seeds = 4", "seeds = 1"), encoding="utf-8")
    words = ["--engine", "slurm", "--slurm", "cluster=local", "--wait", "--progress", "plain"]
    result = seek("grid", "run", grid, "--out", tmp_path / "r", *words)
    assert result.exit_code == 0, result.output
    name = points_of_grid(grid)[0].run_id
    assert f"[1/1] {name} finished: base " in result.stderr
    assert seek("grid", "status", grid, "--out", tmp_path / "r").stdout == "1 run: 1 finished\n"


BAD = [
    (["--engine", "slurmm"], "unknown --engine 'slurmm'; did you mean 'slurm'? (one of: local, ray, slurm)"),
    (["--slurm", "time=1"], "--slurm is for --engine slurm, and not for --engine local"),
    (["--ray-address", "x"], "--ray-address is for --engine ray, and not for --engine local"),
    (["--wait"], "--wait is for --engine slurm: --engine local waits always"),
    (["--engine", "slurm", "--slurm", "partitoin=a"], "unknown key of --slurm: 'partitoin'; did you mean 'partition'?"),
    (["--engine", "slurm", "--slurm", "time"], "--slurm 'time': expected KEY=VALUE, such as time=60"),
    (["--engine", "slurm", "--slurm", "cpus_per_task=a"], "--slurm cpus_per_task: expected a whole number, got 'a'"),
    (["--engine", "slurm", "--slurm", "cluster=mine"], "unknown --slurm cluster: 'mine'"),
    (["--engine", "slurm", "--per-gpu", "2"], "--per-gpu 2: the elements ask for no GPU: add --slurm gpus_per_task=1"),
    (
        ["--engine", "slurm", "--jobs", "3"],
        "--jobs is for --engine local, and not for --engine slurm: say --slurm elements=N",
    ),
    (
        ["--engine", "slurm", "--slurm", "time=2"],
        "--slurm time=2: Slurm asks elements to stop 90 s (signal_delay_s) before, or 60 s sooner: 3 minutes at least",
    ),
    (["--engine", "slurm", "--slurm", "time=0:20:00 signal_delay_s=1200"], "22 minutes at least"),
    (["--engine", "slurm"], "--engine slurm: there is no sbatch and srun on PATH"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_words_are_one_line_and_nothing_is_written(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = seek("grid", "run", grid, "--out", tmp_path / "r", *words)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_a_limit_of_the_file_that_is_too_short_is_told_as_that(grid: Path, tmp_path: Path) -> None:
    text = grid.read_text(encoding="utf-8")
    grid.write_text(text.replace("[engine.slurm]", "[engine.slurm]\ntime = 2"), encoding="utf-8")
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"grid file {grid}, [engine.slurm] time=2: Slurm asks elements to stop" in result.stderr


def test_an_extra_that_is_not_installed_is_told_with_its_command(grid: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--engine slurm needs submitit: pip install 'seekcli[slurm]'" in result.stderr


def test_what_slurm_refuses_is_told_in_its_words_and_leaves_nothing(grid: Path, slurm: Path, tmp_path: Path) -> None:
    (slurm / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2\nexit 1\n")
    result = seek("grid", "run", grid, "--out", tmp_path / "r", "--engine", "slurm", "--slurm", "partition=x")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "nothing was submitted: sbatch: error: invalid partition specified: x" in result.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[engine.slurm]\npartitoin = 'a'", "line 10: unknown key in engine.slurm: 'partitoin'; did you mean 'part"),
        ("[engine.slrum]\ntime = 1", "line 9: unknown table in engine: 'slrum'; did you mean 'slurm'?"),
        ("[engine.slurm]\ncpus_per_task = 0", "line 10: engine.slurm.cpus_per_task: expected a number above 0"),
        ("[engine.slurm]\nexclusive = 1", "line 10: engine.slurm.exclusive: expected true or false, got 1"),
        ("[engine]\nslurm = 3", "engine must hold tables, such as [engine.slurm]"),
    ],
)
def test_errors_of_the_table_in_the_file_have_their_line(grid: Path, table: str, said: str) -> None:
    grid.write_text(GRID.partition("[engine.slurm]")[0] + table, encoding="utf-8")
    result = seek("grid", "plan", grid)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr


@pytest.mark.parametrize(
    ("time", "seconds"),
    [(3, 180), ("3", 180), ("3:30", 210), ("1:00:00", 3600), ("1-0", 86400), ("1-2:3", 93780), ("1-2:3:4", 93784)],
)
def test_limits_are_read_as_sbatch_reads_them(time: str | int, seconds: int) -> None:
    assert limit_seconds(time) == seconds
    assert limit_seconds("UNLIMITED") is limit_seconds("") is limit_seconds("0:00") is None


def test_keys_of_sbatch_are_those_that_submitit_passes_on() -> None:
    from submitit.slurm.slurm import SlurmExecutor

    from seekcli.grid.engine_settings import SBATCH

    assert set(SBATCH) <= SlurmExecutor._valid_parameters()


def test_files_of_an_earlier_array_say_nothing(grid: Path, slurm: Path, tmp_path: Path, in_process: None) -> None:
    words = ["--out", tmp_path / "r", "--engine", "slurm"]
    seek("grid", "run", grid, *words, "--slurm", "cluster=debug elements=1", "--set", "train.steps=2")
    time.sleep(0.01)
    seek("grid", "run", grid, *words)
    assert "slurm job 42: 4 elements, 4 queued" in seek("grid", "status", grid, "--out", tmp_path / "r").stdout
    again = seek("grid", "run", grid, *words)
    assert "note: job 42 of this grid may still be in the queue; the two share the work" in again.stderr


def test_two_grids_of_one_name_have_a_submission_each(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "g.toml" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
    first, second = (Submissions.of(tmp_path / "r", read_grid(path, text="[settings]\n")).path for path in paths)
    assert first.parent == second.parent == tmp_path / "r" / "engines"
    assert first != second
    (tmp_path / "link").symlink_to(tmp_path / "a")
    same = read_grid(tmp_path / "link" / "g.toml", text="[settings]\n")
    assert Submissions.of(tmp_path / "r", same).path == first
