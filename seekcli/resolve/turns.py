"""From a config to the rule that says which of two models takes the next batch."""

from __future__ import annotations

from seekcli.config.schema import RunConfig
from seekcli.method.alternating import Alternating, Turns
from seekcli.method.condition import needs_of
from seekcli.method.growing import Growing, branch_step
from seekcli.method.pair import Carrier
from seekcli.resolve.conditions import build_condition
from seekcli.train.length import RunLength


def build_turns(config: RunConfig, carrier: Carrier, length: RunLength) -> tuple[Turns, frozenset[str]]:
    """The rule, and what it needs to see of a step beside its loss."""
    if config.schedule == "grow":
        return Growing(carrier, branch_step(config.motivation.grow_at, length.steps)), frozenset()
    condition = build_condition(config, length)
    return Alternating(carrier, condition), needs_of(condition)
