"""The run folder of a loop of one's own: `seek list runs`, `compare` and `report` read it; it joins no other run."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from outlined_pictures import outline_pictures
from torch.nn import functional
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.errors import BadInput, RunFailed
from seekcli.runs.config_file import read_config
from seekcli.runs.records import read_status
from tests.own_models import DEPTH, SYMBOLS, Gpt, tokens

EPOCHS = 2


def loop(results, seed=0, **options):
    torch.manual_seed(seed)
    pair = seekcli.Pair.nested(Gpt(1), Gpt(3), **DEPTH, sample=tokens())
    optimizers = tuple(torch.optim.AdamW(model.parameters(), 3e-3) for model in (pair.base, pair.motivated))
    defaults = {"data": "my-text", "names": ("gpt-1", "gpt-3"), "epochs": EPOCHS, "batch_size": 4, "seed": seed}
    defaults |= {"forward_macs": (1e3, 2e3)}
    record = seekcli.Record(results, **defaults | options)
    return seekcli.Alternating(pair, optimizers=optimizers, condition=seekcli.conditions.Loss(k=2), record=record)


def train_epoch(alternating, accuracy=90.0):
    generator = torch.Generator().manual_seed(alternating.epoch)
    for _ in range(8):
        model, optimizer = alternating.active
        batch = tokens(4, generator)
        logits = model(batch[:, :-1])
        loss = functional.cross_entropy(logits.reshape(-1, SYMBOLS), batch[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        alternating.step(loss)
    alternating.end_epoch(
        {"test_accuracy_percent": {"base": accuracy, "motivated": accuracy + 1}, "validation_loss": lambda model: 2.5}
    )


def train(results, seed=0, **options):
    alternating = loop(results, seed, **options)
    for _ in range(EPOCHS):
        train_epoch(alternating, 90.0 + seed)
    return alternating


def seek(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_the_commands_read_it(tmp_path, monkeypatch):
    outline_pictures(monkeypatch)
    alternating = train(tmp_path)
    train(tmp_path, seed=1)
    frame = seekcli.epochs(tmp_path)
    assert len(frame) == 2 * 2 * EPOCHS
    assert set(frame["recipe"]) == {"own-loop-AdamW"}
    assert set(frame["validation_loss"]) == {2.5}
    first = frame[frame["seed"] == 0]
    assert first[first["role"] == "base"]["base_steps"].sum() == 16 - alternating.motivated_steps
    steps = seekcli.steps(alternating.record.folder)
    assert list(steps["step"]) == list(range(1, 17))
    status = read_status(alternating.record.folder)
    assert (status.state, status.epochs_done, status.steps_done) == ("finished", EPOCHS, 16)
    listed = seek("list", "runs", "--out", tmp_path)
    assert listed.exit_code == 0, listed.output
    assert "gpt-1" in listed.output
    compared = seek("compare", tmp_path, "--format", "json")
    assert compared.exit_code == 0, compared.output
    [cell] = json.loads(compared.stdout)["cells"]
    assert cell["data"] == "my-text"
    assert [(group["model"], group["n"]) for group in cell["groups"]] == [("gpt-1", 2), ("gpt-3", 2)]
    written = seek("report", tmp_path, "--out", tmp_path / "report.html")
    assert written.exit_code == 0, written.output
    assert seek("compare", tmp_path).exit_code == 0
    for command in (("export",), ("evaluate",)):
        refused = seek(
            *command, alternating.record.folder, *(("--to", tmp_path / "x") if command == ("export",) else ())
        )
        assert refused.exit_code == 2
        assert "is of a loop of one's own" in refused.output


def test_its_config_says_whose_loop_it_is(tmp_path):
    alternating = loop(tmp_path)
    found = read_config(alternating.record.folder)
    assert found.run_id == alternating.record.run_id
    assert found.facts["made_by"] == "own loop"
    assert found.facts["models"]["base"] == "tests.own_models:Gpt"
    assert (found.config.recipe, found.config.pair.init) == ("own-loop-AdamW", "identity")
    assert found.config.optimizer.lr == pytest.approx(3e-3)
    origins = json.loads((alternating.record.folder / "config.json").read_text())["origins"]
    assert origins["augment.flip"] == "not known"
    assert origins["data.name"] == "own loop"


def test_settings_say_that_it_equals_another_run(tmp_path):
    plain, said = loop(tmp_path), loop(tmp_path, settings={"recipe": "digits", "augment.crop_padding": 1})
    assert plain.record.run_id != said.record.run_id
    assert said.record.config.recipe == "digits"


def test_a_resume_goes_on_with_its_rows(tmp_path):
    whole = train(tmp_path / "whole")
    first = loop(tmp_path / "cut")
    train_epoch(first)
    state = copy.deepcopy(first.state_dict())
    saved = [copy.deepcopy(one.state_dict()) for one in (*first.models.values(), *first.optimizers.values())]
    first.record.lease.release()
    second = loop(tmp_path / "cut")
    for one, tensors in zip((*second.models.values(), *second.optimizers.values()), saved, strict=True):
        one.load_state_dict(tensors)
    second.load_state_dict(state)
    train_epoch(second)
    measured = ["epoch_seconds", "images_per_second", "peak_memory_bytes"]
    frames = [seekcli.epochs(tmp_path / name).drop(columns=measured) for name in ("whole", "cut")]
    assert frames[0].equals(frames[1])
    assert seekcli.steps(tmp_path / "whole").equals(seekcli.steps(tmp_path / "cut"))
    for role in ("base", "motivated"):
        bytes_of = [(one.record.folder / f"{role}.safetensors").read_bytes() for one in (whole, second)]
        assert bytes_of[0] == bytes_of[1]


def test_a_finished_run_is_kept_unless_a_fresh_one_is_asked_for(tmp_path):
    alternating = train(tmp_path)
    with pytest.raises(BadInput, match="is finished: Record"):
        loop(tmp_path)
    assert loop(tmp_path, fresh=True).record.folder == alternating.record.folder
    assert len(list((tmp_path / "runs" / ".replaced").iterdir())) == 1


def test_a_loss_that_is_not_finite_is_recorded_as_a_failure(tmp_path):
    alternating = loop(tmp_path)
    alternating.optimizers["base"].step()
    with pytest.raises(RunFailed):
        alternating.step(float("inf"))
    status = read_status(alternating.record.folder)
    assert (status.state, status.message) == ("failed", "non-finite loss at step 1 (epoch 1, base model)")


def test_bad_input_writes_nothing(tmp_path):
    for options, message in (
        ({"names": ("gpt", "gpt")}, "two different ones"),
        ({"forward_macs": (0.0, 1.0)}, "two numbers above 0"),
        ({"epochs": 0}, "train.epochs"),
        ({"settings": {"optimizer.lrr": 1.0}}, "optimizer.lr"),
    ):
        with pytest.raises(BadInput, match=message):
            loop(tmp_path / "results", **options)
    assert not (tmp_path / "results").exists()


def test_a_metric_without_a_column_is_refused_before_the_epoch_ends(tmp_path):
    alternating = loop(tmp_path)
    alternating.optimizers["base"].step()
    alternating.step(1.0)
    with pytest.raises(BadInput, match="did you mean 'test_accuracy_percent'"):
        alternating.end_epoch({"test_accuracy": lambda model: 1.0})
    assert alternating.epoch == 0


def test_losses_of_another_unit_are_compared_in_it(tmp_path):
    for seed in (0, 1):
        alternating = loop(tmp_path, seed, loss_unit="squared error", epochs=1)
        step_once(alternating)
        alternating.end_epoch({"test_loss": {"base": 2.0 + 0.1 * seed, "motivated": 1.5}})
    (cell,) = seekcli.compare(tmp_path).comparison.cells
    assert (cell.metric.column, cell.metric.unit) == ("test_loss", "squared error")
    assert "squared error" in seek("compare", tmp_path).output


def test_a_metric_of_ones_own_is_recorded_and_compared_its_way(tmp_path):
    for seed in (0, 1):
        alternating = loop(tmp_path, seed, metrics={"mae": "lower", "gain": "higher"}, epochs=1)
        step_once(alternating)
        values = {"base": 2.0 + 0.1 * seed, "motivated": 1.5}
        alternating.end_epoch({"test_loss": values, "test_mae": values, "test_gain": values})
    assert seekcli.epochs(tmp_path)["test_mae"].tolist() == [2.0, 1.5, 2.1, 1.5]
    cells = [seekcli.compare(tmp_path, metric=f"test_{name}").comparison.cells[0] for name in ("mae", "gain")]
    assert [cell.metric.direction for cell in cells] == ["lower is better", "higher is better"]
    assert "image" not in seek("compare", tmp_path).output
    for metrics, message in (({"m a": "lower"}, "a word such as mae"), ({"loss": "lower"}, "no column"),
                             ({"mae": "less"}, "higher or lower, not 'less'")):  # fmt: skip
        with pytest.raises(BadInput, match=message):
            loop(tmp_path / "bad", metrics=metrics)


def step_once(alternating):
    model, optimizer = alternating.active
    logits = model(tokens(4)[:, :-1])
    loss = logits.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    alternating.step(loss)
