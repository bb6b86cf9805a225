"""`seekcli.Alone`: the baselines of a loop of one's own, which `seek compare` joins with the run of both models."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional

import seekcli
from seekcli.errors import BadInput
from tests.own_models import DEPTH, SYMBOLS, ConvNet, Gpt, images, tokens

STEPS, EPOCHS = 6, 2
MACS = (1e3, 2e3)


def record(results, seed=0, epochs=EPOCHS, **options):
    own = {"data": "my-text", "names": ("gpt-1", "gpt-3"), "batch_size": 4, "forward_macs": MACS}
    return seekcli.Record(results, seed=seed, epochs=epochs, **own | options)


def alone(role, seed=0, **options):
    torch.manual_seed(seed)
    models = {"base": Gpt(1), "motivated": Gpt(3)}
    optimizer = torch.optim.AdamW(models[role].parameters(), 3e-3)
    return seekcli.Alone(models[role], optimizer, role=role, **options)


def both(seed=0, **options):
    torch.manual_seed(seed)
    pair = seekcli.Pair.nested(Gpt(1), Gpt(3), **DEPTH, sample=tokens())
    optimizers = tuple(torch.optim.AdamW(model.parameters(), 3e-3) for model in (pair.base, pair.motivated))
    return seekcli.Alternating(pair, optimizers=optimizers, condition=seekcli.conditions.Loss(k=2), **options)


def loss_of(model, batch):
    return functional.cross_entropy(model(batch[:, :-1]).reshape(-1, SYMBOLS), batch[:, 1:].reshape(-1))


def step(loop, batch):
    model, optimizer = loop.active
    loss = loss_of(model, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loop.step(loss)


def train(loop, epochs=EPOCHS, steps=STEPS):
    generator = torch.Generator().manual_seed(0)
    held_out = tokens(8, torch.Generator().manual_seed(1))
    for _ in range(epochs):
        for _ in range(steps):
            step(loop, tokens(4, generator))
        loop.end_epoch({"test_loss": lambda model: float(loss_of(model, held_out))})
    return loop


def test_three_runs_of_a_seed_are_one_comparison(tmp_path):
    for seed in range(2):
        train(both(seed, record=record(tmp_path, seed)))
        for role in ("base", "motivated"):
            train(alone(role, seed, record=record(tmp_path, seed)))
    (cell,) = seekcli.compare(tmp_path).comparison.cells
    assert cell.pair == "gpt-1-to-3"
    assert [(group.name, group.seeds) for group in cell.groups] == [
        (name, (0, 1)) for name in ("X-C", "X-Y-B", "X-Y-M", "Y-C")
    ]
    assert cell.notes == ()
    assert cell.x_c.cost.train_flops.mean == 6 * MACS[0] * 4 * STEPS * EPOCHS
    assert cell.y_c.cost.train_flops.mean == 6 * MACS[1] * 4 * STEPS * EPOCHS
    assert {one.difference.n for one in cell.contrasts} == {2}


def test_a_baseline_of_equal_compute_has_its_steps_as_a_setting(tmp_path):
    run = train(both(record=record(tmp_path)))
    cost = 6 * 4 * (MACS[0] * (2 * STEPS - run.motivated_steps) + MACS[1] * run.motivated_steps)
    steps = round(cost / (6 * 4 * MACS[0]))
    train(alone("base", record=record(tmp_path)))
    longer = record(tmp_path, epochs=1, settings={"train.steps": steps})
    train(alone("base", record=longer), epochs=1, steps=steps)
    (cell,) = seekcli.compare(tmp_path).comparison.cells
    (arm,) = cell.arms
    assert steps > 2 * STEPS
    assert arm.x_c_equal.run_ids == (longer.run_id,)
    assert arm.cost_ratio(arm.x_c_equal) == 1


def test_it_trains_as_a_plain_loop_does():
    loop = train(alone("base"))
    torch.manual_seed(0)
    model = Gpt(1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS * EPOCHS):
        loss = loss_of(model, tokens(4, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(
        torch.equal(one, other)
        for one, other in zip(model.state_dict().values(), loop.models["base"].state_dict().values(), strict=True)
    )


def test_a_resume_goes_on_with_its_rows(tmp_path):
    whole = train(alone("motivated", record=record(tmp_path / "whole")))
    first = train(alone("motivated", record=record(tmp_path / "parts")), epochs=1)
    state = copy.deepcopy((first.state_dict(), first.models["motivated"].state_dict()))
    moments = copy.deepcopy(first.optimizers["motivated"].state_dict())
    first.record.lease.release()
    second = alone("motivated", seed=5, record=record(tmp_path / "parts"))
    second.models["motivated"].load_state_dict(state[1])
    second.optimizers["motivated"].load_state_dict(moments)
    second.load_state_dict(state[0])
    generator = torch.Generator().manual_seed(0)
    batches = [tokens(4, generator) for _ in range(STEPS * EPOCHS)]
    for batch in batches[STEPS:]:
        step(second, batch)
    second.end_epoch({"test_loss": lambda model: 1.0})
    frames = [seekcli.epochs(tmp_path / name)["train_loss"] for name in ("whole", "parts")]
    assert list(frames[0]) == list(frames[1])
    assert whole.motivated_steps == second.motivated_steps == STEPS * EPOCHS


def test_its_model_is_saved_under_its_role(tmp_path):
    paths = train(alone("motivated")).save(tmp_path / "out")
    assert [path.name for path in paths] == ["motivated.safetensors", "card.json"]


def test_callbacks_see_each_step_and_epoch():
    seen = []
    loop = alone("base", on_step=lambda one: seen.append(one.steps_done), on_epoch=lambda one: seen.append("epoch"))
    train(loop, epochs=1, steps=2)
    assert seen == [1, 2, "epoch"]


def test_bad_input():
    with pytest.raises(BadInput, match="role: 'larger'"):
        seekcli.Alone(Gpt(1), torch.optim.SGD(Gpt(1).parameters(), 0.1), role="larger")
    with pytest.raises(BadInput, match="say recalibrate"):
        seekcli.Alone(ConvNet(), torch.optim.SGD(ConvNet().parameters(), 0.1))
    loop = alone("base")
    with pytest.raises(BadInput, match="no update since the last call"):
        loop.step(1.0)
    with pytest.raises(BadInput, match="has no step"):
        loop.end_epoch()
    step(loop, tokens(4))
    with pytest.raises(BadInput, match="end_epoch: test_loss is a function of a model, or a value for each of base"):
        loop.end_epoch({"test_loss": {"motivated": 1.0}})


def test_statistics_are_estimated_anew_as_for_the_run_of_both():
    torch.manual_seed(0)
    model = ConvNet()
    batch = images()
    loop = seekcli.Alone(model, torch.optim.SGD(model.parameters(), 0.1), recalibrate=lambda: [batch])
    kept, trained = (found.state_dict()["layers.0.bn.running_mean"] for found in (loop.models_to_keep()["base"], model))
    assert not torch.equal(kept, trained)
