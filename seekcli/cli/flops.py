"""`seek flops`: what one image costs, by model and stage, and what an alternating run is expected to cost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.flops_image import Image, image_of
from seekcli.cli.options import flag_layers, model_layers
from seekcli.config.layers import merge
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, unknown
from seekcli.method.condition import Settings, expected_share
from seekcli.models.catalog import check_pair, model_spec

if TYPE_CHECKING:
    from seekcli.models.costs import ModelCost

MEANING = {
    "macs": "multiply-accumulates of convolution, linear, matmul and attention",
    "flops": "2 x the multiply-accumulates of convolution, linear, matmul and attention",
    "paper": "2 x (convolution and linear MACs + 2 x BatchNorm elements + ReLU elements + pooled elements)",
}
CONDITION = "loss"


@dataclass(frozen=True)
class Expectation:
    """The mean forward cost of an alternating run whose motivation fires as often as chance has it."""

    pair: str
    condition: str
    k: int
    share: float
    forward_per_image: float
    over_base: float


@dataclass(frozen=True)
class CostReport:
    image: Image
    convention: str
    unit: str
    costs: dict[str, ModelCost]  # role ("model" for a model asked for alone) -> forward cost
    training_flops: dict[str, float]  # role -> FLOPs of one image in a training step
    expectation: Expectation | None


def flops(
    model: Annotated[str | None, typer.Option(help="Pair such as resnet20-to-32 (the default), or one model.")] = None,
    base: Annotated[str | None, typer.Option(help="Base model, instead of --model.")] = None,
    motivated: Annotated[str | None, typer.Option(help="Motivated model, instead of --model.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data whose images are fed: digits (default), cifar10, ... It need not be on disk."),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels a side, instead of the recipe's or the data's own.")
    ] = None,
    classes: Annotated[int | None, typer.Option(help="Number of classes, instead of --data.")] = None,
    channels: Annotated[int | None, typer.Option(help="Image channels, with --classes (3).")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe whose image size counts (auto, as seek train).")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Expected cost of an alternating run with this k (2).")] = None,
    convention: Annotated[str, typer.Option(help="macs, flops (2 x macs), or paper (CIFAR ResNets).")] = "macs",
    output_format: Annotated[str, typer.Option("--format", help="table, json, csv or markdown.")] = "table",
) -> None:
    """Forward and training cost of one image, by model and stage, and the expected cost of an alternating run."""
    if output_format not in RENDERERS:
        raise unknown("--format", output_format, RENDERERS)
    if convention not in MEANING:
        raise unknown("--convention", convention, MEANING)
    alone = single_model(model, base, motivated)
    if alone and k is not None:
        raise BadInput(f"--k concerns a pair, and --model {alone} is one model: name a pair such as resnet20-to-32")
    layers = model_layers(alone or model, base, motivated, "base" if alone else None)
    layers += [("--model", {"schedule": "base"})] if alone else []
    layers += flag_layers(
        {
            "--data": ("data.name", data),
            "--image-size": ("data.image_size", image_size),
            "--classes": ("data.classes", classes),
            "--channels": ("data.channels", channels),
            "--recipe": ("recipe", recipe),
            "--k": ("motivation.k", k),
        }
    )
    config = merge(layers).config
    if not alone:
        check_pair(config.pair.base, config.pair.motivated)
    names = {"model": alone} if alone else {role: config.model_name(role) for role in config.roles}
    image = image_of(config, layers)
    typer.echo(RENDERERS[output_format](cost_report(names, image, convention, config)))


def single_model(model: str | None, base: str | None, motivated: str | None) -> str | None:
    """The one model that `--model` names, if it names no pair. Raises BadInput for an unknown one."""
    if model is None or base or motivated or "-to-" in model:
        return None
    return model_spec(model, "--model").name


def cost_report(names: dict[str, str], image: Image, convention: str, config: RunConfig) -> CostReport:
    from seekcli.method.cost_measures import mean_forward_cost, training_flops_per_image
    from seekcli.models.costs import forward_cost
    from seekcli.models.pairs import build_model

    costs, training_flops = {}, {}
    for role, name in names.items():
        module = build_model(name, image.classes, image.channels, image.image_size)
        costs[role] = forward_cost(module, name, image.shape, convention)
        training_flops[role] = training_flops_per_image(forward_cost(module, name, image.train_shape, "macs").per_image)
    expectation, share = None, expected_share(CONDITION, Settings(k=config.motivation.k))
    if "motivated" in costs and share is not None:
        f_x, f_y = costs["base"].per_image, costs["motivated"].per_image
        f_xy = mean_forward_cost(f_x, f_y, share)
        expectation = Expectation(config.pair_name, CONDITION, config.motivation.k, share, f_xy, f_xy / f_x)
    unit = next(iter(costs.values())).unit
    return CostReport(image, convention, unit, costs, training_flops, expectation)


# --- rendering --------------------------------------------------------------------------------------------------------


def as_json(report: CostReport) -> str:
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
    return json.dumps({**tree, "models": models, "expected": expected}, indent=2, allow_nan=False)


def as_csv(report: CostReport) -> str:
    """One row per figure, each with its unit, convention and image."""
    image = report.image
    facts = {**asdict(image), "data": image.data or "", "recipe": image.recipe or ""}
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
        add("expected_share", expected.pair, "all", expected.share, "fraction of steps", "1/(k+1)!", expected.k)
        value = expected.forward_per_image
        add("expected_forward_per_image", expected.pair, "all", value, report.unit, report.convention, expected.k)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_table(report: CostReport) -> str:
    rows = table_rows(report)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([*title(report), "", *lines, "", *notes(report)]).rstrip()


def as_markdown(report: CostReport) -> str:
    header, *body = table_rows(report)
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (header, rule, *body)]
    first, *rest = title(report)
    return "\n".join([f"**{first}**", "", *rest, "", *lines, "", *notes(report)]).rstrip()


def title(report: CostReport) -> list[str]:
    image = report.image
    what = report.expectation.pair if report.expectation else report.costs["model"].model
    where = f" on {image.data}" if image.data else ""
    return [
        f"{what}{where}: one {image} image, {image.classes} classes, eval mode",
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


def notes(report: CostReport) -> list[str]:
    """What follows from the forward costs: a training step, and the mean cost of an alternating run."""
    training = [f"{quantity(report.training_flops[role])}FLOPs for {cost.model}" for role, cost in report.costs.items()]
    size = "x".join(map(str, report.image.train_shape))
    lines = [f"Training step, one {size} image: {', '.join(training)}: 6 x the forward's MACs."]
    if report.image.recipe:
        lines.append(f"The image size is that of the recipe {report.image.recipe}, by which `seek train` would train.")
    if report.expectation:
        expected = report.expectation
        lines += [
            f"Expected F_XY, k={expected.k}: {quantity(expected.forward_per_image)}{report.unit} ({report.image}, "
            f"{report.convention!r}), {expected.over_base:.3f} x F_X. It is the mean forward cost of an",
            f"alternating run in which 1/(k+1)! = {expected.share:.3%} of the steps are motivated, as chance has it "
            f"under condition {expected.condition!r}.",
        ]
    return lines


def quantity(value: float) -> str:
    """`82.81 M`, for a unit to follow."""
    from seekcli.report.wording import prefix_for, scaled

    prefix, factor = prefix_for([value])
    return f"{scaled(value, factor)} {prefix}"


RENDERERS: dict[str, Callable[[CostReport], str]] = {
    "table": as_table,
    "json": as_json,
    "csv": as_csv,
    "markdown": as_markdown,
}
