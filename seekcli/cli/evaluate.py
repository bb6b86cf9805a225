"""`seek evaluate`: a model, rebuilt from its card alone, on images or a text; what was recorded stands beside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seekcli.cli.output import ReadFormat, echo_json, say
from seekcli.errors import counted, visible
from seekcli.report.predictions import check_target, write_predictions


def evaluate(
    what: Annotated[
        str,
        typer.Argument(metavar="EXPORT_OR_RUN", help="An exported model, a folder of them, a run folder or a run id."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Data (default: that of the run): its test split; all images of another folder."),
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data is.")] = None,
    role: Annotated[str | None, typer.Option(help="base or motivated (default: every model there is).")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda[:i] or mps (default: as recorded).")] = None,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Estimate BatchNorm statistics anew first, on training images.")
    ] = False,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write the answer to each image there, and show the confusion matrix."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file of --predictions.")] = False,
    out: Annotated[Path, typer.Option(help="Results folder in which a run id is looked up.")] = Path("results"),
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json.")] = ReadFormat.TABLE,
) -> None:
    """Evaluate exported models, or a finished run's, on images prepared as their cards say.

    A folder with the contents of the run's own data gives the test split of the run, wherever it lies. Of another
    folder every image is taken: DIR/CLASS/, DIR/test/CLASS/, one image a class or only some of the classes.

    Language models: loss, perplexity and bits per byte, on the test part of the run's own text, or all of another.
    """
    check_target(predictions, overwrite)
    from seekcli.engines.evaluation import evaluate_models

    evaluated = list(
        evaluate_models(
            what, data, data_dir, role=role, device=device, recalibrate=recalibrate,
            with_predictions=predictions is not None, results=out,
        )
    )  # fmt: skip
    if predictions is not None:  # first: whoever reads the rest may go away
        answers = [one.predictions for one in evaluated if one.predictions is not None]
        written = write_predictions(predictions, answers)
        say(f"seek: wrote {visible(str(predictions))}, {counted(written, 'prediction')}", err=True)
    if format_ is ReadFormat.JSON:
        echo_json([one.answer for one in evaluated])
    else:
        from seekcli.report.evaluation import evaluation_text

        say("\n\n".join(evaluation_text(one.answer, one.predictions) for one in evaluated))
