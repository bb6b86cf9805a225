"""What is measured of a model, against scikit-learn, whatever the batches; and that it is read from the device once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score, top_k_accuracy_score
from torch import nn

from seekcli.train.tasks.classification import evaluate_model

CLASSES = 9


class Replay(nn.Module):
    """Its images are the logits."""

    def forward(self, images):
        return images


def drawn(seed, images, classes=CLASSES, present=None):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes, generator=generator)
    labels = torch.randint(0, present or classes, (images,), generator=generator) ** 2 % (present or classes)
    return logits, labels


def measured(logits, labels, batch_size=7):
    return evaluate_model(Replay(), zip(logits.split(batch_size), labels.split(batch_size), strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch_size", [7, 64, 500])
def test_the_metrics_are_those_of_scikit_learn(seed, batch_size):
    logits, labels = drawn(seed, 200)
    found = measured(logits, labels, batch_size)
    truth, predicted, scores = labels.numpy(), logits.argmax(1).numpy(), logits.softmax(1).double().numpy()
    scores /= scores.sum(1, keepdims=True)
    everyone = list(range(CLASSES))
    assert found.images == 200
    assert found.accuracy_percent == pytest.approx(100 * (truth == predicted).mean(), rel=1e-14)
    assert found.loss == pytest.approx(log_loss(truth, scores, labels=everyone), rel=1e-5)
    top5 = top_k_accuracy_score(truth, logits.numpy(), k=5, labels=everyone)
    assert found.top5_accuracy_percent == pytest.approx(100 * top5, rel=1e-14)
    with warnings.catch_warnings(action="ignore"):  # that some predicted classes have no image, which is the point
        balanced = balanced_accuracy_score(truth, predicted)
    assert found.balanced_accuracy_percent == pytest.approx(100 * balanced, rel=1e-12)
    present = sorted(set(truth.tolist()))
    recalls = recall_score(truth, predicted, labels=present, average=None)
    assert [found.class_accuracy_percent[c] for c in present] == pytest.approx(list(100 * recalls), rel=1e-14)
    assert [found.class_accuracy_percent[c] for c in everyone if c not in present] == [None] * (CLASSES - len(present))
    assert list(found.class_images) == np.bincount(truth, minlength=CLASSES).tolist()
    assert sum(found.class_correct) == (truth == predicted).sum()


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 40))
def test_a_batch_size_changes_no_count(seed, classes, batch_size):
    logits, labels = drawn(seed, 40, classes)
    whole, parts = measured(logits, labels, 40), measured(logits, labels, batch_size)
    assert (whole.class_correct, whole.class_images) == (parts.class_correct, parts.class_images)
    assert whole.top5_accuracy_percent == parts.top5_accuracy_percent
    assert whole.loss == pytest.approx(parts.loss, rel=1e-6)
    assert (whole.top5_accuracy_percent is None) == (classes < 6)


def test_one_rare_class_weighs_as_much_as_a_common_one():
    labels = torch.tensor([0] * 9 + [1])
    logits = torch.tensor([[1.0, 0.0]]).repeat(10, 1)
    found = measured(logits, labels)
    assert (found.accuracy_percent, found.balanced_accuracy_percent) == (90.0, 50.0)
    assert found.class_accuracy_percent == (100.0, 0.0)
    assert found.top5_accuracy_percent is None


def test_a_model_that_tells_nothing_apart_has_no_more_top_1_than_top_5_hits():
    labels = torch.arange(9).repeat(3)
    found = measured(torch.zeros(27, 9), labels)
    assert found.accuracy_percent <= found.top5_accuracy_percent


def test_the_host_reads_once(monkeypatch):
    reads = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, *rest, _name=name, _original=original: reads.append(_name) or _original(self, *rest),
        )
    measured(*drawn(0, 50))
    assert reads == ["tolist"]


def test_the_training_mode_comes_back_and_nothing_is_bad():
    model = Replay().train()
    logits, labels = drawn(1, 20)
    evaluate_model(model, [(logits, labels)])
    assert model.training
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_model(model, [])
