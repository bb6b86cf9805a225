"""Runs that differ in their seed alone -> groups with their accuracy (or another metric) and cost, and the arms of
alternating runs. The final value is the last epoch's, never the best. Nothing here prints or rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from statistics import fmean
from typing import Any

from seekcli.analysis.efficiency import Efficiency, StepShare, efficiency, share_against_expected, without_ratios
from seekcli.analysis.images import motivated_share_of_images
from seekcli.analysis.metrics import Metric
from seekcli.analysis.runs import GROW, ArmSettings, Run
from seekcli.analysis.statistics import NO_SPREAD, Interval, Sample, paired_difference, sample
from seekcli.config.condition_settings import share_basis
from seekcli.method.cost_measures import mean_forward_cost

X_C, X_Y_B, X_Y_M, Y_C = "X-C", "X-Y-B", "X-Y-M", "Y-C"
# The same models alone, trained for as long as costs what the arm does.
X_C_EQUAL, Y_C_EQUAL = "X-C=", "Y-C="
# What people read; the paper's name stands in brackets where both are of use.
PLAIN_NAMES = {
    X_C: "base alone",
    X_Y_B: "base, alternating",
    X_Y_M: "larger, alternating",
    Y_C: "larger alone",
    X_C_EQUAL: "base alone, equal compute",
    Y_C_EQUAL: "larger alone, equal compute",
}
# Forward cost of one image by the run's model of a role.
ForwardCost = Callable[[Run, str], float]


class Accuracy(StrEnum):
    """Which test accuracy: BatchNorm statistics as training left them, or re-estimated on training batches."""

    AS_TRAINED = "as trained"
    RECALIBRATED = "re-estimated"


@dataclass(frozen=True)
class Cost:
    """Of one whole training run; an alternating run trains both models in it. Wall time is of the epochs.

    `totals` are those of each run of a group; a spread over them is computed where it is asked for.
    """

    totals: tuple[Mapping[str, Any], ...]

    def _over_runs(self, name: str) -> Sample:
        return sample([float(of_run[name]) for of_run in self.totals])

    @cached_property
    def train_flops(self) -> Sample:
        return self._over_runs("train_flops")

    @cached_property
    def evaluation_flops(self) -> Sample:
        return self._over_runs("evaluation_flops")

    @cached_property
    def condition_flops(self) -> Sample:
        return self._over_runs("condition_flops")

    @cached_property
    def copied_bytes(self) -> Sample:
        return self._over_runs("copied_bytes")

    @cached_property
    def epoch_seconds(self) -> Sample:
        return self._over_runs("epoch_seconds")

    @cached_property
    def recalibration_flops(self) -> Sample:
        """0 in runs of older programs, which did not count them."""
        return sample([float(of_run.get("recalibration_flops", 0.0)) for of_run in self.totals])


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, and one of their models. Values are of `metric`; accuracies in percent.

    `recalibrated_by_seed` holds the seeds for which the accuracy with re-estimated BatchNorm statistics was measured.
    `forward_per_image` is in MACs, or in the FLOPs of the convention that the comparison was asked for.
    """

    name: str
    model: str
    arm: str | None
    settings: ArmSettings
    run_ids: tuple[str, ...]
    value_by_seed: Mapping[int, float]
    recalibrated_by_seed: Mapping[int, float]
    final: Sample
    metric: Metric
    forward_per_image: float
    cost: Cost
    test_images: int | None

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(self.value_by_seed)

    @property
    def run_by_seed(self) -> dict[int, str]:
        """Seed -> run id."""
        return dict(zip(self.seeds, self.run_ids, strict=True))

    @cached_property
    def recalibrated(self) -> Sample | None:
        values = list(self.recalibrated_by_seed.values())
        return sample(values) if values else None

    @property
    def of_written_model(self) -> Sample:
        """Re-estimated where every seed has it, as the models of a run of both are written; else as trained."""
        again = self.recalibrated
        return again if again is not None and again.n == self.final.n else self.final

    @property
    def written_by_seed(self) -> Mapping[int, float]:
        """The values that `of_written_model` sums up."""
        again = self.recalibrated_by_seed
        return again if len(again) == self.final.n else self.value_by_seed

    @property
    def sampling_error_points(self) -> float | None:
        """Standard error of one accuracy at the group's mean, from the number of test images alone (binomial)."""
        if self.test_images is None or not self.metric.of_the_paper:
            return None
        share = min(max(self.final.mean / 100, 0.0), 1.0)
        return float(100 * (share * (1 - share) / self.test_images) ** 0.5)

    def by_seed(self, accuracy: Accuracy) -> Mapping[int, float]:
        return self.value_by_seed if accuracy is Accuracy.AS_TRAINED else self.recalibrated_by_seed


@dataclass(frozen=True)
class Apart:
    """How far the two models of an arm's runs are apart at the end, each over the runs that say so.

    `usage` is that of the added blocks (0 where they do nothing, about 1 where they do as much as the mapped ones);
    None without added blocks. The accuracies, in percent, are on the test images that the two answer differently.
    """

    usage: Sample | None
    answers_differ_percent: Sample | None
    base_accuracy_where_differ_percent: Sample | None
    motivated_accuracy_where_differ_percent: Sample | None


