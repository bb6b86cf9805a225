"""`seek map`: which part of the motivated model holds which part of the base model."""

from __future__ import annotations

from typing import Annotated

import typer

from seekcli.cli.options import flag_layers, model_layers, set_layers
from seekcli.cli.output import ReadFormat, echo_json, say_fitting, terminal_width


def map_command(
    model: Annotated[str | None, typer.Option(help="Pair, such as resnet20-to-32 (the default).")] = None,
    base: Annotated[str | None, typer.Option(help="Base model, instead of --model.")] = None,
    motivated: Annotated[str | None, typer.Option(help="Motivated model, instead of --model.")] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="aligned (default) or leading.")] = None,
    data: Annotated[str | None, typer.Option(help="Data whose classes and channels the models have (digits).")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data is, for folder:.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels a side.")] = None,
    tensors: Annotated[bool, typer.Option("--tensors", help="Show every tensor with its shape and region.")] = False,
    starts: Annotated[
        bool, typer.Option("--starts", help="Measure how far each start (--init) is from an identity; builds models.")
    ] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting as in seek train, such as pair.added_scale=0.3 of --starts. Repeatable."),
    ] = None,
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Show what goes where between the models of a pair: blocks, tensors, coverage, what is unlinked."""
    from seekcli.models.pair_description import describe_pair, measure_starts
    from seekcli.report.weights_map import weights_map_text
    from seekcli.resolve.own_models import without_start
    from seekcli.resolve.resolve import resolve

    flags = {
        "--map": ("pair.map", map_name),
        "--data": ("data.name", data),
        "--data-dir": ("data.dir", data_dir),
        "--image-size": ("data.image_size", image_size),
    }
    layers = [*model_layers(model, base, motivated), *flag_layers(flags), *set_layers(assignments)]
    layers.append(("a look at the map", {"schedule": "alternating"}))  # it is one of two models
    config = resolve(layers if starts else without_start(layers)).config
    document = describe_pair(config)
    if starts:
        document["output_error_at_entry"] = measure_starts(config)
    if format_ is ReadFormat.JSON:
        echo_json(document)
    else:
        say_fitting(weights_map_text(document, tensors, terminal_width()))
