"""Each tracker by its own library, read back by that library, without a server and without a network.

A library that is not installed is "not run": TensorBoard is in the extra test, the others are extras of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny

from seekcli.runs.folder import RunFolder
from seekcli.runs.step_log import StepLog
from seekcli.trackers.catalog import tracker_of
from seekcli.trackers.mlflow import MOST_METRICS, batches
from seekcli.trackers.tensorboard import FOLDER
from seekcli.trackers.tracker import Point, TrackedRun

TESTS = Path(__file__).resolve().parents[1]
SETTINGS = {"optimizer.lr": 0.1, "schedule": "base", "train.drop_last": False, "motivation.counts": "[3, 4]"}
LOSSES = [5.0, 4.0, 3.0, 2.5, 2.25]
# A kill after step 3, the end of the first epoch; what is sent after it is all that is recorded.
FIRST, ALL = LOSSES[:3], LOSSES


def points(losses):
    made = [Point(step, {"step/base_loss": loss, "step/learning_rate": 0.1}) for step, loss in enumerate(losses, 1)]
    for point, accuracy in zip(made[2::2], (80.0, 90.0), strict=False):
        point.values["base/test_accuracy_percent"] = accuracy
    return made


def run_of(folder: Path, key="run-0123456789-abcd") -> TrackedRun:
    folder.mkdir(parents=True, exist_ok=True)
    return TrackedRun(key, "run-0123456789", folder, SETTINGS)


def tracked(name, run):
    """A run that is killed after its first epoch: nothing is told of its end. Then it goes on to its own end."""
    killed = tracker_of(name)
    assert killed.begin(run) <= 0
    killed.log(points(FIRST))
    return killed


def goes_on(name, run, state="finished"):
    tracker = tracker_of(name)
    last = tracker.begin(run)
    tracker.log([point for point in points(ALL) if point.step > last])
    tracker.end(state)
    return last


def accumulated(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def scalars(found, tag):
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_tensorboard_reads_a_run_that_was_killed_back_without_a_point_twice(tmp_path):
    pytest.importorskip("tensorboard")
    run = run_of(tmp_path / "runs" / "one")
    tracked("tensorboard", run)
    assert scalars(accumulated(run.folder / FOLDER), "step/base_loss") == list(enumerate(FIRST, 1))
    assert goes_on("tensorboard", run) == 0
    assert len(list((run.folder / FOLDER).iterdir())) == 1
    found = accumulated(run.folder / FOLDER)
    assert scalars(found, "step/base_loss") == list(enumerate(ALL, 1))
    assert scalars(found, "base/test_accuracy_percent") == [(3, 80.0), (5, 90.0)]


def test_the_hparams_view_of_tensorboard_compares_settings_and_last_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    for name, state in (("one", "finished"), ("two", "stopped")):
        goes_on("tensorboard", run_of(tmp_path / "runs" / name), state)
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "runs"))
    multiplexer.Reload()
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(tmp_path))))
    asked = RequestContext()
    metadata = context.hparams_metadata(asked, "0")
    experiment = context.experiment_from_metadata(
        asked, "0", include_metrics=True, hparams_run_to_tag_to_content=metadata, data_provider_hparams=[]
    )
    assert {info.name for info in experiment.hparam_infos} <= {*SETTINGS}
    assert "base/test_accuracy_percent" in {info.name.tag for info in experiment.metric_infos}
    request = api_pb2.ListSessionGroupsRequest(slice_size=10, allowed_statuses=[0, 1, 2, 3], include_metrics=True)
    groups = list_session_groups.Handler(asked, context, "0", request).run().session_groups
    by_run = {group.name.partition("/")[0]: group for group in groups}
    assert set(by_run) == {"one", "two"}
    for name, status in (("one", api_pb2.STATUS_SUCCESS), ("two", api_pb2.STATUS_UNKNOWN)):
        group = by_run[name]
        assert group.hparams["optimizer.lr"].number_value == 0.1
        assert group.hparams["schedule"].string_value == "base"
        assert group.sessions[0].status == status
        last = {value.name.tag: (value.value, value.training_step) for value in group.metric_values}
        assert last["base/test_accuracy_percent"] == (90.0, 5)


def test_mlflow_goes_on_with_the_run_that_was_killed(tmp_path):
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    run = run_of(tmp_path / "runs" / "one")
    tracked("mlflow", run)
    assert goes_on("mlflow", run) == 3
    assert goes_on("mlflow", run_of(tmp_path / "runs" / "two", "other-key"), "stopped") == 0
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("seekcli").experiment_id
    one, two = (client.search_runs([experiment], f"tags.seek_key = '{key}'") for key in (run.key, "other-key"))
    assert (len(one), len(two)) == (1, 1)
    assert [found[0].info.status for found in (one, two)] == ["FINISHED", "KILLED"]
    assert one[0].info.run_name == "run-0123456789"
    assert one[0].data.params == {key: str(value) for key, value in SETTINGS.items()}
    assert one[0].data.metrics["base/test_accuracy_percent"] == 90.0
    history = client.get_metric_history(one[0].info.run_id, "step/base_loss")
    assert sorted((metric.step, metric.value) for metric in history) == list(enumerate(ALL, 1))


def test_no_request_to_mlflow_splits_a_step_or_is_too_large():
    many = [Point(step, {f"name {number}": 0.0 for number in range(7)}) for step in range(400)]
    found = list(batches(many))
    assert [point for batch in found for point in batch] == many
    assert all(sum(len(point.values) for point in batch) <= MOST_METRICS for batch in found)
    assert len(found) == 3
    assert list(batches([])) == []


def test_trackio_goes_on_with_the_run_that_was_killed(tmp_path):
    """In processes of its own: the library takes its folder from the environment when it is imported."""
    pytest.importorskip("trackio")
    lasts = [in_a_process("trackio", tmp_path, part, TRACKIO_DIR=str(tmp_path / "t")) for part in ("first", "rest")]
    assert lasts == [-1, 3]
    read = (
        "import json; from trackio.sqlite_storage import SQLiteStorage as s; from trackio import Api; "
        "(run,) = Api().runs('seekcli'); "
        "print(json.dumps([run.config, [[row['step'], row.get('step/base_loss'), row.get('base/test_accuracy_percent')]"
        " for row in s.get_logs('seekcli', run.name)]]))"
    )
    config, rows = json.loads(python(read, TRACKIO_DIR=str(tmp_path / "t")).splitlines()[-1])
    assert config.items() >= SETTINGS.items()
    assert [row[:2] for row in rows] == [list(one) for one in enumerate(ALL, 1)]
    assert [row[2] for row in rows] == [None, None, 80.0, None, 90.0]


def test_wandb_offline_holds_the_whole_run_once(tmp_path):
    pytest.importorskip("wandb")
    for part in ("first", "rest"):
        assert in_a_process("wandb", tmp_path, part, WANDB_MODE="offline", WANDB_SILENT="true") < 1
    (folder,) = tmp_path.glob("runs/one/wandb/offline-run-*")
    rows, config = [], {}
    for record in wandb_records(next(folder.glob("*.wandb"))):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in items})
        if record.WhichOneof("record_type") == "run":
            config |= {one.key: json.loads(one.value_json) for one in record.run.config.update}
    assert [(row["_step"], row["step/base_loss"]) for row in rows] == list(enumerate(ALL, 1))
    assert [row.get("base/test_accuracy_percent") for row in rows] == [None, None, 80.0, None, 90.0]
    assert config.items() >= SETTINGS.items()


def wandb_records(path):
    """Of a file of a run: a log in blocks of 32 KiB, where each part has a checksum, a length and a kind before it."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 < len(data):
        left = 2**15 - place % 2**15
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def in_a_process(name, results, part, **environment):
    """The last step that the tracker had. The first part is killed without an end, once what it sent is there."""
    code = f"""
import os, sys, time
from pathlib import Path
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "trackers")!r}]
from test_libraries import FIRST, goes_on, points, run_of
from seekcli.trackers.catalog import tracker_of
run = run_of(Path({str(results)!r}) / "runs" / "one")
if {part!r} == "rest":
    print("last step", goes_on({name!r}, run))
else:
    tracker = tracker_of({name!r})
    last = tracker.begin(run)
    tracker.log(points(FIRST))
    time.sleep(3)
    print("last step", last, flush=True)
    os._exit(9)
"""
    said = python(code, **environment).splitlines()[-1]  # of a library no word when the process exits
    assert said.startswith("last step ")
    return int(said.split()[-1])


