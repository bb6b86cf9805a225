"""Algorithm 1 (paper 3.2): which model takes this batch, and the switches. Nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from seekcli.method.condition import Condition
from seekcli.method.observation import Observation
from seekcli.method.roles import BASE, MOTIVATED


class Carrier(Protocol):
    """What carries weights, buffers and optimizer state between the models of a pair: see `pair.StateTransfer`."""

    def up(self, fresh: bool) -> int: ...

    def down(self) -> int: ...

    def refresh(self, fresh: bool) -> None: ...


class TurnRule(Protocol):
    """Who takes the next batch, in order. All schedules share the loop through this."""

    @property
    def roles(self) -> tuple[str, ...]: ...

    motivated_steps: int
    switches: int
    copied_bytes: int

    def observe(self, step: Observation) -> None: ...

    def end_epoch(self) -> None: ...

    def refresh_motivated(self) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class Alternating:
    """The base takes the batches, the motivated model while the condition holds; a switch carries the state over."""

    def __init__(self, state_transfer: Carrier, condition: Condition) -> None:
        self.state_transfer = state_transfer
        self.condition = condition
        self.role = BASE
        self.motivated_steps = 0
        self.switches = 0
        self.copied_bytes = 0

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def observe(self, step: Observation) -> None:
        """Algorithm 1, lines 2 to 4, after the active model's update."""
        self.motivated_steps += self.role == MOTIVATED
        motivated = self.condition.observe(step)
        if motivated and self.role == BASE:
            self._switch(MOTIVATED)
        elif not motivated and self.role == MOTIVATED:
            self._switch(BASE)

    def end_epoch(self) -> None:
        """Every epoch starts on the base: a motivated state ends here. Entering on the last batch counts, idly."""
        if self.role == MOTIVATED:
            self._switch(BASE)

    def _switch(self, role: str) -> None:
        copied = (
            self.state_transfer.up(fresh=self.motivated_steps == 0) if role == MOTIVATED else self.state_transfer.down()
        )
        self.role = role
        self.switches += 1
        self.copied_bytes += copied

    def refresh_motivated(self) -> None:
        """Put the base's weights and buffers into the motivated model, as it is evaluated and exported."""
        self.state_transfer.refresh(fresh=self.motivated_steps == 0)

    def state_dict(self) -> dict[str, Any]:
        counts = {"motivated_steps": self.motivated_steps, "switches": self.switches, "copied_bytes": self.copied_bytes}
        return {"role": self.role, **counts, "condition": self.condition.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.role = state["role"]
        self.motivated_steps = state["motivated_steps"]
        self.switches = state["switches"]
        self.copied_bytes = state["copied_bytes"]
        self.condition.load_state_dict(state["condition"])


class SingleModel:
    """A classic schedule: one model takes every batch. No map, no copies."""

    motivated_steps = 0
    switches = 0
    copied_bytes = 0

    def __init__(self, role: str) -> None:
        self.role = role

    @property
    def roles(self) -> tuple[str, ...]:
        return (self.role,)

    def observe(self, step: Observation) -> None:
        pass

    def end_epoch(self) -> None:
        pass

    def refresh_motivated(self) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {"role": self.role}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass
