"""What follows from forward costs by arithmetic alone: training FLOPs, and the mean forward of a run of two models."""

from __future__ import annotations


def training_flops_per_image(forward_macs: float) -> float:
    """FLOPs of one image in a training step: forward, and a backward of twice its cost, at 2 FLOPs a MAC."""
    return 3 * forward_macs * 2


def motivated_share(motivated_steps: int, base_steps: int) -> float:
    """Share of all steps that are the motivated model's."""
    return motivated_steps / (motivated_steps + base_steps)


def mean_forward_cost(base_cost: float, motivated_cost: float, share: float) -> float:
    """F_XY (paper, section 4): (F_X x base images + F_Y x motivated images) / all images; unit as given.

    `share` is the motivated share of the images. Before a run that of the steps stands for it: they differ by the last
    batch of an epoch, which is smaller.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, got {share}")
    return base_cost + share * (motivated_cost - base_cost)
