"""Notes on accuracies with BatchNorm statistics that were not re-estimated, which say little of a model that rested."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seekcli.analysis.arm_labels import RECALIBRATE, value_of
from seekcli.analysis.groups import PLAIN_NAMES, Arm, Group

MEASURE = "`seek evaluate RUN --recalibrate` measures it (docs/batchnorm.md)"


def as_trained_notes(
    arms: Sequence[Arm], baselines: Sequence[Group | None], has_running_statistics: Callable[[str], bool]
) -> list[str]:
    """Of arms whose larger model was never re-estimated, and of baselines that are not where an arm is."""
    resting = [arm for arm in arms if not arm.grown and has_running_statistics(arm.motivated.model)]
    never = [arm.label for arm in resting if not value_of(arm.base.settings.arm, RECALIBRATE)]
    notes = []
    if never:
        notes.append(
            f"{'; '.join(never)}: the larger model was evaluated with BatchNorm statistics not its own, or not of "
            f"its last weights, which can cost tens of points: its rows show that too; {MEASURE}"
        )
    if any(is_re_estimated(arm.motivated) for arm in resting):
        notes += [
            f"{PLAIN_NAMES[group.name]} has no re-estimated accuracy for all of its seeds: the larger model is "
            "compared with it as trained, and re-estimated with its own base; --fresh trains the baseline with both"
            for group in baselines
            if group is not None and not is_re_estimated(group)
        ]
    return notes


def is_re_estimated(group: Group) -> bool:
    return group.accuracy_by_seed.keys() <= group.recalibrated_by_seed.keys()
