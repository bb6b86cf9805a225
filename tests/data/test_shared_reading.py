"""Streamed images of one run in several processes: each reads its part, all get the batches of one process."""

from __future__ import annotations

import pytest
import torch
from joined_processes import in_processes
from photo_tree import photo_tree
from tiny import tiny

from seekcli.data.loading import shared_reading, streaming
from seekcli.data.loading.shared_reading import parts_of
from seekcli.data.sets import sources
from seekcli.errors import AgreedFailure
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.build import build_batches


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return photo_tree(tmp_path_factory.mktemp("imagenet") / "photos", train=3, val=1)  # 9 training images


def batches_of(tree, ranks=ALONE):
    """Batches of 4, 2 and 3 images, mixed and cut at random."""
    config = tiny(
        data__name=f"imagenet:{tree}", data__image_size=16, data__train_size=12, augment__resized_crop_area=0.08,
        augment__flip=True, augment__mixup_alpha=0.8, train__batch_size=4,
    ).config  # fmt: skip
    return build_batches(config, sources.load(config.data), torch.device("cpu"), ranks)


@pytest.mark.parametrize("size", [3, *(pytest.param(size, marks=pytest.mark.slow) for size in (2, 5))])
def test_all_get_the_images_of_one_process_and_each_reads_its_part(tree, size, monkeypatch):
    read = []
    requests = streaming.ImageRequest
    monkeypatch.setattr(streaming, "ImageRequest", lambda *words: read.append(words[0]) or requests(*words))

    def work(ranks: Ranks):
        read.clear()
        return {"batches": [images for images, _ in batches_of(tree, ranks).epoch(1)], "read": len(read)}

    expected, found = work(ALONE), in_processes(size, work)
    assert expected["read"] == sum(each["read"] for each in found) == 9
    assert max(each["read"] for each in found) < 9
    for each in found:
        assert all(torch.equal(one, other) for one, other in zip(expected["batches"], each["batches"], strict=True))


def test_a_broken_image_that_one_process_reads_fails_all_alike(tree, monkeypatch):
    def work(ranks: Ranks):
        batches = batches_of(tree, ranks)
        if ranks.rank == 1:
            path = batches.store.store.train_paths[0]
            batches.store.store.train_paths = [type(path)(f"{path}.gone")] * 9
        try:
            next(iter(batches.epoch(0)))
        except AgreedFailure as error:
            return str(error)
        return "read"

    first, second = in_processes(2, work)
    assert first == second
    assert ".gone" in first


def test_statistics_are_estimated_anew_from_images_read_here(tree):
    store = batches_of(tree, Ranks(0, 2)).for_statistics(1).store
    assert type(store) is streaming.Streamed


def test_parts_are_nearly_equal_and_may_be_empty():
    assert parts_of(10, 17, 3) == [(10, 12), (12, 14), (14, 17)]
    assert [last - first for first, last in parts_of(0, 2, 5)] == [0, 0, 1, 0, 1]
    assert shared_reading.parts_of(4, 8, 1) == [(4, 8)]
