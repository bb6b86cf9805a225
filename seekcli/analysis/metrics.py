"""The metrics that runs are compared by: which way is better, the unit, and which differences count.

A run is compared by its test accuracy where it has one, else by its test loss; `--metric` names another column of the
table of epochs. This table alone knows what a metric is; a new one is a line in METRICS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seekcli.errors import BadInput, unknown
from seekcli.runs.config_file import LOSS_UNIT, OWN_METRICS
from seekcli.runs.records import OWN_COLUMN

# For a metric without a margin of its own: these fractions of the mean of base alone. A choice, as 0.2 points is one.
MARGIN_FRACTION, EFFECT_FRACTION = 0.01, 0.015
POINTS = "points"


@dataclass(frozen=True)
class Metric:
    """A column of the table of epochs.

    `unit` is that of a difference and `mark` stands behind a value. `of_images` says that it is a share of the test
    images, so that no difference is smaller than one of them. `margin` (differences inside it count as equivalent) and
    `effect` (the smallest of interest) are in `unit`; None stands for fractions of the mean of base alone.
    `of_the_paper`: the metric of the paper's ACC/FLOPs and ACC/F_Ratio, recorded as trained and re-estimated.
    """

    column: str
    title: str
    unit: str
    higher_is_better: bool = True
    mark: str = ""
    digits: int = 4
    of_images: bool = False
    margin: float | None = None
    effect: float | None = None
    of_the_paper: bool = False

    @property
    def unit_key(self) -> str:
        """The unit as the end of the name of a column: `bits_per_byte`."""
        return re.sub(r"\W+", "_", self.unit)

    @property
    def direction(self) -> str:
        return "higher is better" if self.higher_is_better else "lower is better"

    def is_better(self, value: float, other: float) -> bool:
        return value > other if self.higher_is_better else value < other


def _percent(column: str, title: str, of_images: bool = False, of_the_paper: bool = False) -> Metric:
    return Metric(column, title, POINTS, True, "%", 2, of_images, 0.2, 0.3, of_the_paper)


def _loss(column: str, title: str, unit: str) -> Metric:
    return Metric(column, title, unit, higher_is_better=False)


ACCURACY = _percent("test_accuracy_percent", "test accuracy", of_images=True, of_the_paper=True)
LOSS = _loss("test_loss", "test loss", "nats")
LISTED = (
    ACCURACY,
    LOSS,
    _percent("test_top5_accuracy_percent", "test top-5 accuracy", of_images=True),
    _percent("test_balanced_accuracy_percent", "test balanced accuracy"),
    _loss("test_perplexity", "test perplexity", "perplexity"),
    _loss("test_bits_per_byte", "test bits per byte", "bits per byte"),
    Metric("test_r2", "test R2", "R2", margin=0.01, effect=0.015),
    _loss("validation_loss", "validation loss", "nats"),
    _percent("validation_accuracy_percent", "validation accuracy"),
    _percent("validation_balanced_accuracy_percent", "validation balanced accuracy"),
    _loss("validation_perplexity", "validation perplexity", "perplexity"),
    _loss("validation_bits_per_byte", "validation bits per byte", "bits per byte"),
    Metric("validation_r2", "validation R2", "R2", margin=0.01, effect=0.015),
)
METRICS = {metric.column: metric for metric in LISTED}
# What a run is compared by where nobody says: the first of these that it has.
USUAL = (ACCURACY.column, LOSS.column)


@dataclass(frozen=True)
class Scale:
    """A metric, with the margin of equivalence and the smallest difference of interest of one comparison, in its unit.

    `reference` is the mean that the margin is a fraction of; None where it is a number of its own.
    """

    metric: Metric
    margin: float
    effect: float
    reference: float | None = None


def scale_of(metric: Metric, reference: float | None, margin: float | None, effect: float | None) -> Scale:
    """What was asked for, else what the metric has, else a fraction of `reference`."""
    size = abs(reference or 0.0)
    chosen_margin = next((one for one in (margin, metric.margin) if one is not None), _rounded(MARGIN_FRACTION * size))
    chosen_effect = next((one for one in (effect, metric.effect) if one is not None), _rounded(EFFECT_FRACTION * size))
    return Scale(metric, chosen_margin, chosen_effect, reference if margin is None and metric.margin is None else None)


def _rounded(value: float) -> float:
    """To two digits: what is said is what is used."""
    return float(f"{value:.2g}")


def require_metric(name: str, own: Iterable[str] = ()) -> None:
    """Raise BadInput, with the nearest valid name, for one that is no metric; `own` are those of somebody's own."""
    known = [*METRICS, *dict.fromkeys(own)]
    if name not in known:
        raise unknown("--metric", name, known)


def metrics_of(facts: Mapping[str, Any]) -> dict[str, Metric]:
    """All metrics, by their columns, and those of a task or loop of somebody's own that the facts of its run name."""
    own = facts.get(OWN_METRICS)
    found = dict(METRICS)
    for name, said in own.items() if isinstance(own, Mapping) else ():
        for split in ("test", "validation"):
            column = f"{split}_{name}"
            if column not in METRICS and OWN_COLUMN.fullmatch(column) and isinstance(said, Mapping):
                title = f"{split} {name.replace('_', ' ')}"
                found[column] = Metric(column, title, name, higher_is_better=said.get("higher_is_better") is True)
    return found


def held(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any] | None = None) -> list[str]:
    """The metrics that all of these rows of a run have a value of."""
    known = METRICS if facts is None else metrics_of(facts)
    return [name for name in known if rows and all(row.get(name) is not None for row in rows)]


def metric_for(asked: str | None, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> Metric | None:
    """What a run with these last rows, one a model, is compared by.

    None where not all of them have what is asked for. By an accuracy of one model alone nothing is compared.
    """
    choices = (asked,) if asked else USUAL
    name = next((one for one in choices if any(row.get(one) is not None for row in rows)), None)
    if name is None or name not in held(rows, facts):
        return None
    metric = metrics_of(facts)[name]
    unit = facts.get(LOSS_UNIT)
    return replace(metric, unit=str(unit)) if unit and name.endswith("_loss") else metric


def refuse_mixed(metrics: Iterable[Metric], flag: str) -> None:
    """Raise BadInput where a number of `flag` would be in more than one unit."""
    columns = sorted({f"{metric.column} ({metric.unit})" for metric in metrics})
    if len(columns) > 1:
        raise BadInput(f"{flag}: these runs are compared by {' and '.join(columns)}; --metric NAME says which is meant")
