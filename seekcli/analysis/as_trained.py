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
    if any(not arm.base.metric.of_the_paper for arm in arms):
        return _as_written(arms, has_running_statistics)
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


def _as_written(arms: Sequence[Arm], has_running_statistics: Callable[[str], bool]) -> list[str]:
    """Another metric than the paper's accuracy is recorded once, of the models as they are written."""
    anew = [one for one in arms if has_running_statistics(one.motivated.model)]
    if not any(value_of(arm.base.settings.arm, RECALIBRATE) for arm in anew):
        return []
    return [
        f"{anew[0].base.metric.title} is of the models as they are written: those of a run of both with BatchNorm "
        "statistics estimated anew, the models alone as trained; --metric test_accuracy_percent has both of both"
    ]


def is_re_estimated(group: Group) -> bool:
    return group.value_by_seed.keys() <= group.recalibrated_by_seed.keys()