def python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, 9), done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_real_run_that_is_killed_twice_has_every_point_once(tmp_path):
    pytest.importorskip("tensorboard")
    settings = {"train__epochs": 3, "runtime__track": ["tensorboard"], "runtime__checkpoint_minutes": 0.0}
    command = [sys.executable, str(TESTS / "kill_at_steps.py"), str(tmp_path), json.dumps(settings), "8", "14"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    killed = json.loads(done.stdout.splitlines()[-1])
    assert [one["code"] for one in killed] == [-9, -9]
    from seekcli.engines.run import train_run

    run = tiny(**settings)
    train_run(run, tmp_path)
    folder = RunFolder.of(tmp_path, run.config)
    found, steps = accumulated(folder.path / FOLDER), folder.steps()
    events = sorted(event for role in ("base", "motivated") for event in scalars(found, f"step/{role}_loss"))
    assert [step for step, _ in events] == steps["step"]
    assert [value for _, value in events] == pytest.approx(steps["loss"], rel=1e-6)
    rows = [row for row in folder.epochs() if row["role"] == "base"]
    assert [value for _, value in scalars(found, "base/test_accuracy_percent")] == pytest.approx(
        [row["test_accuracy_percent"] for row in rows]
    )


def test_the_step_log_gives_the_updates_of_later_epochs():
    log = StepLog()
    for epoch in (1, 2):
        log.add(
            {"run_id": ["r"] * 2, "epoch": [epoch] * 2, "step": [2 * epoch - 1, 2 * epoch], "role": ["base"] * 2,
             "loss": [0.5, 0.25], "learning_rate": [0.1, 0.1]}
        )  # fmt: skip
    assert log.after(1)["step"] == [3, 4]
    assert log.after(0)["step"] == [1, 2, 3, 4]
    assert log.after(2)["step"] == []
