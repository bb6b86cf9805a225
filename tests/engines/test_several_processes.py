"""One run of several processes: the first leads and writes, the others follow; stopped, failed and resumed."""

from __future__ import annotations

import math
import os

import pytest
from joined_processes import in_processes
from resumed_runs import StopAfter, content
from tiny import tiny

from seekcli.engines import leading
from seekcli.engines.following import follow
from seekcli.engines.local import LocalEngine, Observer
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, SeekError
from seekcli.ranks import Ranks
from seekcli.runs.folder import RunFolder
from seekcli.runs.lease import Lease
from seekcli.train.progress import Progress

TWO = {"train__processes": 2, "train__epochs": 2, "train__batch_size": 8}  # 24 images: 3 steps an epoch


@pytest.fixture(autouse=True)
def told_by_a_launcher(monkeypatch):
    """The number alone is looked at here: the test joins the processes itself."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)


def led(lead, stop_requested=lambda: None):
    """What `lead` gives in the first of two processes, and how the other one ended; errors in words."""

    def work(ranks: Ranks):
        try:
            if not ranks.first:
                follow(ranks, stop_requested)
                return "left"
            try:
                return lead(ranks)
            finally:
                leading.others_leave(ranks)
        except SeekError as error:
            return f"{type(error).__name__}: {error}"

    return in_processes(2, work)


def train_two(resolved, results, progress=None, stop_of_other=lambda: None):
    def lead(ranks):
        reason = getattr(progress, "reason", lambda: None)
        return train_run(resolved, results, progress, stop_requested=reason, ranks=ranks).state

    return led(lead, stop_of_other)


def test_only_the_first_process_writes_and_the_record_says_how_many_there_were(tmp_path, monkeypatch):
    resolved, leases, acquire = tiny(**TWO), tmp_path / "leases", Lease.acquire

    def counted(path):
        with leases.open("a") as log:
            log.write("a lease\n")
        return acquire(path)

    monkeypatch.setattr(Lease, "acquire", counted)
    assert train_two(resolved, tmp_path / "results") == ["finished", "left"]
    run = RunFolder.of(tmp_path / "results", resolved.config)
    assert leases.read_text() == "a lease\n"
    assert run.environment()["processes"] == 2
    assert run.config().train.processes == 2
    assert {row["base_images"] + row["motivated_images"] for row in run.epochs()} == {24}  # of the whole batches


@pytest.mark.slow
def test_a_run_that_is_stopped_and_resumed_equals_one_that_was_not(tmp_path):
    resolved = tiny(**TWO)
    first = train_two(resolved, tmp_path / "parts", StopAfter(2))  # within the first epoch
    assert first == ["Stopped: test: saved at step 2; the same command again goes on from here", "Stopped: "]
    assert RunFolder.of(tmp_path / "parts", resolved.config).status().state == "stopped"
    train_two(resolved, tmp_path / "parts", StopAfter(2))  # within the second
    for results in ("parts", "whole"):
        assert train_two(resolved, tmp_path / results) == ["finished", "left"]
    assert_equal_runs(resolved, tmp_path)


def assert_equal_runs(resolved, folder):
    whole, parts = (content(RunFolder.of(folder / each, resolved.config).path) for each in ("whole", "parts"))
    assert whole == parts


@pytest.mark.slow
def test_a_stop_that_another_process_hears_of_stops_all(tmp_path):
    resolved = tiny(**TWO)
    first, other = train_two(resolved, tmp_path, None, lambda: "SIGUSR1")
    assert first.startswith("Stopped: SIGUSR1: saved at step 1;")
    assert other == "Stopped: "
    status = RunFolder.of(tmp_path, resolved.config).status()
    assert (status.state, status.steps_saved) == ("stopped", 1)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_which_can_be_resumed(tmp_path):
    resolved, asked = tiny(**TWO, runtime__checkpoint_minutes=0.0), []

    def dies():
        asked.append(1)
        if len(asked) == 4:  # in the second epoch
            os._exit(9)

    first, other = train_two(resolved, tmp_path / "parts", None, dies)
    assert first.startswith("LostProcess: another process of this run is gone; what was saved is kept")
    assert other is None
    status = RunFolder.of(tmp_path / "parts", resolved.config).status()
    assert (status.state, status.steps_saved) == ("stopped", 3)
    assert status.message == first.removeprefix("LostProcess: ")
    for results in ("parts", "whole"):
        assert train_two(resolved, tmp_path / results) == ["finished", "left"]
    assert_equal_runs(resolved, tmp_path)


class Ends(Observer):
    """Keeps how each run ended."""

    def __init__(self, progress=None):
        self.seen, self.progress = [], progress or Progress()

    def begins(self, resolved, state):
        return self.progress

    def ended(self, outcome, begun):
        self.seen.append((outcome.state, outcome.cause[:15]))


@pytest.mark.slow
def test_a_run_that_fails_in_all_alike_leaves_the_next_one_to_be_trained(tmp_path):
    def lead(ranks):
        ends = Ends()
        LocalEngine(tmp_path, ends, ranks=ranks).run([tiny(**TWO, optimizer__lr=1e30), tiny(**TWO, seed=1)])
        return ends.seen

    assert led(lead) == [[("failed", "non-finite loss"), ("finished", "")], "left"]


@pytest.mark.slow
def test_a_gradient_that_is_found_infinite_when_it_is_saved_fails_all_alike(tmp_path, monkeypatch):
    """The first process looks at it to save, the others because it does: none goes on to a step of its own."""
    added, calls = Ranks.sum_gradients, []

    def infinite_once(ranks, parameters):
        added(ranks, parameters)
        calls.append(1)
        if len(calls) == 2:
            parameters[0].grad.fill_(math.inf)

    monkeypatch.setattr(Ranks, "sum_gradients", infinite_once)
    saving = {**TWO, "runtime__checkpoint_minutes": 0.0}

    def lead(ranks):
        ends = Ends()
        LocalEngine(tmp_path, ends, ranks=ranks).run([tiny(**saving), tiny(**saving, seed=1)])
        return ends.seen

    assert led(lead) == [[("failed", "non-finite grad"), ("finished", "")], "left"]


class FullDisk(Progress):
    def stepped(self, epoch, steps_done, role, loss, images):
        raise RunFailed("the disk is full")


@pytest.mark.slow
def test_what_the_first_process_meets_in_a_step_ends_all(tmp_path):
    """The others wait in the midst of a step: no further run can begin with them."""
    runs = [tiny(**TWO), tiny(**TWO, seed=1)]
    first, other = led(lambda ranks: LocalEngine(tmp_path, Ends(FullDisk()), ranks=ranks).run(runs))
    assert first.startswith("LostProcess: the processes have parted, since a run failed in the midst of a step")
    assert other.startswith("LostProcess: another process of this run is gone")
    status = RunFolder.of(tmp_path, runs[0].config).status()
    assert (status.state, status.message) == ("failed", "the disk is full")


def test_a_run_is_refused_in_another_number_of_processes(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"train.processes is 3, and there are 2 processes here: torchrun .* 3 -m seek"):
        train_run(tiny(train__processes=3, train__batch_size=8), tmp_path, ranks=Ranks(0, 2))
    with pytest.raises(BadInput, match=r"2 processes were started together, and only `seek train` splits a run"):
        train_run(tiny(), tmp_path)
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(BadInput, match=r"train.processes is 2, and there is one process here"):
        train_run(tiny(**TWO), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_data_in_another_process_is_refused(tmp_path, monkeypatch):
    resolved = tiny(**TWO)
    monkeypatch.setattr(leading, "facts_of", lambda dataset: [os.getpid()])
    words = f"process 1 of 2 (counted from 0): --data {resolved.config.data.name} is other data here"
    assert train_two(resolved, tmp_path) == [f"RunFailed: {words}", "left"]
    assert not list(tmp_path.rglob("config.json"))
