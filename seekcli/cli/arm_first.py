"""`--match-from arm`: one command trains an arm, and then the baselines with the compute that it turned out to cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seekcli.errors import BadInput

if TYPE_CHECKING:
    from seekcli.engines.local import Outcome

ARM = "arm"
AHEAD = (
    "base and motivated of each seed once more, for as many steps as cost what the alternating runs above "
    "will have cost: known once they are trained"
)


def trains_arm_first(schedule: str | None, match: str | None, match_from: str | None) -> bool:
    """Whether the command asks for it. Raises BadInput where there would be no arm to train, or nothing to match."""
    if match_from != ARM:
        return False
    if schedule != "all" or match is None:
        raise BadInput(
            "--match-from arm trains the arm first: give it with --schedule all and --match train_flops; else name the "
            "arm's runs, or their results folder"
        )
    return True


def runs_of_arm(outcomes: Sequence[Outcome]) -> str | None:
    """The ids of the alternating runs as `--match-from` takes them; None where one of them is not finished."""
    from seekcli.config.identity import run_id

    arm = [outcome for outcome in outcomes if outcome.resolved.config.schedule == "alternating"]
    if any(outcome.status is None for outcome in arm):
        return None
    return ",".join(run_id(outcome.resolved.config) for outcome in arm)