@dataclass(frozen=True)
class Arm:
    """One way of motivation in a cell: both models of its alternating runs.

    `x_c_equal` and `y_c_equal` are the models alone with the training compute of the arm. `runs_by_steps` counts the
    runs whose F_XY is by steps, because nothing says how many images each model took.
    """

    label: str
    base: Group
    motivated: Group
    share: StepShare
    efficiency: Efficiency
    apart: Apart
    x_c_equal: Group | None = None
    y_c_equal: Group | None = None
    runs_by_steps: int = 0

    @property
    def grown(self) -> bool:
        """Whether the larger model branched off late from a base that is a classic run, update by update."""
        return self.base.settings.schedule == GROW

    @property
    def groups(self) -> tuple[Group, ...]:
        listed = (self.base, self.motivated, self.x_c_equal, self.y_c_equal)
        return tuple(group for group in listed if group is not None)

    def cost_ratio(self, group: Group) -> float:
        """Training FLOPs of a run of the group over those of an alternating run."""
        return group.cost.train_flops.mean / self.base.cost.train_flops.mean


def plain_and_paper(name: str) -> str:
    """`base alone (X-C)`."""
    return f"{PLAIN_NAMES[name]} ({name})"


def recorded_macs(run: Run, role: str) -> float:
    return float(run.rows[role]["forward_macs_per_image"])


def classic_group(name: str, runs: Sequence[Run], forward_cost: ForwardCost, arm: str | None = None) -> Group:
    return make_group(name, arm, runs, lambda run: next(iter(run.rows)), forward_cost)


def make_arm(label: str, runs: Sequence[Run], x_c: Group | None, y_c: Group | None, forward_cost: ForwardCost) -> Arm:
    base = make_group(X_Y_B, label, runs, lambda run: "base", forward_cost)
    motivated = make_group(X_Y_M, label, runs, lambda run: "motivated", forward_cost)
    f_x, f_y = base.forward_per_image, motivated.forward_per_image
    shares = [motivated_share_of_images(run, run.facts) for run in runs]
    by_image = [run.share if share is None else share for run, share in zip(runs, shares, strict=True)]
    f_xy = fmean([mean_forward_cost(f_x, f_y, share) for share in by_image])
    expected = [run.expected_share for run in runs if run.expected_share is not None]
    share = share_against_expected(
        [(int(run.totals["motivated_steps"]), run.steps) for run in runs],
        fmean(expected) if expected else None,
        share_basis(base.settings.schedule, base.settings.arm.get("motivation.condition")),
    )
    gains = _gain_points(base, x_c), _gain_points(y_c, x_c)
    measures = efficiency(f_x, f_y, f_xy, *gains, _gain_interval(y_c, x_c))
    if not base.metric.of_the_paper:
        measures = without_ratios(measures, base.metric.column)
    return Arm(label, base, motivated, share, measures, apart_of(runs), runs_by_steps=shares.count(None))


def apart_of(runs: Sequence[Run]) -> Apart:
    """From the last rows of the motivated models; runs of earlier versions say nothing."""

    def over_runs(column: str) -> Sample | None:
        values = [run.rows["motivated"].get(column) for run in runs]
        known = [float(value) for value in values if value is not None]
        return sample(known) if known else None

    names = ("answers_differ_percent", "base_accuracy_where_differ_percent", "motivated_accuracy_where_differ_percent")
    return Apart(over_runs("added_blocks_usage"), *(over_runs(name) for name in names))


def _gain_points(group: Group | None, reference: Group | None) -> float | None:
    """Mean difference over common seeds; where there are none, the difference of the means."""
    if group is None or reference is None:
        return None
    left, right = group.value_by_seed, reference.value_by_seed
    common = [left[seed] - right[seed] for seed in left if seed in right]
    gain = fmean(common) if common else group.final.mean - reference.final.mean
    return gain if abs(gain) > NO_SPREAD else 0.0  # what is left of equal sums is rounding


def _gain_interval(group: Group | None, reference: Group | None) -> Interval | None:
    if group is None or reference is None:
        return None
    found = paired_difference(group.name, reference.name, group.value_by_seed, reference.value_by_seed)
    return found.interval if found else None


def make_group(
    name: str, arm: str | None, runs: Sequence[Run], role_of: Callable[[Run], str], forward_cost: ForwardCost
) -> Group:
    ordered = sorted(runs, key=lambda run: run.seed)
    by_seed = {run.seed: run.value(role_of(run)) for run in ordered}
    recalibrated = {run.seed: run.recalibrated(role_of(run)) for run in ordered}
    first = ordered[0]
    return Group(
        name=name,
        model=first.models[role_of(first)],
        arm=arm,
        settings=first.settings,
        run_ids=tuple(run.run_id for run in ordered),
        value_by_seed=by_seed,
        recalibrated_by_seed={seed: value for seed, value in recalibrated.items() if value is not None},
        final=sample(list(by_seed.values())),
        metric=first.metric,
        forward_per_image=fmean([forward_cost(run, role_of(run)) for run in ordered]),
        cost=Cost(tuple(run.totals for run in ordered)),
        test_images=_test_images(first.facts),
    )


def _test_images(facts: Mapping[str, Any]) -> int | None:
    """Their number as config.json states it; all runs of a group share it. None for a published table."""
    images = facts.get("test_images")
    return images if isinstance(images, int) and images > 0 else None
