"""What a run tells its trackers is what its tables hold, each row once; a tracker that fails never fails a run."""

from __future__ import annotations

import re

import pytest
import torch
from run_content import Notes, content
from tiny import tiny
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.cli.grid_run import Asked, tell_of_trackers
from seekcli.config.identity import run_id
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, Stopped
from seekcli.grid.schema import read_grid
from seekcli.method.roles import ROLES
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.trackers.tracker import Tracker

RUN = tiny(train__epochs=2)  # 12 steps
TRACKED = tiny(train__epochs=2, runtime__track=["tensorboard"])
SMALL = tiny(schedule="base", train__epochs=1, runtime__track=["tensorboard"])
LIBRARIES = ("tensorboard", "wandb", "mlflow", "trackio")


class Remembering(Tracker):
    """It keeps points beyond the life of a process, by key, as a server does; `broken` is the method that raises."""

    broken: str | None = None
    error: BaseException = ConnectionError("no route\nto host")

    def __init__(self, kept):
        self.kept = kept

    def begin(self, run):
        print("the words of a library")
        self.fail_in("begin")
        self.told = run
        self.points = self.kept.setdefault(run.key, [])
        return self.points[-1].step if self.points else 0

    def log(self, points):
        if points:
            self.fail_in("log")
        self.points += points

    def end(self, state):
        self.kept["ended"] = state
        self.fail_in("end")

    def fail_in(self, method):
        if self.broken == method:
            raise self.error


@pytest.fixture
def kept(monkeypatch):
    """What all trackers were told: key -> points."""
    kept = {}
    monkeypatch.setattr("seekcli.trackers.feed.tracker_of", lambda name: Remembering(kept))
    monkeypatch.setattr("seekcli.trackers.catalog.find_spec", lambda name: torch.__spec__)
    return kept


def points_in(kept):
    (points,) = (value for key, value in kept.items() if key != "ended")
    return points


def in_tables(folder):
    """{step: values} by the tables of a run, which is how a tracker shows them."""
    run = RunFolder.open(folder)
    found, steps, rows = {}, run.steps(), run.epochs()
    columns = [steps[name] for name in ("step", "role", "loss", "learning_rate")]
    for step, role, loss, rate in zip(*columns, strict=True):
        found.setdefault(step, {}).update({f"step/{role}_loss": loss, "step/learning_rate": rate})
    for row in rows:
        last = max(step for step, epoch in zip(steps["step"], steps["epoch"], strict=True) if epoch == row["epoch"])
        for name in ("test_accuracy_percent", "train_loss", "evaluation_flops"):
            found[last].update({f"{row['role']}/{name}": row[name]} if row[name] is not None else {})
        found[last].update({f"epoch/{name}": row[name] for name in ("epoch", "switches", "epoch_seconds")})
        totals = records.totals_of(one for one in rows if one["epoch"] <= row["epoch"])
        found[last].update({f"total/{name}": value for name, value in totals.items()})
    return found


def test_a_tracker_is_told_what_the_tables_hold(tmp_path, kept, capsys):
    status = train_run(TRACKED, tmp_path)
    folder = RunFolder.of(tmp_path, RUN.config)
    points, tables = points_in(kept), in_tables(folder.path)
    assert [point.step for point in points] == list(range(1, 13)) == sorted(tables)
    for point in points:
        assert tables[point.step].items() <= point.values.items()
    final = {f"total/{name}": value for name, value in status.totals.items()}
    assert final.items() <= points[-1].values.items()
    known = {*ROLES, "epoch", "total", "step"}
    assert {name.partition("/")[0] for point in points for name in point.values} == known
    assert not any(name.endswith(("/seed", "/run_id", "/role")) for point in points for name in point.values)
    assert kept["ended"] == "finished"
    output = capsys.readouterr()
    assert "words of a library" not in output.out
    assert "words of a library" in output.err


def test_tracking_changes_no_number_and_no_run_id(tmp_path, kept):
    assert run_id(TRACKED.config) == run_id(RUN.config)
    for name, run in (("plain", RUN), ("tracked", TRACKED)):
        train_run(run, tmp_path / name)
    assert kept
    plain, tracked = (content(RunFolder.of(tmp_path / name, RUN.config).path) for name in ("plain", "tracked"))
    assert plain == tracked


