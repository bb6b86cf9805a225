"""`seek bench`: how fast a pair is on this machine, and what whole runs would take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.flops import single_model
from seekcli.cli.options import (
    AnySetting,
    BaseModel,
    ConfigOption,
    ModelPair,
    MotivatedModel,
    ResultsFolder,
    config_layers,
    model_layers,
    set_layers,
)
from seekcli.cli.output import ReadFormat, echo_json, say, say_fitting
from seekcli.cli.setting_flags import BENCH_FLAGS, OUTPUT, RUN, with_settings
from seekcli.config.layers import Layers
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput


@with_settings(BENCH_FLAGS)
def bench(
    settings: Layers,
    model: ModelPair = None,
    base: BaseModel = None,
    motivated: MotivatedModel = None,
    config: ConfigOption = None,
    assignments: AnySetting = None,
    seconds: Annotated[
        float, typer.Option(help="how long to train; evaluation comes on top", rich_help_panel=RUN)
    ] = 10.0,
    out: ResultsFolder = Path("results"),
    format_: Annotated[
        ReadFormat, typer.Option("--format", help="json: nothing else on stdout", rich_help_panel=OUTPUT)
    ] = ReadFormat.TABLE,
) -> None:
    """Time the steps, copies and evaluation of a pair on this machine, and say what whole runs would take.

    With the words of `seek train`. Nothing is written, and nothing learned: the learning rate is 0.
    """
    if not 0 < seconds <= 3600:
        raise BadInput(f"--seconds {seconds:g}: give more than 0, up to 3600")
    from seekcli.resolve.resolve import resolve

    with listings_kept():
        alone = single_model(model, base, motivated)
        layers = model_layers(alone or model, base, motivated, "base" if alone else None)
        layers = [*config_layers(config), *layers, *settings, *set_layers(assignments)]
        resolved = resolve([*layers, *([("--model", {"schedule": "base"})] if alone else [])], out)
    from seekcli.cli.export import Notes
    from seekcli.engines.speed import measure
    from seekcli.report.speed import as_data, speed_text

    say(f"measuring for {seconds:g} s and a little more", err=True)
    speed = measure(resolved, out, seconds, Notes())
    if format_ is ReadFormat.JSON:
        echo_json(as_data(speed))
    else:
        say_fitting(speed_text(speed))
