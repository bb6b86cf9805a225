"""What one image costs, as a table, markdown, CSV or JSON: the answer of `seek flops`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from seekcli.plain_data import json_text
from seekcli.report.columns import csv_of, fitted, markdown

MEANING = {
    "macs": "multiply-accumulates of convolution, linear, matmul and attention",
    "flops": "2 x the multiply-accumulates of convolution, linear, matmul and attention",
    "paper": "2 x (convolution and linear MACs + 2 x BatchNorm elements + ReLU elements + pooled elements)",
}


class CountedModel(Protocol):
    """What is counted of one model: `models.costs.ModelCost`, in the words of a report."""

    @property
    def model(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def convention(self) -> str: ...
    @property
    def per_image(self) -> int: ...
    @property
    def per_stage(self) -> Mapping[str, int]: ...


@dataclass(frozen=True)
class Image:
    """What is fed to the models; `data` is None where the flags alone say it."""

    data: str | None
    channels: int
    image_size: int
    classes: int
    train_size: int
    recipe: str | None = None  # where it says the size
    tokens: bool = False  # a window of text, `image_size` tokens long; classes are those of its vocabulary

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.image_size,) if self.tokens else (self.channels, self.image_size, self.image_size)

    @property
    def train_shape(self) -> tuple[int, ...]:
        """Of a training image, which some recipes make smaller."""
        return self.shape if self.tokens else (self.channels, self.train_size, self.train_size)

    def named(self, shape: tuple[int, ...]) -> str:
        """`3x32x32 image`, `window of 128 tokens`"""
        return f"window of {shape[0]} tokens" if self.tokens else f"{'x'.join(map(str, shape))} image"

    def __str__(self) -> str:
        return f"{self.image_size} tokens" if self.tokens else f"{self.channels}x{self.image_size}x{self.image_size}"


@dataclass(frozen=True)
class Expectation:
    """The mean forward cost of an alternating run whose motivation fires as often as chance has it."""

    pair: str
    condition: str
    k: int | None  # None where the condition does not read it
    share: float
    forward_per_image: float
    over_base: float

    @property
    def rule(self) -> str:
        """What the share is by chance, where k decides it; else nothing."""
        return "" if self.k is None else "1/(k+1)!"


@dataclass(frozen=True)
class CostReport:
    subject: str  # the pair, or the model asked for alone
    image: Image
    convention: str
    unit: str
    costs: Mapping[str, CountedModel]  # role ("model" for a model asked for alone) -> forward cost
    training_flops: dict[str, float]  # role -> FLOPs of one image in a training step
    expectation: Expectation | None


def cost_json(report: CostReport) -> str:
    facts = {"convention": report.convention, "unit": report.unit, "image_shape": report.image.shape}
    models = [
        {
            "role": None if role == "model" else role,
            "model": cost.model,
            **facts,
            "forward_per_image": cost.per_image,
            "forward_per_stage": cost.per_stage,
            "training_flops_per_image": report.training_flops[role],
        }
        for role, cost in report.costs.items()
    ]
    expected = asdict(report.expectation) | facts if report.expectation else None
    tree = {
        "data": report.image.data,
        "classes": report.image.classes,
        "recipe": report.image.recipe,
        **facts,
        "train_image_shape": report.image.train_shape,
        "convention_means": MEANING[report.convention],
    }
    return json_text({**tree, "models": models, "expected": expected}, indent=2)


def as_csv(report: CostReport) -> str:
    """One row per figure, each with its unit, convention and image."""
    image = report.image
    facts = {**facts_of(image), "data": image.data or "", "recipe": image.recipe or ""}
    rows: list[dict[str, Any]] = []

    def add(quantity: str, model: str, stage: str, value: float, unit: str, convention: str, k: int | str = "") -> None:
        row = {
            "quantity": quantity,
            "model": model,
            "stage": stage,
            "value": value,
            "unit": unit,
            "convention": convention,
        }
        rows.append({**row, **facts, "k": k})

    for role, cost in report.costs.items():
        for stage, count in [*cost.per_stage.items(), ("all", cost.per_image)]:
            add("forward_per_image", cost.model, stage, count, cost.unit, cost.convention)
        add("training_per_image", cost.model, "all", report.training_flops[role], "FLOPs", "3 x forward x 2 per MAC")
    if report.expectation:
        expected = report.expectation
        share, value, k = expected.share, expected.forward_per_image, "" if expected.k is None else expected.k
        add("expected_share", expected.pair, "all", share, "fraction of steps", expected.rule or expected.condition, k)
        add("expected_forward_per_image", expected.pair, "all", value, report.unit, report.convention, k)
    return csv_of(rows).rstrip("\n")


def facts_of(image: Image) -> dict[str, Any]:
    """As columns; images have no column for tokens."""
    return {name: value for name, value in asdict(image).items() if name != "tokens"}


def cost_table(report: CostReport, width: int = 80) -> str:
    """Columns are named by roles alone where models have long names."""
    header, *rows = table_rows(report)
    if len(header) > 2 and len("  ".join(header)) > width:
        header = [name if name == "stage" else name[name.index("(") :] for name in header]
    table = fitted(header, rows, width, header[1:])
    return "\n".join([*title(report), "", table, "", *forward_cost_notes(report)]).rstrip()


def as_markdown(report: CostReport) -> str:
    header, *rows = table_rows(report)
    lines = markdown(header, rows, [column > 0 for column in range(len(header))])
    first, *rest = title(report)
    return "\n".join([f"**{first}**", "", *rest, "", *lines, "", *forward_cost_notes(report)]).rstrip()


def title(report: CostReport) -> list[str]:
    image = report.image
    where = f" on {image.data}" if image.data else ""
    classes = f"{image.classes} different tokens" if image.tokens else f"{image.classes} classes"
    return [
        f"{report.subject}{where}: one {image.named(image.shape)}, {classes}, eval mode",
        f"{report.unit} by the convention {report.convention!r}: {MEANING[report.convention]}.",
    ]


def table_rows(report: CostReport) -> list[list[str]]:
    """Header and rows of text; every column's header carries its unit."""
    from seekcli.report.wording import prefix_for, scaled

    costs = report.costs
    prefix, factor = prefix_for([cost.per_image for cost in costs.values()])
    stages = list(dict.fromkeys(stage for cost in costs.values() for stage in cost.per_stage))
    labels = [cost.model if role == "model" else f"{cost.model} ({role})" for role, cost in costs.items()]

    def figures(stage: str) -> Iterator[str]:
        for cost in costs.values():
            yield scaled(cost.per_stage[stage], factor) if stage in cost.per_stage else "-"

    return [
        ["stage", *(f"{label} {prefix}{report.unit}" for label in labels)],
        *([stage, *figures(stage)] for stage in stages),
        ["all", *(scaled(cost.per_image, factor) for cost in costs.values())],
    ]


