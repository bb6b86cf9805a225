"""torch's SGD and AdamW without torch.compile, which all of their methods import: seconds before the first step.

`step`, `zero_grad` and `add_param_group` are wrapped to tell a compiler where to stop. Nothing is compiled here, so
what is inside the wrappers is called, without gradients as there. The numbers are torch's, bit for bit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD, AdamW, Optimizer


class Eager(Optimizer):
    """Stands before an optimizer of torch in the list of bases."""

    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)


class EagerSGD(Eager, SGD):
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        return inspect.unwrap(SGD.step)(self, closure)


class EagerAdamW(Eager, AdamW):
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        return inspect.unwrap(AdamW.step)(self, closure)
