"""Where the batches of an epoch begin and end: arithmetic alone, so that a run's length is known without torch."""

from __future__ import annotations


def batch_bounds(images: int, batch_size: int, drop_last: bool) -> list[tuple[int, int]]:
    """[(start, stop), ...] of an epoch's batches over `images` positions.

    A remainder of one image joins the batch before it (BatchNorm cannot train on one value per channel); `drop_last`
    leaves out a remainder of any size.
    """
    full, remainder = divmod(images, batch_size)
    bounds = [(step * batch_size, (step + 1) * batch_size) for step in range(full)]
    if drop_last or not remainder:
        return bounds
    if remainder == 1 and bounds:
        return [*bounds[:-1], (bounds[-1][0], images)]
    return [*bounds, (full * batch_size, images)]
