"""Streamed batches: the same with any number of worker processes and from any step on, each picture in its place."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from photo_tree import photo_tree
from torch import Tensor

from seekcli.config.layers import merge
from seekcli.config.schema import RunConfig
from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view
from seekcli.data.loading import streaming, workers
from seekcli.data.loading.batches import Batches
from seekcli.data.sets.sources import load
from seekcli.data.splitting.holdout import hold_out
from seekcli.errors import RunFailed
from seekcli.resolve.build import build_batches
from seekcli.stop_signals import STOP_SIGNALS

CPU = torch.device("cpu")
MEAN, STD = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
Batch = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 training and 12 test pictures of 3 classes."""
    return photo_tree(tmp_path_factory.mktemp("imagenet") / "photos")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of eight is read in three pieces, so that their order matters."""
    monkeypatch.setattr(streaming, "PIECE_IMAGES", 3)


def make_config(root: Path, **settings: Any) -> RunConfig:
    plain = {
        "data.name": f"imagenet:{root}", "data.image_size": 16, "train.batch_size": 8, "train.eval_batch_size": 5,
        "augment.resized_crop_area": 0.08, "augment.flip": True,
    }  # fmt: skip
    return merge([("test", plain | {key.replace("__", "."): value for key, value in settings.items()})]).config


def make_batches(root: Path, **settings: Any) -> Batches:
    layout = "channels_last" if settings.get("runtime__workers", 0) % 4 else "contiguous"
    config = make_config(root, runtime__layout=layout, **settings)
    return build_batches(config, load(config.data), CPU)


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for first, second in zip(one, other, strict=True) for a, b in zip(first, second, strict=True)
    )


def pixels_of(images: Tensor) -> Tensor:
    return ((images * STD + MEAN) * 255).round().to(torch.uint8)


def order_of(batches: Batches, epoch: int) -> list[str]:
    """The paths that an epoch reads, in its order."""
    read: list[str] = []

    def note(rule: CropRule, wanted: Any, *rest: Any) -> Any:
        for requests in wanted:
            read.extend(str(request.place) for request in requests)
            yield torch.zeros((len(requests), rule.size, rule.size, 3), dtype=torch.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "read_ahead", note)
        list(batches.epoch(epoch))
    return read


# --- which, in which order --------------------------------------------------------------------------------------------


def test_every_picture_once_an_epoch_and_each_epoch_in_another_order(tree: Path) -> None:
    batches = make_batches(tree)
    orders = [order_of(batches, epoch) for epoch in (0, 1)]
    assert batches.steps_per_epoch == 4
    assert all(Counter(order) == Counter(map(str, (tree / "train").glob("*/*"))) for order in orders)
    assert orders[0] != orders[1]
    assert order_of(make_batches(tree), 0) == orders[0]
    assert order_of(make_batches(tree, seed=1), 0) != orders[0]


def test_each_batch_holds_what_its_places_ask_for_with_the_right_labels(tree: Path) -> None:
    batches = make_batches(tree, seed=5, augment__flip=False)
    order, place = order_of(batches, 2), 0
    classes = sorted(path.name for path in (tree / "train").iterdir())
    for images, labels in batches.epoch(2):
        assert images.dtype == torch.float32
        for image, label in zip(images, labels.tolist(), strict=True):
            rule = CropRule(16, 0.875, 0.08, 5)
            expected = torch.from_numpy(decode_view(rule, ImageRequest(order[place], 2, place)).copy()).permute(2, 0, 1)
            assert torch.equal(pixels_of(image), expected)
            assert classes[label] == Path(order[place]).parent.name
            place += 1
    assert place == 27


def test_flips_mirror_the_very_crops_that_are_seen_without_them(tree: Path) -> None:
    flipped, plain = make_batches(tree).epoch(0), make_batches(tree, augment__flip=False).epoch(0)
    mirrored = [
        torch.equal(one, other.flip(2)) and not torch.equal(one, other)
        for (images, _), (others, _) in zip(flipped, plain, strict=True)
        for one, other in zip(images, others, strict=True)
    ]
    assert 5 < sum(mirrored) < 22


def test_test_pictures_come_in_their_own_order_with_the_middle_in_view(tree: Path) -> None:
    config = make_config(tree, data__test_crop=0.95, data__train_size=12)
    dataset = load(config.data)
    batches = build_batches(config, dataset, CPU)
    found = list(batches.test())
    assert [len(labels) for _, labels in found] == [5, 5, 2]
    assert torch.equal(torch.cat([labels for _, labels in found]), dataset.test_labels)
    paths = sorted((tree / "val").glob("*/*"))
    expected = [
        torch.from_numpy(decode_view(CropRule(16, 0.95), ImageRequest(str(path), 0, 0)).copy()).permute(2, 0, 1)
        for path in paths
    ]
    assert torch.equal(pixels_of(torch.cat([images for images, _ in found])), torch.stack(expected))
    assert {images.shape[-1] for images, _ in batches.epoch(0)} == {12}


def test_without_a_random_crop_training_pictures_show_the_middle_too(tree: Path) -> None:
    batches = make_batches(tree, augment__resized_crop_area=0.0, augment__flip=False)
    order = order_of(batches, 0)
    images = torch.cat([images for images, _ in batches.epoch(0)])
    first = torch.from_numpy(decode_view(CropRule(16, 0.875), ImageRequest(order[0], 0, 0)).copy()).permute(2, 0, 1)
    assert torch.equal(pixels_of(images[0]), first)


def test_the_recipes_other_augmentations_apply_to_streamed_pictures(tree: Path) -> None:
    settings = {"augment__randaugment_ops": 2, "augment__mixup_alpha": 0.2, "augment__erasing_probability": 0.5}
    images, targets = next(make_batches(tree, **settings).epoch(0))
    plain, _ = next(make_batches(tree).epoch(0))
    assert targets.shape == (8, 3)
    assert torch.allclose(targets.sum(1), torch.ones(8))
    assert not torch.equal(images, plain)
    assert equal([(images, targets)], [next(make_batches(tree, **settings).epoch(0))])


def test_repeated_augmentation_cuts_one_picture_differently_each_time(tree: Path) -> None:
    batches = make_batches(tree, augment__repeats=3, augment__flip=False)
    order = order_of(batches, 0)
    assert sorted(Counter(order).values()) == [3] * 9
    images = torch.cat([images for images, _ in batches.epoch(0)])
    assert order[0] == order[1] == order[2]
    assert not torch.equal(images[0], images[1])


def test_a_held_out_batch_is_read_once_and_not_augmented(tree: Path) -> None:
    config = make_config(tree, data__holdout_images=6)
    dataset = hold_out(load(config.data), 6, config.seed)
    batches = build_batches(config, dataset, CPU)
    held = batches.held_out(dataset)
    assert [len(labels) for _, labels in held] == [5, 1]
    assert equal(held, batches.held_out(dataset))
    assert batches.steps_per_epoch == 3


# --- worker processes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 4])
def test_worker_processes_change_nothing(tree: Path, count: int) -> None:
    alone, helped = make_batches(tree, runtime__workers=0), make_batches(tree, runtime__workers=count)
    for epoch in (0, 1):
        assert equal(list(helped.epoch(epoch)), list(alone.epoch(epoch)))
    assert equal(list(helped.test()), list(alone.test()))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("count", [0, 2])
def test_an_epoch_entered_in_its_middle_goes_on_with_the_same_batches_and_reads_no_others(
    tree: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(make_batches(tree).epoch(1))
    batches = make_batches(tree, runtime__workers=count)
    places = []
    read_ahead = streaming.read_ahead

    def note(rule: CropRule, wanted: Any, *rest: Any) -> Any:
        wanted = [places.extend(request.position for request in requests) or requests for requests in wanted]
        return read_ahead(rule, wanted, *rest)

    monkeypatch.setattr(streaming, "read_ahead", note)
    assert equal(list(batches.epoch(1, start=2)), whole[2:])
    assert places == list(range(16, 27))


def test_reading_draws_nothing_from_the_generator_that_dropout_uses(tree: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    for count in (0, 2):
        batches = make_batches(tree, runtime__workers=count).epoch(0)
        torch.manual_seed(1)
        next(batches)
        assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("count", [0, 2])
def test_a_broken_picture_is_named_once_the_batches_before_it_are_done(
    tree: Path, tmp_path: Path, count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = photo_tree(tmp_path / "photos")
    batches = make_batches(broken, runtime__workers=count)
    order = order_of(batches, 0)
    content = Path(order[19]).read_bytes()
    Path(order[19]).write_bytes(content[: len(content) // 2])
    done: list[int] = []
    with pytest.raises(RunFailed) as caught:
        done.extend(len(labels) for _, labels in batches.epoch(0))
    assert done == [8, 8]
    assert str(caught.value).startswith(f"cannot read the image {order[19]}: ")
    assert "\n" not in str(caught.value)
    batches.close()
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_closing_ends_the_workers_of_an_epoch_that_was_left(tree: Path) -> None:
    batches = make_batches(tree, runtime__workers=2)
    reading = batches.epoch(0)
    next(reading)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert multiprocessing.active_children() == []
    batches.close()
    assert equal([next(batches.epoch(0))], [next(make_batches(tree).epoch(0))])
    batches.close()


def test_workers_outlive_every_signal_that_asks_for_a_stop_once(tree: Path) -> None:
    batches = make_batches(tree, runtime__workers=2)
    reading = batches.epoch(0)
    found = [next(reading)]
    for child in multiprocessing.active_children():
        for number in STOP_SIGNALS:
            os.kill(child.pid or 0, number)
    found += reading
    assert equal(found, list(make_batches(tree).epoch(0)))


@pytest.mark.slow
def test_a_worker_that_dies_fails_the_run_in_one_line(tree: Path) -> None:
    batches = make_batches(tree, runtime__workers=1, train__batch_size=2)
    reading = batches.epoch(0)
    next(reading)
    for child in multiprocessing.active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
    with pytest.raises(RunFailed, match="a data loading process died") as caught:
        list(reading)
    assert "\n" not in str(caught.value)


def test_workers_are_never_forked_from_a_process_with_threads() -> None:
    assert workers.start_method().get_start_method() in ("forkserver", "spawn")
