"""The runs behind a mean: each a mark of its own where there are few enough of them in a picture; else the mean names
the lowest and the highest where a mouse is over it. A run is named by its folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import Group
from seekcli.analysis.metrics import Metric
from seekcli.report import wording
from seekcli.report.figures.canvas import Picture

# So many marks of one picture can be told apart.
MOST_MARKS = 400
SMALL_POINTS, FAINT = 3.5, 0.5


@dataclass(frozen=True)
class SingleRun:
    """Where its mark stands, and what is said there: the run and its number."""

    x: float
    y: float
    words: str


def runs_of_group(group: Group, factor: float, prefix: str) -> list[SingleRun]:
    """At the training FLOPs of each, in `factor` of them, and its accuracy as it is written."""
    flops = [float(totals["train_flops"]) for totals in group.cost.totals]
    return [
        SingleRun(
            cost / factor,
            value,
            f"{run_id}: {value_words(value, group.metric)} at {wording.scaled(cost, factor)} {prefix}FLOPs",
        )
        for run_id, value, cost in zip(group.run_ids, group.written_by_seed.values(), flops, strict=True)
    ]


def pairs_of_contrast(one: Contrast, height: float) -> list[SingleRun]:
    """One a seed: the difference of its two runs; of the two models of one run that run alone."""
    found = one.difference
    (left, right), metric = one.sides, one.scale.metric
    pairs = []
    for seed, difference, *values in zip(found.seeds, found.values, found.left_values, found.right_values, strict=True):
        runs = [
            f"{group.run_by_seed[seed]} {value_words(value, metric)}"
            for group, value in zip((left, right), values, strict=True)
        ]
        words = f"seed {seed}: {wording.points(difference, metric.digits)} {metric.unit}: {' against '.join(runs)}"
        pairs.append(SingleRun(difference, height, words))
    return pairs


def value_words(value: float, metric: Metric) -> str:
    """`97.80 %`, `0.2014 nats`"""
    return f"{value:.{metric.digits}f} {metric.mark or metric.unit}".rstrip()


def draw_single(picture: Picture, axes: Axes, runs: Sequence[SingleRun], shade: str) -> None:
    """Small marks behind the mean."""
    for run in runs:
        (mark,) = axes.plot(
            [run.x], [run.y], "o", color=shade, alpha=FAINT, markersize=SMALL_POINTS, markeredgewidth=0, zorder=1.5
        )
        picture.tell(mark, run.words)


def with_ends(words: str, runs: Sequence[str]) -> str:
    """What a mean says, and below it the first and the last of its runs, which stand in order."""
    ends = [f"lowest: {runs[0]}", f"highest: {runs[-1]}"] if len(runs) > 1 else runs
    return "\n".join([words, *ends])


def in_order(runs: Sequence[SingleRun], value: Callable[[SingleRun], float]) -> list[str]:
    """What is said of each, from the lowest value to the highest."""
    return [run.words for run in sorted(runs, key=value)]


def are_few(runs: Mapping[int, Sequence[SingleRun]]) -> bool:
    return sum(map(len, runs.values())) <= MOST_MARKS
