"""`seek flops`: what one image costs, by model and stage, and what an alternating run is expected to cost."""

from __future__ import annotations

from typing import Annotated

import typer

from seekcli.cli.options import flag_layers, model_layers, set_layers
from seekcli.cli.output import say, say_fitting, say_json, terminal_width
from seekcli.engines.forward_costs import cost_report
from seekcli.errors import BadInput, unknown
from seekcli.models.catalog import model_spec
from seekcli.report.forward_costs import MEANING, RENDERERS, cost_table


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
    data_dir: Annotated[str | None, typer.Option(help="Where the data is, for folder:, npz:, ...")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe whose image size counts (auto, as seek train).")] = None,
    condition: Annotated[str | None, typer.Option(help="Condition of the alternating run (loss).")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Expected cost of an alternating run with this k (2).")] = None,
    init_from: Annotated[str | None, typer.Option(help="As in seek train: it decides the recipe.")] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="As in seek train: it decides the recipe.")] = False,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting, as in seek train: section.key=value. Repeatable.")
    ] = None,
    convention: Annotated[str, typer.Option(help="macs, flops (2 x macs), or paper (CIFAR ResNets).")] = "macs",
    output_format: Annotated[str, typer.Option("--format", help="table, json, csv or markdown.")] = "table",
) -> None:
    """Forward and training cost of one image, by model and stage, and the expected cost of an alternating run.

    Model, image size and condition are those that `seek train` would use with the same words.
    """
    if output_format not in RENDERERS:
        raise unknown("--format", output_format, RENDERERS)
    if convention not in MEANING:
        raise unknown("--convention", convention, MEANING)
    alone = single_model(model, base, motivated)
    if alone and k is not None:
        raise BadInput(f"--k concerns a pair, and --model {alone} is one model: name a pair such as resnet20-to-32")
    layers = model_layers(alone or model, base, motivated, "base" if alone else None)
    layers += flag_layers(
        {
            "--data": ("data.name", data),
            "--data-dir": ("data.dir", data_dir),
            "--image-size": ("data.image_size", image_size),
            "--classes": ("data.classes", classes),
            "--channels": ("data.channels", channels),
            "--recipe": ("recipe", recipe),
            "--condition": ("motivation.condition", condition),
            "--k": ("motivation.k", k),
            "--init-from": ("transfer.source", init_from),
            "--pretrained": ("transfer.pretrained", pretrained or None),
        }
    )
    layers += [*set_layers(assignments), *([("--model", {"schedule": "base"})] if alone else [])]
    report = cost_report(layers, convention)
    if output_format == "table":
        say_fitting(cost_table(report, terminal_width()))
    else:
        (say_json if output_format == "json" else say)(RENDERERS[output_format](report))


def single_model(model: str | None, base: str | None, motivated: str | None) -> str | None:
    """The one model that `--model` names, if it names no pair. Raises BadInput for an unknown one."""
    if model is None or base or motivated or "-to-" in model:
        return None
    return model_spec(model, "--model").name
