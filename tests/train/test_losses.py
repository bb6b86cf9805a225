"""Training losses against sums written out, on class numbers and on mixed targets."""

from __future__ import annotations

import math

import pytest
import torch

from seekcli.train.tasks.classification import build_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -0.7]])
LABELS = torch.tensor([0, 2])
MIXED = torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.0, 0.9]])


def log_softmax(row):
    total = math.log(sum(math.exp(value) for value in row))
    return [value - total for value in row]


def by_hand_cross_entropy(shares, smoothing):
    losses = []
    for row, targets in zip(LOGITS.tolist(), shares.tolist(), strict=True):
        smooth = [share * (1 - smoothing) + smoothing / 3 for share in targets]
        losses.append(-sum(share * value for share, value in zip(smooth, log_softmax(row), strict=True)))
    return sum(losses) / len(losses)


def by_hand_bce(shares, smoothing, threshold):
    total = 0.0
    for row, targets in zip(LOGITS.tolist(), shares.tolist(), strict=True):
        for logit, share in zip(row, targets, strict=True):
            present = share * (1 - smoothing) + smoothing / 3
            present = present if threshold is None else float(present > threshold)
            probability = 1 / (1 + math.exp(-logit))
            total -= present * math.log(probability) + (1 - present) * math.log(1 - probability)
    return total / LOGITS.numel()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("targets", "shares"), [(LABELS, torch.eye(3)[LABELS]), (MIXED, MIXED)])
def test_cross_entropy(targets, shares, smoothing):
    loss = build_loss("cross-entropy", smoothing)(LOGITS, targets)
    assert loss.item() == pytest.approx(by_hand_cross_entropy(shares, smoothing), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("threshold", [None, 0.2])
@pytest.mark.parametrize(("targets", "shares"), [(LABELS, torch.eye(3)[LABELS]), (MIXED, MIXED)])
def test_bce(targets, shares, smoothing, threshold):
    loss = build_loss("bce", smoothing, threshold)(LOGITS, targets)
    assert loss.item() == pytest.approx(by_hand_bce(shares, smoothing, threshold), rel=1e-6)
    assert loss.dtype == torch.float32


def test_the_threshold_counts_both_mixed_classes_as_present():
    loss = build_loss("bce", bce_threshold=0.2)
    assert torch.equal(loss(LOGITS, torch.tensor([[0.7, 0.3, 0.0], [0.1, 0.0, 0.9]])),
                       loss(LOGITS, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])))  # fmt: skip


def test_the_threshold_is_timms():
    from timm.loss import BinaryCrossEntropy

    ours = build_loss("bce", bce_threshold=0.2)
    assert torch.equal(ours(LOGITS, MIXED), BinaryCrossEntropy(smoothing=0.0, target_threshold=0.2)(LOGITS, MIXED))
