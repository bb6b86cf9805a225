"""Classification: its training losses, and the one evaluator of both roles and every split.

In training, targets are class numbers [B], or shares of each class [B, K] where images were mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional

from seekcli.train.step import Loss
from seekcli.train.tasks.task import Task

# With 5 classes or fewer every image would be a top-5 hit, which says nothing.
TOP = 5


def build_loss(name: str, label_smoothing: float = 0.0, bce_threshold: float | None = None) -> Loss:
    """`cross-entropy`: in nats per image; `bce`: as `binary_cross_entropy`."""
    if name == "bce":
        return partial(binary_cross_entropy, smoothing=label_smoothing, threshold=bce_threshold)
    return partial(functional.cross_entropy, label_smoothing=label_smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float, threshold: float | None) -> Tensor:
    """One-vs-all, mean over images and classes (ResNet strikes back, arXiv 2110.00476).

    With a threshold every class whose share is above it counts as present, all others as absent, after smoothing.
    """
    if targets.dim() == 1:
        targets = functional.one_hot(targets, logits.shape[1])
    targets = targets.to(torch.float32) * (1 - smoothing) + smoothing / logits.shape[1]
    if threshold is not None:
        targets = (targets > threshold).to(torch.float32)
    return functional.binary_cross_entropy_with_logits(logits, targets)


@dataclass(frozen=True)
class Ranking:
    """The likeliest classes of each image, int64 [images, R], best first, and their softmax probabilities, float32."""

    classes: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy (nats per image), accuracies in percent, and hits and images of each class, by its index.

    `top5_accuracy_percent` is None with fewer than 6 classes. `answers` int64 [images] and `hits` bool [images] are of
    each image, in the order of the split, and stay on the device; so does the `ranking`, where it was asked for.
    """

    loss: float
    accuracy_percent: float
    images: int
    top5_accuracy_percent: float | None
    class_correct: tuple[int, ...]
    class_images: tuple[int, ...]
    answers: Tensor = field(repr=False, compare=False)
    hits: Tensor = field(repr=False, compare=False)
    ranking: Ranking | None = field(default=None, repr=False, compare=False)

    @cached_property
    def class_accuracy_percent(self) -> tuple[float | None, ...]:
        """Recall of each class, None for one without images."""
        counts = zip(self.class_correct, self.class_images, strict=True)
        return tuple(100.0 * correct / images if images else None for correct, images in counts)

    @property
    def balanced_accuracy_percent(self) -> float:
        """Mean of the recalls of the classes that have images: each class counts the same, however small it is."""
        return fmean(recall for recall in self.class_accuracy_percent if recall is not None)

    def columns(self) -> dict[str, float | None]:
        return {
            "loss": self.loss,
            "accuracy_percent": self.accuracy_percent,
            "top5_accuracy_percent": self.top5_accuracy_percent,
            "balanced_accuracy_percent": self.balanced_accuracy_percent,
        }


def classification(name: str, label_smoothing: float = 0.0, bce_threshold: float | None = None) -> Task:
    """The task with the training loss of this name; what is measured is the same for each."""
    return Task(
        name="classification",
        loss=build_loss(name, label_smoothing, bce_threshold),
        summed_loss=partial(functional.cross_entropy, reduction="sum"),
        evaluate=evaluate_model,
    )


@torch.no_grad()
def evaluate_model(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast_dtype: torch.dtype | None = None,
    watcher: Callable[[int], None] = lambda images: None,
    ranks: int = 0,
) -> Evaluation:
    """Evaluate in eval mode and put the training mode back. Everything accumulates on the device and is read once.

    `batches` yields normalised images [B, C, H, W] and labels [B]; `watcher` is told how many were taken so far. With
    `ranks` the likeliest classes of each image, so many of them, are kept. Raises ValueError when there are none.
    """
    was_training = model.training
    model.eval()
    totals: Tensor | None = None
    answers: list[Tensor] = []
    hits: list[Tensor] = []
    rankings: list[Ranking] = []
    images_seen = 0
    for images, labels in batches:
        with torch.autocast(images.device.type, autocast_dtype, enabled=autocast_dtype is not None):
            logits = model(images)
        logits = logits.float()
        answers.append(logits.argmax(dim=1))
        hits.append(answers[-1] == labels)
        if ranks:
            rankings.append(ranked(logits, ranks))
        counted = batch_totals(logits, labels, hits[-1])
        totals = counted if totals is None else totals + counted
        images_seen += len(labels)
        watcher(images_seen)
    model.train(was_training)
    if totals is None:
        raise ValueError("there is nothing to evaluate on")
    loss_sum, correct, in_top, *by_class = totals.tolist()
    classes = len(by_class) // 2
    return Evaluation(
        loss_sum / images_seen,
        100.0 * correct / images_seen,
        images_seen,
        100.0 * in_top / images_seen if classes > TOP else None,
        tuple(map(int, by_class[:classes])),
        tuple(map(int, by_class[classes:])),
        torch.cat(answers),
        torch.cat(hits),
        joined_rankings(rankings) if ranks else None,
    )


def ranked(logits: Tensor, ranks: int) -> Ranking:
    """Of logits [B, K]. Stable, so that the first class is the one that argmax takes among equal ones."""
    order = logits.sort(dim=1, descending=True, stable=True).indices[:, :ranks]
    return Ranking(order, logits.softmax(dim=1).gather(1, order))


def joined_rankings(rankings: list[Ranking]) -> Ranking:
    classes = torch.cat([one.classes for one in rankings])
    return Ranking(classes, torch.cat([one.probabilities for one in rankings]))


def batch_totals(logits: Tensor, labels: Tensor, hits: Tensor) -> Tensor:
    """[3 + 2 K]: sum of the losses, top-1 hits, top-5 hits, then hits and images of each of the K classes.

    Of logits [B, K], labels [B] and whether each image's answer is right, [B].

    Sums in double where the device has it (mps has not): a float cannot count every image of a large split.
    """
    dtype = torch.float32 if logits.device.type == "mps" else torch.float64
    classes = logits.shape[1]
    loss = functional.cross_entropy(logits, labels, reduction="none").to(dtype).sum()
    top = logits.topk(min(TOP, classes), dim=1).indices
    in_top = (top == labels.unsqueeze(1)).any(dim=1) | hits  # among equal logits topk and argmax may choose differently
    by_class = torch.zeros(2, classes, dtype=dtype, device=logits.device)
    by_class[0].index_add_(0, labels, hits.to(dtype))  # whole numbers: exact in any order of adding up
    by_class[1].index_add_(0, labels, torch.ones_like(labels, dtype=dtype))
    return torch.cat([torch.stack([loss, hits.sum().to(dtype), in_top.sum().to(dtype)]), by_class.flatten()])
