"""Statistics estimated anew: equal to a naive computation, pure, and unseen by training."""

from __future__ import annotations

import copy

import pytest
import torch
from model_pairs import without_dropout
from safetensors.torch import load_file
from tiny import tiny
from torch import nn

from seekcli.data.sets import sources
from seekcli.data.splitting.holdout import hold_out
from seekcli.engines.run import train_run
from seekcli.models.pairs import build_model
from seekcli.resolve.build import build_trainer
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.recalibration import estimate_statistics
from seekcli.train.tasks.classification import evaluate_model

CPU = torch.device("cpu")


def trainer_of(**changes):
    config = tiny(**changes).config
    return build_trainer(config, hold_out(sources.load(config.data), config.data.holdout_images, config.seed), CPU)


def batches_of(sizes, shape=(3, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, *shape, generator=generator) * 2 + 1 for size in sizes]


def inputs_of(model, layer, images):
    seen = []
    hook = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(images)
    hook.remove()
    return seen[0]


def test_they_are_those_of_all_images_together_at_the_first_normalisation():
    """There the inputs do not depend on other statistics: mean and population variance, written out."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1)).eval()
    batches = batches_of([6, 6, 2])
    estimate_statistics(model, batches, 3)
    with torch.no_grad():
        values = model[0](torch.cat(batches)).double()
    assert torch.allclose(model[1].running_mean.double(), values.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(model[1].running_var.double(), values.var((0, 2, 3), correction=0), rtol=1e-4)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_every_normalisation_gets_the_mean_of_what_it_sees(channels_last, dtype):
    """Each batch normalised by its own statistics all the way, weighted by its images."""
    torch.manual_seed(0)
    model = build_model("resnet8", 4, 3, 8).eval()
    model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    batches, total = batches_of([6, 3]), 9
    estimated = copy.deepcopy(model)
    estimate_statistics(estimated, batches, 2, dtype)
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert len(layers) > 5
    for layer in layers.values():
        layer.train()
    for name, layer in layers.items():
        with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype is not None):
            seen = [inputs_of(model, layer, images).double() for images in batches]
        mean = sum(each.mean((0, 2, 3)) * len(each) for each in seen) / total
        square = sum(each.square().mean((0, 2, 3)) * len(each) for each in seen) / total
        found = estimated.get_submodule(name)
        assert found.running_mean.dtype == torch.float32
        assert torch.allclose(found.running_mean.double(), mean, atol=1e-5)
        assert torch.allclose(found.running_var.double(), square - mean.square(), rtol=1e-3, atol=1e-5)
        assert found.num_batches_tracked == 0
        assert found.momentum == layer.momentum


def test_dropout_and_stochastic_depth_are_off():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model("efficientnet-b0", 3, 3, 32).eval()
    plain = without_dropout(copy.deepcopy(model)).eval()
    for each in (model, plain):
        estimate_statistics(each, batches_of([2, 2], (3, 32, 32)), 2)
    assert all(torch.equal(tensor, plain.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_channel_of_next_to_no_contrast_has_no_negative_variance():
    """fvcore subtracts two means of squares: of 30 such channels several would have one, and give no numbers."""
    generator = torch.Generator().manual_seed(0)
    levels = 10 + 100 * torch.rand(1, 30, 1, 1, generator=generator)
    images = [levels + 1e-3 * torch.randn(size, 30, 5, 5, generator=generator) for size in (3, 4, 7, 5, 6)]
    model = nn.Sequential(nn.BatchNorm2d(30)).eval()
    estimate_statistics(model, images, len(images))
    assert (model[0].running_var >= 0).all()
    assert torch.isfinite(model(images[0])).all()


def test_the_batches_are_those_of_training_but_for_mixing_and_size():
    mixed = trainer_of(
        data__name="synthetic:3x8x8:3:30", data__train_size=6, augment__crop_padding=1, augment__flip=True,
        augment__mixup_alpha=0.8, augment__cutmix_alpha=1.0, pair__recalibrate_batches=4,
    ).batches  # fmt: skip
    same = trainer_of(data__name="synthetic:3x8x8:3:30", augment__crop_padding=1, augment__flip=True).batches
    found = [images for images, _ in mixed.for_statistics(4).epoch(2)]
    assert len(found) == 4
    assert found[0].shape[-1] == 8
    assert all(torch.equal(a, b) for a, (b, _) in zip(found, same.epoch(2), strict=False))
    assert next(iter(mixed.epoch(2)))[0].shape[-1] == 6
    assert len(mixed.for_statistics(100).bounds) == len(mixed.bounds) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"train__ema_decay": 0.5},
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"motivation__condition": "validation-loss", "data__holdout_images": 6}, marks=pytest.mark.slow),
    ],
)
def test_training_never_sees_it(changes):
    trainers = [trainer_of(pair__recalibrate_batches=batches, **changes) for batches in (0, 3)]
    for trainer in trainers:
        for _ in range(2):
            trainer.train_epoch(lambda: None)
            trainer.evaluate()
            trainer.evaluate_other_statistics()
            trainer.start_next_epoch()
    (tensors, plain), (others, other_plain) = (trainer.state() for trainer in trainers)
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    for each in (plain, other_plain):
        each["log"].pop("seconds")
    assert plain == other_plain
    assert trainers[1].models_to_keep()["base"] is not trainers[1].models["base"]


def test_what_is_written_is_what_was_evaluated_and_rows_say_both(tmp_path):
    resolved = tiny(train__epochs=2, pair__init="paper", train__eval_batch_size=6, pair__recalibrate_batches=10)
    status = train_run(resolved, tmp_path)
    folder, trainer = RunFolder.of(tmp_path, resolved.config).path, trainer_of()
    plain = train_run(tiny(train__epochs=2, pair__init="paper", pair__recalibrate_batches=0), tmp_path)
    for row, without in zip(status.final, plain.final, strict=True):
        model = trainer.models[row["role"]]
        model.load_state_dict(load_file(folder / f"{row['role']}.safetensors"))
        found = evaluate_model(model, trainer.batches.test())
        assert row["test_accuracy_percent"] == row["test_accuracy_recalibrated_percent"] == found.accuracy_percent
        assert row["test_loss"] == pytest.approx(found.loss, rel=1e-6)
        assert row["test_accuracy_as_trained_percent"] == without["test_accuracy_percent"]
        assert without["test_accuracy_as_trained_percent"] == without["test_accuracy_percent"]
        assert (without["test_accuracy_recalibrated_percent"], without["recalibration_flops"]) == (None, 0.0)
        # 24 training images for the statistics, and 6 test images a second time.
        assert row["recalibration_flops"] == 2 * row["forward_macs_per_image"] * (24 + 6)
        assert row["evaluation_flops"] == without["evaluation_flops"]
    rows = records.read_epochs(folder / records.EPOCHS)
    assert status.totals["recalibration_flops"] == sum(row["recalibration_flops"] for row in rows)


def test_a_classic_run_stays_as_trained_and_is_re_estimated_once(tmp_path):
    resolved = tiny(train__epochs=2, schedule="base", pair__recalibrate_batches=10)
    train_run(resolved, tmp_path / "with")
    train_run(tiny(train__epochs=2, schedule="base", pair__recalibrate_batches=0), tmp_path / "without")
    folders = [RunFolder.of(tmp_path / name, resolved.config).path for name in ("with", "without")]
    assert len({(folder / "base.safetensors").read_bytes() for folder in folders}) == 1
    (first, last), without = (records.read_epochs(folder / records.EPOCHS) for folder in folders)
    added = ("test_accuracy_recalibrated_percent", "recalibration_flops", *records.MEASURED_COLUMNS)
    for row, other in zip((first, last), without, strict=True):
        assert {name: row[name] for name in row if name not in added} == {
            name: other[name] for name in other if name not in added
        }
        assert row["test_accuracy_as_trained_percent"] == row["test_accuracy_percent"]
    assert (first["test_accuracy_recalibrated_percent"], first["recalibration_flops"]) == (None, 0.0)
    assert 0 <= last["test_accuracy_recalibrated_percent"] <= 100
    assert last["recalibration_flops"] > 0
