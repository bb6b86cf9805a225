"""How long a run is: its updates and epochs, of which the last may be shorter, and the images that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RunLength:
    """`steps` updates in all, `steps_per_epoch` in a whole epoch. Both are at least 1."""

    steps: int
    steps_per_epoch: int

    @property
    def epochs(self) -> int:
        """ceil(steps / steps_per_epoch): the last epoch may be shorter."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def passes(self) -> float:
        """Passes over the training set: `epochs` where the last epoch is whole, a fraction less where it is not."""
        return self.steps / self.steps_per_epoch

    def steps_before(self, epoch: int) -> int:
        """Updates in the epochs before this one (from 0); `steps_before(epochs)` is all of them."""
        return min(epoch * self.steps_per_epoch, self.steps)

    def steps_in(self, epoch: int) -> int:
        """Updates in this epoch (from 0)."""
        return self.steps_before(epoch + 1) - self.steps_before(epoch)


def images_in(steps: int, bounds: Sequence[tuple[int, int]]) -> int:
    """Training images in the first `steps` updates of a run whose epochs have these batches."""
    epochs, rest = divmod(steps, len(bounds))
    return epochs * bounds[-1][1] + (bounds[rest - 1][1] if rest else 0)


def nearest_steps(images: float, bounds: Sequence[tuple[int, int]]) -> int:
    """How many updates show about `images` training images; at least 1. Of two that are as near, the fewer."""
    whole = int(images // bounds[-1][1]) * len(bounds)
    candidates = range(max(1, whole), whole + len(bounds) + 1)
    return min(candidates, key=lambda steps: abs(images_in(steps, bounds) - images))