def test_a_run_that_goes_on_is_told_further_and_nothing_twice(tmp_path, kept):
    for step in (4, 8):  # of 6 in an epoch
        progress = Notes()
        asked = lambda progress=progress, step=step: "test" if step in progress.steps else None  # noqa: E731
        with pytest.raises(Stopped):
            train_run(TRACKED, tmp_path, progress, stop_requested=asked)
        assert kept["ended"] == "stopped"
        assert [point.step for point in points_in(kept)] == list(range(1, 1 + step // 6 * 6))
    train_run(TRACKED, tmp_path)
    assert [point.step for point in points_in(kept)] == list(range(1, 13))
    assert kept["ended"] == "finished"


def test_a_tracker_that_comes_later_is_told_what_was_before(tmp_path, kept):
    progress = Notes()
    with pytest.raises(Stopped):
        train_run(RUN, tmp_path, progress, stop_requested=lambda: "test" if 8 in progress.steps else None)
    assert kept == {}
    train_run(TRACKED, tmp_path)
    assert [point.step for point in points_in(kept)] == list(range(1, 13))


def test_a_fresh_start_is_another_run_of_the_tracker(tmp_path, kept):
    for fresh in (False, True):
        train_run(SMALL, tmp_path, fresh=fresh)
    keys = [key for key in kept if key != "ended"]
    assert len(keys) == 2
    assert all(key.startswith(run_id(SMALL.config)) for key in keys)


@pytest.mark.parametrize("method", ["begin", "log", "end"])
def test_a_tracker_that_fails_is_one_note_and_the_run_goes_on(tmp_path, kept, monkeypatch, method):
    monkeypatch.setattr(Remembering, "broken", method)
    progress = Notes()
    assert train_run(SMALL, tmp_path, progress).state == "finished"
    said = [note for note in progress.notes if "--track" in note]
    off = "--track tensorboard failed and is off for the rest of this run: ConnectionError: no route"
    assert len(said) == 1
    assert said[0].startswith(off)
    assert "\n" not in said[0]


def test_a_tracker_that_would_end_the_process_is_one_that_fails(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(Remembering, "broken", "log")
    monkeypatch.setattr(Remembering, "error", SystemExit(3))
    progress = Notes()
    assert train_run(SMALL, tmp_path, progress).state == "finished"
    assert "--track tensorboard failed and is off for the rest of this run: SystemExit: 3" in progress.notes


def test_a_run_that_fails_ends_so_in_its_trackers(tmp_path, kept, monkeypatch):
    def fail(self, *rest):
        raise RunFailed("non-finite loss")

    monkeypatch.setattr("seekcli.engines.run.RecordedTraining.after_step", fail)
    with pytest.raises(RunFailed, match="non-finite"):
        train_run(SMALL, tmp_path)
    assert kept["ended"] == "failed"


def test_a_library_that_is_missing_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("seekcli.trackers.catalog.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"^--track tensorboard needs: pip install 'seekcli\[tensorboard\]'$"):
        train_run(TRACKED, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_folder_that_has_the_name_of_a_library_is_none(tmp_path, monkeypatch):
    (tmp_path / "wandb").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    monkeypatch.delitem(__import__("sys").modules, "wandb")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(BadInput, match="--track wandb needs"):
        train_run(tiny(runtime__track=["wandb"]), tmp_path / "r")


GRID = """
seeds = 2
[settings]
pair = { base = "resnet8", motivated = "resnet14" }
data.name = "synthetic:1x8x8:3:30"
train = { epochs = 1, batch_size = 4 }
runtime.device = "cpu"
[[arms]]
schedule = "base"
"""
TRAIN = ["train", "--base", "resnet8", "--data", "synthetic:1x8x8:3:30", "--epochs", "1", "--schedule", "base"]


def seek(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("said", ["flag", "file"])
def test_every_point_of_a_grid_is_tracked(tmp_path, kept, said):
    grid = tmp_path / "grid.toml"
    grid.write_text(GRID if said == "flag" else GRID.replace("[settings]", '[settings]\nruntime.track = ["wandb"]'))
    done = seek("grid", "run", grid, "--out", tmp_path / "r", *(["--track", "mlflow"] if said == "flag" else []))
    assert done.exit_code == 0, done.output
    assert sorted(re.search(r"_s(\d)_", key)[1] for key in kept if key != "ended") == ["0", "1"]


def test_workers_are_told_to_track(tmp_path, kept, monkeypatch):
    grid = tmp_path / "grid.toml"
    grid.write_text(GRID)
    orders = []
    monkeypatch.setattr("seekcli.engines.workers.Workers.submit", lambda self, work: orders.append(work.order))
    seek("grid", "run", grid, "--out", tmp_path / "r", "--jobs", 2, "--track", "mlflow", "--track", "wandb")
    assert 'runtime.track=[\\"mlflow\\", \\"wandb\\"]' in orders[0]


def test_workers_tell_of_a_tracker_that_failed_and_the_engine_passes_it_on(tmp_path, kept, monkeypatch, capsys):
    monkeypatch.setattr(Remembering, "broken", "begin")
    grid, order = tmp_path / "grid.toml", tmp_path / "order.json"
    grid.write_text(GRID.replace("seeds = 2", "seeds = 1"))
    order.write_text(Asked(read_grid(grid), tmp_path / "r", ['runtime.track=["wandb"]']).order())
    done = seek("grid", "work", grid, "--out", tmp_path / "r", "--order", order)
    assert done.exit_code == 0, done.output
    for line in done.stderr.splitlines():
        tell_of_trackers(line)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("note: --track wandb failed")


@pytest.mark.parametrize("name", ["wandbb", "tensorbord"])
@pytest.mark.parametrize("how", ["train", "grid", "set", "grid file", "config"])
def test_an_unknown_name_is_told_with_the_nearest(tmp_path, how, name):
    path, out = tmp_path / "file.toml", tmp_path / "r"
    said = f'runtime.track = ["{name}"]'
    texts = {"config": said, "grid file": GRID.replace("[settings]", f"[settings]\n{said}")}
    path.write_text(texts.get(how, GRID))
    words = {
        "train": [*TRAIN, "--track", name],
        "grid": ["grid", "run", path, "--track", name],
        "set": [*TRAIN, "--set", f'runtime.track=["{name}"]'],
        "grid file": ["grid", "run", path],
        "config": [*TRAIN, "--config", path],
    }
    done = seek(*words[how], "--out", out)
    nearest = {"wandbb": "wandb", "tensorbord": "tensorboard"}[name]
    assert done.exit_code == 2, done.output
    assert f"did you mean '{nearest}'?" in done.output
    assert "track" in done.output
    assert not out.exists()


def test_the_flag_names_a_missing_library_even_where_nothing_would_train(tmp_path, monkeypatch):
    monkeypatch.setattr("seekcli.trackers.catalog.find_spec", lambda name: None)
    for library in LIBRARIES:
        done = seek(*TRAIN, "--dry-run", "--track", library, "--out", tmp_path / "r")
        assert (done.exit_code, done.output.strip()) == (
            2, f"seek: error: --track {library} needs: pip install 'seekcli[{library}]'"
        )  # fmt: skip


def test_a_loop_of_ones_own_is_tracked(tmp_path, kept):
    model = torch.nn.Linear(2, 1)
    record = seekcli.Record(
        tmp_path, data="points", names=("small", "large"), epochs=2, batch_size=4, forward_macs=(2.0, 4.0),
        settings={"runtime.track": ["trackio"]},
    )  # fmt: skip
    alone = seekcli.Alone(model, optimizer=torch.optim.SGD(model.parameters(), 0.1), role="base", record=record)
    for _ in range(2):
        for _ in range(3):
            model, optimizer = alone.active
            optimizer.zero_grad()
            loss = model(torch.ones(4, 2)).square().mean()
            loss.backward()
            optimizer.step()
            alone.step(loss)
        alone.end_epoch({"test_loss": {"base": 1.5}})
    points = points_in(kept)
    assert [point.step for point in points] == list(range(1, 7))
    assert [point.values["base/test_loss"] for point in points if "base/test_loss" in point.values] == [1.5, 1.5]
    assert kept["ended"] == "finished"
