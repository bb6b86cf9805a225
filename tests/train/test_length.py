"""A run's length in steps: where its epochs end, what follows from it, and that it may end inside an epoch."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, strategies as st
from tiny import tiny
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.identity import older_twins, run_id, run_key
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, Stopped
from seekcli.grid.tune import plan_tuning
from seekcli.method.condition import ConditionSettings, expected_share
from seekcli.resolve.build import build_batches
from seekcli.resolve.length import planned_length
from seekcli.resolve.plan import describe_plan
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.length import RunLength, images_in, nearest_steps
from seekcli.train.progress import Progress

# The tiny run has 6 steps an epoch: 16 steps are two epochs and four steps.
STEPS = 16
lengths = st.builds(RunLength, steps=st.integers(1, 5000), steps_per_epoch=st.integers(1, 300))
bounds = st.builds(batch_bounds, st.integers(2, 400), st.integers(2, 64), st.just(False))


class Steps(Progress):
    def __init__(self):
        self.facts, self.seen = None, []

    def started(self, facts):
        self.facts = facts

    def stepped(self, epoch, steps_done, role, loss, images):
        self.seen.append((epoch, steps_done))


def content(folder):
    """All that two equal runs must share, but for their id."""
    rows = [
        {name: value for name, value in row.items() if name not in (*records.MEASURED_COLUMNS, "run_id")}
        for row in records.read_epochs(folder / records.EPOCHS)
    ]
    steps = records.read_steps(folder / records.STEPS)
    del steps["run_id"]
    return rows, steps, {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def reached(step, progress):
    return lambda: "test" if progress.seen[-1][1] == step else None


def trained(resolved, results, progress=None):
    train_run(resolved, results, progress)
    return RunFolder.of(results, resolved.config).path


@given(lengths)
def test_epochs_hold_all_steps_and_only_the_last_is_shorter(length):
    parts = [length.steps_in(epoch) for epoch in range(length.epochs)]
    assert sum(parts) == length.steps == length.steps_before(length.epochs)
    assert set(parts[:-1]) <= {length.steps_per_epoch}
    assert 1 <= parts[-1] <= length.steps_per_epoch
    assert length.steps_in(length.epochs) == 0


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_whole_epochs_are_exactly_what_epochs_were(epochs, steps_per_epoch):
    """No rounding: the numbers that depend on the length stay those of runs whose length is given in epochs."""
    length = RunLength(epochs * steps_per_epoch, steps_per_epoch)
    assert (length.epochs, length.passes) == (epochs, epochs)
    share = expected_share("loss", ConditionSettings(k=3, steps=length.steps, steps_per_epoch=steps_per_epoch))
    assert share == 1 / 24 * (steps_per_epoch - 1) / steps_per_epoch


@given(lengths)
def test_the_expected_share_counts_the_first_step_of_every_epoch(length):
    possible = sum(length.steps_in(epoch) - 1 for epoch in range(length.epochs))
    expected = Fraction(possible, length.steps)
    share = expected_share("always", ConditionSettings(steps=length.steps, steps_per_epoch=length.steps_per_epoch))
    assert share == pytest.approx(float(expected), abs=1e-12)


@given(bounds, st.integers(1, 2000))
def test_images_are_counted_batch_by_batch(bounds, steps):
    per_step = [stop - start for start, stop in bounds]
    assert images_in(steps, bounds) == sum(per_step[step % len(bounds)] for step in range(steps))


@given(bounds, st.floats(0, 20_000))
def test_the_nearest_number_of_steps_is_nearest(bounds, images):
    steps = nearest_steps(images, bounds)
    distance = abs(images_in(steps, bounds) - images)
    assert distance < abs(images_in(steps - 1, bounds) - images) or steps == 1
    assert distance <= abs(images_in(steps + 1, bounds) - images)


def test_a_shorter_epoch_has_the_first_batches_of_the_whole_one():
    config = tiny(augment__crop_padding=1, augment__flip=True).config
    batches = build_batches(config, sources.load(config.data), torch.device("cpu"))
    whole, shorter = list(batches.epoch(1)), list(batches.epoch(1, 1, 4))
    assert len(shorter) == 3
    for (images, labels), (whole_images, whole_labels) in zip(shorter, whole[1:4], strict=True):
        assert torch.equal(images, whole_images)
        assert torch.equal(labels, whole_labels)


def test_steps_that_are_whole_epochs_give_the_very_run(tmp_path):
    """The same rows, steps and bytes, under an id of its own."""
    plain, stepped = tiny(train__epochs=1), tiny(train__epochs=9, train__steps=6)
    assert run_id(plain.config) != run_id(stepped.config)
    assert content(trained(plain, tmp_path)) == content(trained(stepped, tmp_path))


def test_a_run_that_ends_inside_an_epoch_is_resumed_byte_for_byte(tmp_path):
    """Stopped at the end of an epoch, inside the last one, and after its last step, before it is recorded."""
    resolved = tiny(train__steps=STEPS, train__eval_every=2)
    progress = Steps()
    whole = trained(resolved, tmp_path / "whole", progress)
    assert (progress.facts.epochs, progress.facts.steps, progress.facts.steps_per_epoch) == (3, STEPS, 6)
    assert progress.seen == [(step // 6 + 1, step + 1) for step in range(STEPS)]
    for step in (12, 14, STEPS):
        parts = Steps()
        with pytest.raises(Stopped, match=f"saved at step {step};"):
            train_run(resolved, tmp_path / "parts", parts, stop_requested=reached(step, parts))
    assert content(trained(resolved, tmp_path / "parts")) == content(whole)
    status = records.read_status(whole)
    assert (status.state, status.epochs_done, status.epochs, status.steps_done) == ("finished", 3, 3, STEPS)
    rows = [row for row in records.read_epochs(whole / records.EPOCHS) if row["role"] == "motivated"]
    assert [row["base_steps"] + row["motivated_steps"] for row in rows] == [6, 6, 4]
    assert [row["test_accuracy_percent"] is not None for row in rows] == [False, True, True]
    assert train_run(resolved, tmp_path / "whole") == status


def test_the_schedule_decays_inside_the_steps(tmp_path):
    resolved = tiny(schedule="base", train__steps=8, lr_schedule__name="cosine", optimizer__lr=0.1)
    rates = records.read_steps(trained(resolved, tmp_path) / records.STEPS)["learning_rate"]
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])


def test_spans_of_a_recipe_shrink_with_the_steps():
    """20 epochs of 6 steps with a warm-up of 2: a run of 15 steps, an eighth, warms up for a quarter of an epoch."""
    vit = {"pair__base": "vit-tiny", "pair__motivated": "vit-small", "recipe": "small-vit", "train__epochs": 20}
    assert tiny(**vit).config.lr_schedule.warmup_epochs == 2
    assert tiny(**vit, train__steps=15).config.lr_schedule.warmup_epochs == 0.25
    assert tiny(**vit, train__steps=240).config.lr_schedule.warmup_epochs == 2
    with pytest.raises(BadInput, match=r"warmup_epochs 3: it must end before the run does, after --steps 16 \(2.667"):
        tiny(train__steps=STEPS, lr_schedule__warmup_epochs=3.0)


def test_epochs_are_not_read_where_steps_are_given():
    one, other = (tiny(train__epochs=epochs, train__steps=STEPS).config for epochs in (3, 7))
    assert run_id(one) == run_id(other)
    assert "train.epochs" not in run_key(one)
    assert run_key(one)["train.steps"] == STEPS
    assert "train.steps" not in run_key(tiny().config)


def test_no_earlier_program_made_a_run_of_so_many_steps():
    """Its twin without the setting would be another run: one of whole epochs."""
    assert not list(older_twins(tiny(train__steps=STEPS).config))


def test_matched_counts_need_one_for_each_epoch_that_fits():
    matched = {"motivation__condition": "matched-count", "train__steps": STEPS}
    resolved = tiny(**matched, motivation__counts=[5, 0, 3])
    assert planned_length(resolved.config).epochs == 3
    with pytest.raises(BadInput, match=r"4 motivated batches in an epoch of 4 \(epoch 3\)"):
        tiny(**matched, motivation__counts=[5, 0, 4])
    with pytest.raises(BadInput, match="2 counts for 3 epochs"):
        tiny(**matched, motivation__counts=[5, 0])


def test_random_batches_are_drawn_from_the_shorter_epoch(tmp_path):
    counts = {"motivation__condition": "matched-count", "motivation__counts": [3, 1]}
    folder = trained(tiny(**counts, train__steps=8), tmp_path)
    steps = records.read_steps(folder / records.STEPS)
    assert [role for role, epoch in zip(steps["role"], steps["epoch"], strict=True) if epoch == 2] == [
        "base",
        "motivated",
    ]


def test_a_dry_run_says_how_long_it_is_and_what_it_costs(tmp_path):
    plan = describe_plan(tiny(train__steps=STEPS, motivation__condition="always"), tmp_path)
    assert "3 epochs over 24 images, 16 steps of 4 (the last epoch has 4)" in plan
    assert f"expected share {13 / 16:.4f} by its schedule" in plan
    assert "3 epochs over 24 images, 18 steps of 4;" in describe_plan(tiny(), tmp_path)


def test_a_search_for_k_trains_as_many_steps_or_its_own_epochs(tmp_path):
    flat = {key: value for key, value in run_key(tiny(train__steps=STEPS).config).items() if key != "schema_version"}
    layers = [("test", flat | {"tune.folds": 2})]
    tuning = plan_tuning(layers, tmp_path)
    assert tuning.first.config.train.steps == STEPS
    assert tuning.describe().endswith(f"runs of {STEPS} steps")
    shorter = plan_tuning([*layers, ("test", {"tune.epochs": 1})], tmp_path).first.config
    assert (shorter.train.epochs, shorter.train.steps) == (1, None)


def test_the_flag(tmp_path):
    words = ["train", "--data", "synthetic:1x8x8:3:30", "--model", "resnet8-to-14", "--batch-size", "4", "--dry-run"]
    done = CliRunner().invoke(app, [*words, "--steps", "16", "--out", str(tmp_path)])
    assert "16 steps of 4" in done.output
    refused = CliRunner().invoke(app, [*words, "--steps", "16", "--epochs", "2", "--out", str(tmp_path)])
    assert refused.exit_code == 2
    assert "--epochs counts passes over the training set and --steps updates" in refused.stderr
    refused = CliRunner().invoke(app, [*words, "--steps", "0", "--out", str(tmp_path)])
    assert (refused.exit_code, "--steps: " in refused.stderr) == (2, True)
