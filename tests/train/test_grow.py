"""--schedule grow: the base is that of a classic run bit for bit, the larger model a naive branch of it."""

from __future__ import annotations

import pytest
import torch
from resumed_runs import content, train_in_pieces
from tiny import tiny
from torch.nn import functional
from typer.testing import CliRunner

from seekcli.analysis.comparison import compare_runs
from seekcli.cli.app import app
from seekcli.config.identity import run_id
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import BadInput
from seekcli.method.growing import branch_step, grown_share
from seekcli.models.pairs import build_pair
from seekcli.resolve.build import build_trainer
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.runs.scan import scan_runs

CPU = torch.device("cpu")
# 3 epochs of 6 steps: the branch at half of them lies inside the second epoch, and at its middle.
STEPS, BRANCH = 18, 10
GROW = {"schedule": "grow", "motivation__grow_at": 10 / 18, "lr_schedule__name": "wsd"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A growing run and its classic base: (results folder, folder of the one, folder of the other)."""
    results = tmp_path_factory.mktemp("grow")
    grown, base = tiny(**GROW), tiny(schedule="base", lr_schedule__name="wsd")
    for resolved in (grown, base):
        train_run(resolved, results)
    return results, RunFolder.of(results, grown.config).path, RunFolder.of(results, base.config).path


def test_the_base_is_that_of_the_classic_run_bit_for_bit(runs):
    _, grown, base = runs
    assert (grown / "base.safetensors").read_bytes() == (base / "base.safetensors").read_bytes()
    steps, classic = (records.read_steps(folder / records.STEPS) for folder in (grown, base))
    own = [index for index, role in enumerate(steps["role"]) if role == "base"]
    for name in ("step", "epoch", "loss", "learning_rate"):
        assert [steps[name][index] for index in own] == classic[name]


@pytest.mark.slow
def test_dropout_draws_of_the_base_are_those_of_the_classic_run():
    states = []
    for schedule in ("grow", "base"):
        changes = {"pair__base": "efficientnet-b0", "pair__motivated": "efficientnet-b1", "train__batch_size": 8}
        config = tiny(
            schedule=schedule,
            data__name="synthetic:3x8x8:3:20",
            train__epochs=1,
            **changes,
            recipe="small-efficientnet",
            lr_schedule__warmup_epochs=0.0,
            motivation__grow_at=0.5,
        ).config
        trainer = build_trainer(config, sources.load(config.data), CPU)
        trainer.train_epoch(lambda: None)
        states.append(trainer.models["base"].state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_the_larger_model_is_a_naive_branch_with_the_bases_momentum():
    """Weights, buffers and momentum copied by name once, then plain steps on the same batches at the same rates."""
    config = tiny(**GROW).config
    trainer = build_trainer(config, sources.load(config.data), CPU)
    pair = build_pair(config)
    for model in (pair.base, pair.motivated):
        model.to(memory_format=torch.channels_last).train()
    options = {"lr": 0.0, "momentum": 0.9, "weight_decay": 5e-4, "foreach": True}
    optimizers = [torch.optim.SGD(model.parameters(), **options) for model in (pair.base, pair.motivated)]
    done, losses = 0, []
    for epoch in range(3):
        for images, labels in [(i.clone(), n.clone()) for i, n in trainer.batches.epoch(epoch)]:
            rate = 0.02 * min(1.0, (STEPS - done) / (0.2 * STEPS))
            for model, optimizer in list(zip((pair.base, pair.motivated), optimizers, strict=True))[
                : 1 + (done >= BRANCH)
            ]:
                optimizer.param_groups[0]["lr"] = rate
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            done += 1
            if done == BRANCH:  # ResNet-8 in ResNet-14: one block a stage, which is the first of two
                large = pair.motivated.state_dict()
                for name, tensor in pair.base.state_dict().items():
                    large[name].copy_(tensor)
                given, taken = (dict(model.named_parameters()) for model in (pair.base, pair.motivated))
                for name, parameter in given.items():
                    momentum = optimizers[0].state[parameter]["momentum_buffer"].clone()
                    optimizers[1].state[taken[name]]["momentum_buffer"] = momentum
                for name, parameter in taken.items():
                    if name not in given:
                        optimizers[1].state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        trainer.train_epoch(lambda: None)
        assert trainer.log.losses == losses[-len(trainer.log.losses) :]
        trainer.start_next_epoch()
    for model, role in ((pair.base, "base"), (pair.motivated, "motivated")):
        own = trainer.models[role].state_dict()
        assert all(torch.equal(own[name], tensor) for name, tensor in model.state_dict().items()), role


def test_stopped_and_resumed_at_every_step_equals_the_uninterrupted_run(runs, tmp_path):
    resolved = tiny(**GROW)
    train_in_pieces(resolved, tmp_path, 5)
    assert content(RunFolder.of(tmp_path, resolved.config).path) == content(runs[1])


def test_records_say_the_branch_and_the_cost_of_both(runs):
    _, grown, base = runs
    steps = records.read_steps(grown / records.STEPS)
    assert [step for step, role in zip(steps["step"], steps["role"], strict=True) if role == "motivated"] == list(
        range(BRANCH + 1, STEPS + 1)
    )
    status, classic = records.read_status(grown), records.read_status(base)
    macs = {row["role"]: row["forward_macs_per_image"] for row in status.final}
    assert (status.totals["base_steps"], status.totals["motivated_steps"]) == (STEPS, STEPS - BRANCH)
    assert (status.totals["switches"], status.steps_done) == (1, STEPS)
    extra = 6 * macs["motivated"] * 4 * (STEPS - BRANCH)
    assert status.totals["train_flops"] == classic.totals["train_flops"] + extra
    assert status.expected_share == (STEPS - BRANCH) / (2 * STEPS - BRANCH) == grown_share(10 / 18, STEPS)
    for row in records.read_epochs(grown / records.EPOCHS):
        assert (row["schedule"], row["condition"], row["k"], row["init"]) == ("grow", None, None, "identity")


def test_until_the_branch_the_larger_model_is_evaluated_as_the_base(runs):
    rows = {(row["epoch"], row["role"]): row for row in records.read_epochs(runs[1] / records.EPOCHS)}
    assert rows[1, "motivated"]["test_loss"] == pytest.approx(rows[1, "base"]["test_loss"], rel=1e-5)
    assert rows[3, "motivated"]["test_loss"] != pytest.approx(rows[3, "base"]["test_loss"], rel=1e-5)


def test_compare_shows_it_as_an_arm_whose_base_is_the_classic_one(runs):
    (cell,) = compare_runs(scan_runs([runs[0]])).cells
    (arm,) = cell.arms
    assert arm.label.startswith("grow at=0.5555")
    assert cell.x_c is not None
    assert arm.base.value_by_seed == cell.x_c.value_by_seed
    assert arm.base.cost.train_flops.mean > cell.x_c.cost.train_flops.mean


def test_the_run_id_holds_where_it_branches_and_nothing_of_a_condition():
    plain = run_id(tiny(**GROW).config)
    assert "_grow-0.555556_identity_" in plain
    assert run_id(tiny(**GROW, motivation__k=3, motivation__condition="always").config) == plain
    assert run_id(tiny(**(GROW | {"motivation__grow_at": 0.7})).config) != plain
    assert run_id(tiny(**GROW, pair__init="paper").config) != plain
    # Nobody else reads it.
    for schedule in ("alternating", "base"):
        assert len({run_id(tiny(schedule=schedule, motivation__grow_at=at).config) for at in (0.3, 0.8)}) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runtime__precision": "fp16"}, "fp16"),
        ({"train__ema_decay": 0.9}, "train.ema_decay"),
        ({"motivation__grow_at": 0.99}, "--at 0.99"),
        ({"motivation__grow_at": 1.0}, "grow_at"),
    ],
)
def test_what_it_cannot_do_is_bad_input(changes, words):
    with pytest.raises(BadInput, match=words):
        tiny(**(GROW | changes))


def test_the_plan_states_the_cost_of_both_and_at_needs_grow():
    words = ["train", "--model", "resnet8-to-14", "--epochs", "2", "--dry-run"]
    plan = CliRunner().invoke(app, [*words, "--schedule", "grow", "--at", "0.5"])
    assert plan.exit_code == 0, plan.output
    assert "_grow-0.5_identity_" in plan.output
    assert "grow-0.5: expected share 0.3333 by its schedule" in plan.output
    assert branch_step(0.5, 46) == 23
    refused = CliRunner().invoke(app, [*words, "--at", "0.5"])
    assert refused.exit_code == 2
    assert "--schedule grow" in refused.stderr
