"""Optimizers that import no compiler do what torch's do, bit for bit."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from seekcli.train.eager_optimizers import EagerAdamW, EagerSGD

FIRST_STEP = """
import sys
import torch
from seekcli.data.sets.digits import read_digits
from seekcli.train.optimizers import OptimizerSettings, build_optimizer

images = read_digits().train_images
model = torch.nn.Linear(64, 10)
for name in ("sgd", "adamw"):
    settings = OptimizerSettings(name=name, lr=0.1, momentum=0.9, nesterov=True, beta1=0.9, beta2=0.99, rms_decay=0.9,
                                 eps=None, weight_decay=0.1, decay_norms_and_biases=False)
    optimizer = build_optimizer(settings, model, torch.device("cpu"))
    model(images[:8].flatten(1) / 255).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
print([name for name in ("torch._dynamo", "sklearn", "scipy", "pandas") if name in sys.modules])
"""


def trained(kind: type[torch.optim.Optimizer], options: dict[str, object]) -> list[Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    spared = {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0}
    optimizer = kind([{"params": [model[0].weight, model[2].weight]}, spared], **options)
    for _ in range(5):
        model(torch.randn(4, 5)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
    states = [value for state in optimizer.state.values() for value in state.values()]
    return [*model.parameters(), *states]


@pytest.mark.parametrize("options", [{"foreach": True}, {"fused": True}, {"foreach": False}])
@pytest.mark.parametrize(
    ("eager", "other", "own"),
    [
        (EagerSGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
        (EagerAdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_the_numbers_are_those_of_torch(
    eager: type, other: type, own: dict[str, object], options: dict[str, object]
) -> None:
    ours, theirs = trained(eager, own | options), trained(other, own | options)
    assert len(ours) == len(theirs) > 4
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_hooks_are_called_and_no_gradient_is_recorded() -> None:
    called = []
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = EagerSGD([weight], 0.1)
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    weight.sum().backward()
    with torch.enable_grad():
        optimizer.step()
    assert called == ["before"]
    assert weight.grad_fn is None
    assert weight.tolist() == pytest.approx([0.9, 0.9])


def test_a_first_step_on_digits_imports_no_compiler_and_no_scikit_learn() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_STEP], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
