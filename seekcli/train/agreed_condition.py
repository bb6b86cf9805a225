"""A motivation condition of a run of several processes: the first one asks it, and all follow its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekcli.method.condition import Condition
from seekcli.method.observation import Observation
from seekcli.ranks import Ranks


class AgreedCondition:
    """`condition` sees the steps in the first process alone: all switch together, whatever its code depends on."""

    def __init__(self, condition: Condition, ranks: Ranks) -> None:
        self.condition, self.ranks = condition, ranks

    def observe(self, step: Observation) -> bool:
        return self.ranks.decided(self.ranks.first and self.condition.observe(step))

    def state_dict(self) -> dict[str, Any]:
        return self.condition.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.condition.load_state_dict(state)
