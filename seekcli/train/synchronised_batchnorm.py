"""BatchNorm over the images of all processes (`train.batchnorm = "synchronised"`), on every device.

torch's own SyncBatchNorm replaces modules and needs CUDA. This one replaces the function that all BatchNorm modules
call, timm's with their activations too, in plain operations: two sums over the processes in each forward pass of a
layer, and two in its backward pass. It is the same on a CPU and on a GPU, and slower there than a kernel of one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from seekcli.ranks import Ranks


class SynchronisedBatchNorm:
    """`counting` is the context of a forward pass in training: its BatchNorms see the images of all processes."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    @contextmanager
    def counting(self, counts: bool) -> Iterator[None]:
        """With False this process's images are normalised, but are no part of the statistics."""
        with _Replaced(self.ranks, counts):
            yield


class _Replaced(TorchFunctionMode):
    """Inside, `functional.batch_norm` in training is `synchronised`; every other function is itself."""

    def __init__(self, ranks: Ranks, counts: bool) -> None:
        super().__init__()
        self.ranks, self.counts = ranks, counts

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not functional.batch_norm:
            return func(*args, **(kwargs or {}))
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        said = dict(zip(names, args, strict=False)) | dict(kwargs or {})
        if not said.get("training", False):
            return func(*args, **(kwargs or {}))
        return synchronised(self.ranks, self.counts, **said)


class _Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.summed(value)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Any) -> Any:
        return ctx.ranks.summed(gradients[0].contiguous()), None  # type: ignore[attr-defined]


def synchronised(
    ranks: Ranks,
    counts: bool,
    *,
    input: Tensor,  # noqa: A002 (the name of torch's own argument)
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`functional.batch_norm` in training, of the inputs [B, C, ...] of all processes together, summed in float32.

    The variance is that of deviations from the mean of all: a difference of two means of squares would lose digits.
    """
    values = input.float()
    axes = [axis for axis in range(values.dim()) if axis != 1]
    shape = [1, -1, *[1] * (values.dim() - 2)]
    own = torch.tensor(float(counts), device=values.device)
    per_channel = values.new_full((1,), values.numel() // values.shape[1])
    sums = _Summed.apply(own * torch.cat([values.sum(axes), per_channel]), ranks)
    count = sums[-1].detach()
    mean = sums[:-1] / count
    deviations = values - mean.view(shape)
    variance = _Summed.apply(own * deviations.square().sum(axes), ranks) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * (count / (count - 1))).to(running_var.dtype), momentum)
    normalised = deviations * torch.rsqrt(variance + eps).view(shape)
    if weight is not None:
        normalised = normalised * weight.view(shape)
    if bias is not None:
        normalised = normalised + bias.view(shape)
    return normalised.to(input.dtype)
