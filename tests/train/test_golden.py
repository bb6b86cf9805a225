"""The loss trace of a tiny alternating run, stored: a refactoring keeps it, a change of the numbers must say so.

`make golden` prints the new trace. The tolerance is for other CPUs and torch versions, whose last bits differ.
"""

from __future__ import annotations

import pytest
import torch
from tiny import tiny

from seekcli.data.sets import sources
from seekcli.resolve.build import build_trainer

GOLDEN = [
    # role, loss: two epochs of 6 steps of ResNet-8 in ResNet-14, k=1, identity start
    ("base", 1.122625),
    ("motivated", 1.106609),
    ("motivated", 0.955233),
    ("motivated", 1.181316),
    ("base", 0.923442),
    ("motivated", 0.880307),
    ("base", 1.276749),
    ("base", 1.116980),
    ("motivated", 0.967531),
    ("motivated", 0.929200),
    ("motivated", 1.014086),
    ("base", 1.215174),
]


def trace():
    config = tiny(train__epochs=2).config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
    found = []
    for _ in range(2):
        trainer.train_epoch(lambda: None)
        found += zip(trainer.log.roles, trainer.log.losses, strict=True)
        trainer.start_next_epoch()
    return found


def test_the_loss_trace_is_the_stored_one():
    found = trace()
    assert [role for role, _ in found] == [role for role, _ in GOLDEN]
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in GOLDEN], rel=2e-3)


if __name__ == "__main__":
    for role, loss in trace():
        print(f'    ("{role}", {loss:.6f}),')
