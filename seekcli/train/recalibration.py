"""BatchNorm statistics estimated anew, on a copy: training, checkpoints and optimizers never see it.

Running statistics lag behind the weights, and in alternating training a model that rests keeps those of its last own
step while a switch moves its weights (Wu and Johnson, "Rethinking Batch in BatchNorm", arXiv 2105.07576, section 3).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seekcli.data.loading.batches import Batches
from seekcli.data.loading.row_batches import RowBatches
from seekcli.train.step import micro_batch_bounds


class Autocast(nn.Module):
    """The model in the precision of a run. What prepares its images stays outside of it."""

    def __init__(self, model: nn.Module, dtype: torch.dtype | None) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype is not None):
            logits: Tensor = self.model(images)
        return logits


@dataclass(frozen=True)
class Recalibration:
    """The training batches that statistics are estimated on: first ones of an epoch, as the test images are shown.

    They are augmented as in training, but not mixed. Everything is a pure function of (seed, epoch).
    """

    batches: Batches | RowBatches
    autocast_dtype: torch.dtype | None
    micro_batches: int

    @property
    def images(self) -> int:
        return sum(stop - first for first, stop in self.batches.bounds)

    def recalibrated(self, models: Mapping[str, nn.Module], epoch: int) -> dict[str, nn.Module]:
        """Copies of the models by role, in eval mode, with statistics of the batches of this epoch (from 0)."""
        return {role: self._recalibrated(model, epoch) for role, model in models.items()}

    def _recalibrated(self, model: nn.Module, epoch: int) -> nn.Module:
        parts = [part for first, stop in self.batches.bounds for part in self._parts(stop - first)]
        estimated = copy.deepcopy(model).requires_grad_(False).eval()
        estimate_statistics(estimated, self._images(epoch), len(parts), self.autocast_dtype)
        return estimated

    def _images(self, epoch: int) -> Iterator[Tensor]:
        for images, _ in self.batches.epoch(epoch):
            for first, stop in self._parts(len(images)):
                yield images[first:stop]

    def _parts(self, images: int) -> list[tuple[int, int]]:
        """A batch that does not fit in memory at once comes in the parts that it is trained in."""
        return micro_batch_bounds(images, self.micro_batches)


def estimate_statistics(
    model: nn.Module, images: Iterable[Tensor], batches: int, autocast_dtype: torch.dtype | None = None
) -> None:
    """Set mean and variance of every BatchNorm to those of all `batches` batches [B, C, H, W] together, in place.

    `model` is in eval mode and stays in it: dropout and stochastic depth are off, and other layers keep their state.
    The count of batches stays that of training.
    """
    with warnings.catch_warnings():
        # fvcore scripts a few losses when it is imported; torch warns of that to whoever imports it.
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script")
        from fvcore.nn.precise_bn import update_bn_stats
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]
    counts = [copy.deepcopy(layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.training = True  # of the layer alone: a normalisation of timm's may hold a dropout
    update_bn_stats(Autocast(model, autocast_dtype).requires_grad_(False), images, batches)
    for layer, count in zip(layers, counts, strict=True):
        layer.training = False
        layer.num_batches_tracked = count
        # A difference of two means of squares: where a channel is constant, rounding may leave less than nothing.
        assert layer.running_var is not None
        layer.running_var.clamp_(min=0)
