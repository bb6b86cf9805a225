"""Progressive growing: the larger model branches off late, the base goes on untouched (arXiv 2511.04981)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seekcli.method.observation import Observation
from seekcli.method.roles import BASE, MOTIVATED

if TYPE_CHECKING:
    from seekcli.method.pair import StateTransfer


def branch_step(at: float, steps: int) -> int:
    """Steps of the run before the motivated model branches off at the fraction `at` of them."""
    return round(at * steps)


def grown_share(at: float, steps: int) -> float:
    """Motivated updates / all updates: the base takes every batch, the motivated model those after the branch."""
    after = steps - branch_step(at, steps)
    return after / (steps + after)


class Growing:
    """The base takes every batch; after `branch_step` batches the motivated model takes each batch after it.

    Weights, buffers and optimizer state are carried up once, at the branch. Nothing is ever carried down, so the base
    is that of a classic run.
    """

    def __init__(self, state_transfer: StateTransfer, branch: int) -> None:
        self.state_transfer = state_transfer
        self.branch = branch
        self.batches_done = 0
        self.motivated_steps = 0
        self.switches = 0
        self.copied_bytes = 0

    @property
    def roles(self) -> tuple[str, ...]:
        """Who takes the next batch, in order."""
        return (BASE, MOTIVATED) if self.switches else (BASE,)

    def observe(self, step: Observation) -> None:
        """After all updates of a batch."""
        self.batches_done += 1
        self.motivated_steps += self.switches
        if self.batches_done == self.branch:
            self.copied_bytes += self.state_transfer.up(fresh=True)
            self.switches += 1

    def end_epoch(self) -> None:
        pass

    def refresh_motivated(self) -> None:
        """Before the branch the motivated model is the base; after it, it has weights of its own."""
        if not self.switches:
            self.state_transfer.refresh(fresh=True)

    def state_dict(self) -> dict[str, Any]:
        counts = {"motivated_steps": self.motivated_steps, "switches": self.switches, "copied_bytes": self.copied_bytes}
        return {"batches_done": self.batches_done, **counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.batches_done = state["batches_done"]
        self.motivated_steps = state["motivated_steps"]
        self.switches = state["switches"]
        self.copied_bytes = state["copied_bytes"]
