"""`budget`: a fixed share of motivated steps, spent on batches after a fall of the loss as far as the pace allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seekcli.method.observation import Observation


class Budget:
    """In each epoch a given number of motivated steps, so that the share is met in every epoch within one step.

    An epoch e (from 0) of B batches has n = r(e + 1) - r(e) of them, r(e) = floor(share x B x e + 1/2), at most B - 1.
    Of its batches 1 to j (batch 0 is the base's) at most ceil(n x j / (B - 1)) are motivated: the pace. Batch j is
    motivated where the loss has just fallen and the pace allows it, and where all batches that are left are owed.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, share: float, steps: int, steps_per_epoch: int) -> None:
        self.share = share
        self.steps = steps
        self.steps_per_epoch = steps_per_epoch
        self.previous = math.inf
        self.taken = 0

    def count(self, epoch: int) -> int:
        """Motivated steps of this epoch, of which the last one may be shorter than the others."""
        first = epoch * self.steps_per_epoch
        stop = min(first + self.steps_per_epoch, self.steps)
        owed = math.floor(self.share * stop + 0.5) - math.floor(self.share * first + 0.5)
        return min(owed, stop - first - 1)

    def observe(self, step: Observation) -> bool:
        fell = step.loss < self.previous
        self.previous = step.loss
        if step.batch == 0:
            self.taken = 0
        if step.ends_epoch:
            return False
        following, last = step.batch + 1, step.batches - 1
        count = self.count(step.epoch)
        owed, left = count - self.taken, last - step.batch
        within_pace = self.taken < math.ceil(count * following / last)
        motivated = owed > 0 and (owed >= left or (fell and within_pace))
        self.taken += motivated
        return motivated

    def motivated_steps(self) -> int:
        return sum(self.count(epoch) for epoch in range(math.ceil(self.steps / self.steps_per_epoch)))

    def state_dict(self) -> dict[str, Any]:
        # JSON has no infinity; None stands for "no value yet".
        return {"previous": None if math.isinf(self.previous) else self.previous, "taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.previous = math.inf if state["previous"] is None else float(state["previous"])
        self.taken = int(state["taken"])
