"""The blocks that only the motivated model has: how they start, and how much they are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.layers import Resolved
from seekcli.data.sets import sources
from seekcli.errors import BadInput
from seekcli.method.pair import Pair, StateTransfer
from seekcli.models.added_blocks import set_last_scale, stages_of, usage_of_added_blocks
from seekcli.models.catalog import family_of, same_start_note
from seekcli.models.pairs import build_pair, differential_parameters
from seekcli.models.starts import output_error_at_entry
from seekcli.resolve.build import build_trainer
from seekcli.resolve.plan import describe_plan
from seekcli.resolve.resolve import resolve
from seekcli.train.trainer import Trainer


def settings(base: str, motivated: str, **changes: Any) -> Resolved:
    flat = {"pair.base": base, "pair.motivated": motivated, "runtime.device": "cpu", "data.limit_train": 64}
    return resolve([("test", flat | {key.replace("__", "."): value for key, value in changes.items()})])


def pair_of(base: str, motivated: str, **changes: Any) -> Pair:
    return build_pair(settings(base, motivated, **changes).config)


def trainer_of(resolved: Resolved) -> Trainer:
    return build_trainer(resolved.config, sources.load(resolved.config.data), torch.device("cpu"))


def logits_after_entry(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return pair.base.eval()(images), pair.motivated.eval()(images)


def test_stages_and_their_added_blocks_follow_from_the_map() -> None:
    pair = pair_of("resnet20", "resnet32")
    stages = stages_of(pair.motivated, pair.weights_map.receivers, family_of("resnet20").blocks)
    assert [(sorted(stage.mapped), sorted(stage.added)) for stage in stages] == [([0, 1, 4], [2, 3])] * 3


@pytest.mark.parametrize(("scale", "equal"), [(0.0, True), (0.3, False)])
def test_only_a_scale_of_zero_is_an_identity(scale: float, equal: bool) -> None:
    base, motivated = logits_after_entry(pair_of("resnet8", "resnet14", pair__init="identity", pair__added_scale=scale))
    assert torch.allclose(base, motivated, atol=1e-6) is equal


@pytest.mark.parametrize(
    ("models", "start", "other"),
    [
        (("resnet8", "resnet20"), {"pair__added_scale": 1.0}, "paper"),
        pytest.param(("resnet18", "resnet34"), {"pair__added_scale": 1.0}, "paper", marks=pytest.mark.slow),
        (("resnet18", "resnet34"), {"pair__init": "timm"}, "identity"),
    ],
)
def test_two_names_of_one_start_are_told(models: tuple[str, str], start: dict[str, Any], other: str) -> None:
    one = settings(*models, **({"pair__init": "identity"} | start))
    pairs = [build_pair(resolved.config) for resolved in (one, settings(*models, pair__init=other))]
    for pair in pairs:
        StateTransfer(pair, {}, {}).refresh(fresh=True)  # the first copy, before the first update
    states = [pair.motivated.state_dict() for pair in pairs]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert f"--init {other}" in str(same_start_note(one.config))


def test_where_the_models_grow_in_width_too_the_starts_differ() -> None:
    models = ("efficientnet-b0", "efficientnet-b1")
    assert same_start_note(settings(*models, pair__init="identity", pair__added_scale=1.0).config) is None
    assert same_start_note(settings("resnet8", "resnet20", pair__init="identity", pair__added_scale=0.9).config) is None
    assert same_start_note(settings("resnet18", "resnet50", pair__init="timm").config) is None


def test_usage_is_the_added_scales_over_the_mapped_ones_of_the_stage() -> None:
    pair, blocks = pair_of("resnet20", "resnet32"), family_of("resnet20").blocks
    receivers = pair.weights_map.receivers
    assert usage_of_added_blocks(pair.motivated, receivers, blocks) == 0
    set_last_scale(pair.motivated, receivers, blocks, -0.25)  # mapped ones start at 1
    assert usage_of_added_blocks(pair.motivated, receivers, blocks) == pytest.approx(0.25)
    for stage in stages_of(pair.motivated, receivers, blocks)[:1]:
        for block in stage.mapped.values():
            nn.init.constant_(block.bn2.weight, 0.5)
    assert usage_of_added_blocks(pair.motivated, receivers, blocks) == pytest.approx((0.5 + 0.25 + 0.25) / 3)


def test_a_model_without_added_blocks_has_no_usage() -> None:
    pair = pair_of("resnet8", "resnet14")
    linked = frozenset(pair.weights_map.motivated_shapes)
    assert usage_of_added_blocks(pair.motivated, linked, family_of("resnet8").blocks) is None


def test_stacking_copies_the_nearest_mapped_block_of_the_same_shape() -> None:
    pair = pair_of("resnet20", "resnet32", pair__init="stack")
    StateTransfer(pair, {}, {}).refresh(fresh=True)
    state = pair.motivated.state_dict()
    for name in ("conv1.weight", "bn2.running_var", "conv2.weight"):
        assert torch.equal(state[f"layer2.2.{name}"], state[f"layer2.1.{name}"])
        assert torch.equal(state[f"layer2.3.{name}"], state[f"layer2.4.{name}"])  # the one after is nearer
    assert torch.equal(state["layer2.1.conv1.weight"], pair.base.state_dict()["layer2.1.conv1.weight"])


def test_stacking_leaves_a_block_without_a_neighbour_of_its_shape() -> None:
    pairs = [pair_of("resnet8", "resnet14", pair__init=init) for init in ("stack", "paper")]
    for pair in pairs:
        StateTransfer(pair, {}, {}).refresh(fresh=True)
    weights = [pair.motivated.state_dict() for pair in pairs]
    # The only mapped block of stage 2 changes resolution and channels; that of stage 1 does not.
    assert torch.equal(weights[0]["layer2.1.conv1.weight"], weights[1]["layer2.1.conv1.weight"])
    assert torch.equal(weights[0]["layer1.1.conv1.weight"], weights[0]["layer1.0.conv1.weight"])


def test_differential_parameters_learn_at_their_own_rate() -> None:
    """One step of SGD without momentum: ten times the rate moves ten times as far, and nothing else moves otherwise."""
    moved = []
    for factor in (1.0, 10.0):
        plain = {"optimizer__momentum": 0.0, "optimizer__weight_decay": 0.0, "motivation__condition": "always"}
        resolved = settings("resnet8", "resnet14", pair__init="paper", pair__differential_lr_factor=factor, **plain)
        trainer = trainer_of(resolved)
        before = {name: tensor.clone() for name, tensor in trainer.models["motivated"].named_parameters()}
        images, labels = next(iter(trainer.batches.epoch(0, 0)))
        trainer.steps["motivated"].take(images, labels, 0.01, lambda loss: None)
        now = dict(trainer.models["motivated"].named_parameters())
        moved.append({name: (now[name] - before[name]).detach() for name in before})
    differential = {name for name in moved[0] if name.startswith(("layer1.1", "layer2.1", "layer3.1"))}
    assert differential == differential_parameters(pair_of("resnet8", "resnet14").weights_map) & set(moved[0])
    for name in moved[0]:
        expected = moved[0][name] * (10.0 if name in differential else 1.0)
        assert torch.allclose(moved[1][name], expected, rtol=1e-3, atol=1e-6), name


@pytest.mark.parametrize(
    ("base", "motivated", "changes", "problem"),
    [
        ("resnet8", "resnet14", {"pair__init": "paper", "pair__added_scale": 0.3}, "for --init identity, not paper"),
        *(
            pytest.param("vit-tiny", "vit-small", changes | {"data__image_size": 16}, problem, marks=pytest.mark.slow)
            for changes, problem in (
                ({"pair__added_scale": 0.3}, "no added blocks"),
                ({"pair__differential_lr_factor": 2.0}, "depth alone"),
            )
        ),
        ("vit-tiny", "vit-small", {"pair__init": "stack", "data__image_size": 16}, "equally many blocks"),
    ],
)
def test_a_start_that_means_nothing_for_the_pair_is_bad_input(
    base: str, motivated: str, changes: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=problem):
        trainer_of(settings(base, motivated, **changes))
    with pytest.raises(BadInput, match=problem):
        describe_plan(settings(base, motivated, train__batch_size=8, **changes), tmp_path)


@pytest.mark.parametrize(("init", "largest"), [("identity", 1e-5), ("paper", None), ("stack", None)])
def test_the_output_error_at_entry_is_zero_for_an_identity_alone_and_leaves_the_pair_as_it_is(
    init: str, largest: float | None
) -> None:
    pair = pair_of("resnet8", "resnet14", pair__init=init)
    before = {name: tensor.clone() for name, tensor in pair.motivated.state_dict().items()}
    error = output_error_at_entry(pair, torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert error <= largest if largest is not None else error > 0.1
    assert all(torch.equal(before[name], tensor) for name, tensor in pair.motivated.state_dict().items())


def test_seek_map_measures_the_starts_that_are_possible() -> None:
    words = ["map", "--model", "resnet8-to-14", "--starts", "--format", "json", "--set", "pair.added_scale=0.3"]
    errors = json.loads(CliRunner().invoke(app, words).stdout)["output_error_at_entry"]
    assert 1e-5 < errors.pop("identity added_scale=0.3") < errors["paper"]
    assert set(errors) == {"identity", "stack", "paper"}
    assert errors["identity"] < 1e-5 < min(errors["stack"], errors["paper"])