def forward_cost_notes(report: CostReport) -> list[str]:
    """What follows from the forward costs: a training step, and the mean cost of an alternating run."""
    training = [f"{quantity(report.training_flops[role])}FLOPs for {cost.model}" for role, cost in report.costs.items()]
    image = report.image.named(report.image.train_shape)
    lines = [f"Training step, one {image}: {', '.join(training)}: 6 x the forward's MACs."]
    if report.image.recipe:
        lines.append(f"The image size is that of the recipe {report.image.recipe}, by which `seek train` would train.")
    if report.expectation:
        expected = report.expectation
        what = expected.condition if expected.k is None else f"k={expected.k}"
        share = f"{expected.rule} = {expected.share:.3%}" if expected.rule else f"{expected.share:.3%}"
        lines += [
            f"Expected forward cost of the run's average step (F_XY), {what}: "
            f"{quantity(expected.forward_per_image)}{report.unit} ({report.image}, {report.convention!r}), "
            f"{expected.over_base:.3f} x that of the base (F_X), where {share} of the steps are motivated"
            f"{', as chance has it' if expected.rule else ''} under condition {expected.condition!r}.",
        ]
        if expected.rule:
            lines += [
                "In B batches an epoch it is (B-1)/B of that share, as the first is always the base's: "
                "`seek train --dry-run` has the cost for the batches of a run.",
            ]
    elif len(report.costs) == 2:
        lines.append("No expected cost of the average step (F_XY): the share of motivated steps is not known ahead.")
    return lines


def quantity(value: float) -> str:
    """`82.81 M`, for a unit to follow."""
    from seekcli.report.wording import prefix_for, scaled

    prefix, factor = prefix_for([value])
    return f"{scaled(value, factor)} {prefix}"


RENDERERS: dict[str, Callable[[CostReport], str]] = {
    "table": cost_table,
    "json": cost_json,
    "csv": as_csv,
    "markdown": as_markdown,
}
