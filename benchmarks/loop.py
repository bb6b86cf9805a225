"""How fast is the loop? Ratios against the plain way of writing it, measured side by side, in turns, in one process.

    make bench            (or: python benchmarks/loop.py --rounds 5)

"plain" is what a researcher would write first: a DataLoader over a data set with per-image transforms, `loss.item()`
after every step, optimizers without foreach, and for switches a loop over state_dict() entries. Both train the
same model on the same number of images. Quote the median ratio and its range; the absolute figures are this machine's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

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


def plain_epoch(model: nn.Module, loader: DataLoader, device: torch.device) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, foreach=False)
    model.train()
    for images, labels in loader:
        loss = functional.cross_entropy(model(images.to(device)), labels.to(device))
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
    """Weights and buffers alone, by name: the state of the optimizers would come on top."""
    base, motivated = trainer.models["base"].state_dict(), trainer.models["motivated"].state_dict()
    with torch.no_grad():
        for name, tensor in base.items():
            if name in motivated:
                motivated[name].copy_(tensor)


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
    """Time both in turns after one round that is not counted; print the ratio plain/seek round by round."""
    pairs = [(seconds(plain, device), seconds(ours, device)) for _ in range(rounds + 1)][1:]
    ratios = sorted(a / b for a, b in pairs)
    plain_median, ours_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"{name:<28} plain {plain_median * 1e3:9.2f} ms   seek {ours_median * 1e3:9.2f} ms   "
        f"ratio {statistics.median(ratios):5.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}] over {rounds} rounds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {IMAGES} images of 3x32x32 a round")

    trainer = make_trainer("resnet20-to-32", device)
    classic = resolve([("bench", {"schedule": "base", "data.name": f"synthetic:3x32x32:10:{IMAGES * 5 // 4}",
                                  "train.batch_size": BATCH, "runtime.device": device.type,
                                  "recipe": "cifar-resnet"})]).config  # fmt: skip
    alone = build_trainer(classic, sources.load(classic.data), device)
    data = sources.load(classic.data)
    loader = DataLoader(PlainImages(data.train_images, data.train_labels), batch_size=BATCH, shuffle=True)
    plain_model = build_trainer(classic, data, device).models["base"].to(memory_format=torch.contiguous_format)

    compare("epoch of resnet20", lambda: plain_epoch(plain_model, loader, device), lambda: seek_epoch(alone),
            arguments.rounds, device)  # fmt: skip
    compare("switch of resnet20-to-32", lambda: plain_switch(trainer), lambda: seek_switch(trainer),
            max(arguments.rounds, 50), device)  # fmt: skip


if __name__ == "__main__":
    main()
