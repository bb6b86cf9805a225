"""How fast is the loop? Ratios against the plain way of writing it, measured side by side, in turns, in one process.

    make bench            (or: python benchmarks/loop.py --rounds 5)

"plain" is what a researcher would write first: a DataLoader over a data set with per-image transforms, `loss.item()`
after every step, optimizers without foreach, and for switches a loop over the pairs of tensors. Both train the same
model in the same memory layout on the same number of images, and copy the same bytes between the same views. The first
line is of our loop against itself: what it is off from 1 is the noise of the others. Quote the mean ratio with its
interval; the absolute figures are this machine's.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from seekcli.cli.allocator import keep_freed_memory
from seekcli.data.sets import sources
from seekcli.method.alternating import Alternating
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve
from seekcli.train.trainer import Trainer

IMAGES, BATCH = 1280, 128


class PlainImages(Dataset):
    """uint8 images with pad-4 crop, flip and normalisation, one at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels
        steps = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        self.transform = v2.Compose([*steps, v2.Normalize([0.5] * 3, [0.25] * 3)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.images[index]), self.labels[index]


def make_trainer(model: str, device: torch.device) -> Trainer:
    settings = {
        "schedule": "alternating",
        "data.name": f"synthetic:3x32x32:10:{IMAGES * 5 // 4}",
        "train.batch_size": BATCH,
        "runtime.device": device.type,
        "recipe": "cifar-resnet",
    }
    return build_trainer(resolve([("bench", settings)]).config, data_of(settings), device)


def data_of(settings: dict[str, object]) -> sources.Dataset:
    return sources.load(resolve([("bench", settings)]).config.data)


def plain_epoch(model: nn.Module, loader: DataLoader, device: torch.device, layout: torch.memory_format) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, foreach=False)
    model.train()
    for images, labels in loader:
        loss = functional.cross_entropy(model(images.to(device, memory_format=layout)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


def seek_epoch(trainer: Trainer) -> None:
    trainer.train_epoch(lambda: None)
    trainer.batch = 0
    trainer.start_next_epoch()
    trainer.epoch = 0


def plain_switch(trainer: Trainer) -> None:
    """Weights, buffers and optimizer state, pair by pair: the views that the grouped copy has."""
    assert isinstance(trainer.turn_rule, Alternating)
    with torch.no_grad():
        for targets, sources in trainer.turn_rule.state_transfer._up.groups:
            for target, source in zip(targets, sources, strict=True):
                target.copy_(source)


def seek_switch(trainer: Trainer) -> None:
    assert isinstance(trainer.turn_rule, Alternating)
    trainer.turn_rule.state_transfer.up(fresh=False)


def seconds(work: Callable[[], None], device: torch.device) -> float:
    clock = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - clock


def compare(name: str, plain: Callable[[], None], ours: Callable[[], None], rounds: int, device: torch.device) -> None:
    """Time both in turns, either first every other round, after one that is not counted; print the ratio plain/seek."""
    pairs = []
    for number in range(rounds + 1):
        first, second = (plain, ours) if number % 2 else (ours, plain)
        found = seconds(first, device), seconds(second, device)
        pairs.append(found if number % 2 else found[::-1])
    plain_median, ours_median = (statistics.median(column) for column in zip(*pairs[1:], strict=True))
    ratio, low, high = mean_ratio([a / b for a, b in pairs[1:]])
    print(
        f"{name:<26} plain {plain_median * 1e3:9.2f} ms   seek {ours_median * 1e3:9.2f} ms   "
        f"ratio {ratio:5.2f} [{low:.2f}, {high:.2f}] over {rounds} rounds"
    )


def mean_ratio(ratios: list[float]) -> tuple[float, float, float]:
    """The geometric mean with its 95 % interval (Student's t over the logarithms)."""
    logs = [math.log(ratio) for ratio in ratios]
    mean, error = statistics.fmean(logs), statistics.stdev(logs) / math.sqrt(len(logs))
    half = float(stats.t.ppf(0.975, len(logs) - 1)) * error
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: an interval needs 2 or more")
    device = torch.device(arguments.device)
    keep_freed_memory()  # as `seek` does, for both
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {IMAGES} images of 3x32x32 a round")

    trainer = make_trainer("resnet20-to-32", device)
    classic = resolve([("bench", {"schedule": "base", "data.name": f"synthetic:3x32x32:10:{IMAGES * 5 // 4}",
                                  "train.batch_size": BATCH, "runtime.device": device.type,
                                  "recipe": "cifar-resnet"})]).config  # fmt: skip
    alone = build_trainer(classic, sources.load(classic.data), device)
    data = sources.load(classic.data)
    loader = DataLoader(PlainImages(data.train_images, data.train_labels), batch_size=BATCH, shuffle=True)
    plain_model = build_trainer(classic, data, device).models["base"]  # in the layout that a run has
    layout = torch.channels_last if classic.runtime.layout == "channels_last" else torch.contiguous_format

    compare("A/A: seek against itself", lambda: seek_epoch(alone), lambda: seek_epoch(alone), arguments.rounds, device)
    compare("epoch of resnet20", lambda: plain_epoch(plain_model, loader, device, layout), lambda: seek_epoch(alone),
            arguments.rounds, device)  # fmt: skip
    compare("switch of resnet20-to-32", lambda: plain_switch(trainer), lambda: seek_switch(trainer),
            max(arguments.rounds, 50), device)  # fmt: skip


if __name__ == "__main__":
    main()
