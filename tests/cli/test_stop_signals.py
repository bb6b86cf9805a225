"""Signals that ask a run to stop: it saves, says so, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import seek

from seekcli.cli.stop import ENDS_WITH_COMMAND, StopSwitch
from seekcli.engines.run import RecordedTraining
from seekcli.errors import Stopped
from seekcli.runs.scan import RunSummary, scan_runs
from seekcli.stop_signals import STOP_SIGNALS

TINY = ("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--schedule", "base")
TINY += ("--epochs", "1", "--batch-size", "12", "--device", "cpu", "--progress", "plain")


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> list[signal.Signals]:
    """The signals that reach the process in the first step of a run that begins."""
    numbers: list[signal.Signals] = []
    after_step = RecordedTraining.after_step

    def step(run: Any) -> None:
        while numbers:
            os.kill(os.getpid(), numbers.pop(0))
        after_step(run)

    monkeypatch.setattr(RecordedTraining, "after_step", step)
    return numbers


def only_run(results: Path) -> RunSummary:
    (run,) = scan_runs([results])
    return run


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_saves_and_leaves_with_75(
    number: signal.Signals, signalled: list[signal.Signals], tmp_path: Path
) -> None:
    signalled.append(number)
    before = signal.getsignal(number)
    stopped = seek(*TINY, "--out", tmp_path)
    assert stopped.exit_code == 75, stopped.output
    assert f"seek: stopped by {number.name}: saved at step 1; the same command again goes on" in stopped.stderr
    assert signal.getsignal(number) == before
    run = only_run(tmp_path)
    assert run.state == "stopped"
    assert run.message == f"stopped by {number.name}; resumable: the same command goes on with it"
    assert run.status is not None
    assert run.status.steps_saved == 1
    if number == signal.SIGHUP:
        again = seek(*TINY, "--out", tmp_path)
        assert (again.exit_code, only_run(tmp_path).state) == (0, "finished")
        assert "going on from step 1" in again.stdout


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    number: signal.Signals, signalled: list[signal.Signals], tmp_path: Path
) -> None:
    """`nohup seek train`, and Ctrl-C for what a script started with `&`."""
    signalled.append(number)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert seek(*TINY, "--out", tmp_path).exit_code == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert only_run(tmp_path).state == "finished"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_leaves_at_once_and_the_run_is_resumable(
    first: signal.Signals, signalled: list[signal.Signals], tmp_path: Path
) -> None:
    signalled += [first, signal.SIGINT]
    left = seek(*TINY, "--out", tmp_path)
    assert (left.exit_code, left.stderr.splitlines()[-1]) == (130, "seek: error: interrupted")
    assert "Traceback" not in left.output
    (row,) = json.loads(seek("list", "runs", "--out", tmp_path, "--format", "json").stdout)
    assert (row["state"], row["message"]) == ("interrupted", "dead, resumable: the same command goes on with it")


def test_once_it_is_stopped_a_second_signal_takes_neither_words_nor_exit_code() -> None:
    """A scheduler that sends SIGTERM after SIGUSR2, and torchrun's SIGTERM where another process is gone."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    token = ENDS_WITH_COMMAND.set(True)
    try:
        with pytest.raises(Stopped), StopSwitch().listening():
            raise Stopped("saved")
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # a handler of Python's would be gone at its end
        assert signal.getsignal(signal.SIGINT) == before[signal.SIGINT], "Ctrl-C ends it at once"
    finally:
        ENDS_WITH_COMMAND.reset(token)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
def test_signals_again_and_again_end_in_75(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "seekcli", *TINY, "--epochs", "4000", "--out", str(tmp_path)]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/epochs.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    while child.poll() is None:
        child.send_signal(signal.SIGTERM)
        time.sleep(0.002)
    assert child.stderr is not None
    said = child.stderr.read()
    assert child.returncode == 75, said
    assert "stopped by SIGTERM: saved at step " in said.splitlines()[-1]


def test_windows_has_some_of_them() -> None:
    assert {"SIGINT", "SIGTERM"} <= {number.name for number in STOP_SIGNALS}
