"""`seek flops`: what one image costs, by model and stage, and what an alternating run is expected to cost."""

from __future__ import annotations

from typing import Annotated

import typer

from seekcli.cli.flops_image import Image, image_of
from seekcli.cli.flops_report import MEANING, RENDERERS, CostReport, Expectation
from seekcli.cli.options import flag_layers, model_layers, set_layers
from seekcli.cli.output import say, say_json
from seekcli.config.condition_settings import settings_read
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, unknown
from seekcli.method.condition import expected_share
from seekcli.models.catalog import model_spec


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
    data_dir: Annotated[str | None, typer.Option(help="Where the data is, for folder: and imagenet:.")] = None,
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
    config, image = image_of(layers)
    text = RENDERERS[output_format](cost_report(names_by_role(config), image, convention, config))
    (say_json if output_format == "json" else say)(text)


def names_by_role(config: RunConfig) -> dict[str, str]:
    """A model that is trained alone has no role here."""
    if config.classic:
        return {"model": config.model_name(config.roles[0])}
    return {role: config.model_name(role) for role in config.roles}


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
    expectation, share = None, expected_by_chance(config)
    if share is not None:
        f_x, f_y = costs["base"].per_image, costs["motivated"].per_image
        f_xy, motivation = mean_forward_cost(f_x, f_y, share), config.motivation
        k = motivation.k if "k" in settings_read(motivation.condition) else None
        expectation = Expectation(config.pair_name, motivation.condition, k, share, f_xy, f_xy / f_x)
    unit = next(iter(costs.values())).unit
    subject = config.model_name(config.roles[0]) if config.classic else config.pair_name
    return CostReport(subject, image, convention, unit, costs, training_flops, expectation)


def expected_by_chance(config: RunConfig) -> float | None:
    """The share of motivated steps that is expected where any batch may be one; None where none is known."""
    from seekcli.resolve.conditions import condition_settings
    from seekcli.train.length import RunLength

    if config.schedule != "alternating":
        return None
    return expected_share(config.motivation.condition, condition_settings(config, RunLength(0, 0)))
