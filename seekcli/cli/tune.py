"""`seek tune`: which k is best, by cross-validation on the training set; and the same before a run with `--k auto`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.options import Layers, flag_layers, length_flags, model_layers, set_layers
from seekcli.cli.output import ReadFormat, echo_json
from seekcli.cli.progress import STYLES
from seekcli.config import Resolved, run_id
from seekcli.errors import unknown

if TYPE_CHECKING:
    from seekcli.analysis.tuning import Search
    from seekcli.cli.stop import StopSwitch
    from seekcli.grid.tune import Draft, Tuning
    from seekcli.records import RunStatus


def tune(
    model: Annotated[str | None, typer.Option(help="Pair, such as resnet20-to-32 (the default).")] = None,
    base: Annotated[str | None, typer.Option(help="Base model, instead of --model.")] = None,
    motivated: Annotated[str | None, typer.Option(help="Motivated model, instead of --model.")] = None,
    data: Annotated[str | None, typer.Option(help="As in `seek train`.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where downloaded data sets are kept.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Resize images to this many pixels a side.")] = None,
    limit_train: Annotated[int | None, typer.Option(help="Train on this many images (stratified, seeded).")] = None,
    ks: Annotated[str | None, typer.Option("--k", help="The values to choose from (2,3,4,5).")] = None,
    folds: Annotated[int | None, typer.Option(help="Folds of the training set (5).")] = None,
    tune_epochs: Annotated[int | None, typer.Option(help="Epochs of a run over a fold (those of a full run).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the runs over folds (0); the choice serves all.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set in a full run.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer updates in a full run, instead of --epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per update.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    condition: Annotated[str | None, typer.Option(help="Motivation condition (loss).")] = None,
    init: Annotated[str | None, typer.Option(help="identity or paper: how the differential parts start.")] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="aligned (default) or leading.")] = None,
    init_from: Annotated[
        str | None, typer.Option(help="Start from the weights of a run (folder or id) or an export, with a new head.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Which model of --init-from: base or motivated.")] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Start from timm's own ImageNet weights.")] = False,
    recipe: Annotated[str | None, typer.Option(help="Named settings; see `seek list recipes`.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: section.key=value. Repeatable.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda[:i] or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or fp16.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that read images, for imagenet: (0: none).")] = None,
    eval_every: Annotated[int | None, typer.Option(help="Validate every N epochs (1); the last one always.")] = None,
    checkpoint_minutes: Annotated[
        float | None, typer.Option(help="Minutes between mid-epoch checkpoints (10).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs and where each stands.")] = False,
    progress: Annotated[str, typer.Option(help="auto, rich, plain or json: of each run.")] = "auto",
    format_: Annotated[ReadFormat, typer.Option("--format", help="table or json (nothing else on stdout).")] = (
        ReadFormat.TABLE
    ),
) -> None:
    """Choose k by cross-validation on the training set, never by the test set; the choice is kept for --k auto.

    The runs over folds are ordinary ones: the same command again resumes, or has nothing left to do.
    """
    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    layers: Layers = flag_layers(
        {
            "--data": ("data.name", data),
            "--data-dir": ("data.dir", data_dir),
            "--image-size": ("data.image_size", image_size),
            "--limit-train": ("data.limit_train", limit_train),
            "--k": ("tune.k", ks),
            "--folds": ("tune.folds", folds),
            "--tune-epochs": ("tune.epochs", tune_epochs),
            "--seed": ("tune.seed", seed),
            **length_flags(epochs, steps),
            "--batch-size": ("train.batch_size", batch_size),
            "--lr": ("optimizer.lr", lr),
            "--condition": ("motivation.condition", condition),
            "--init": ("pair.init", init),
            "--map": ("pair.map", map_name),
            "--init-from": ("transfer.source", init_from),
            "--role": ("transfer.role", role),
            "--pretrained": ("transfer.pretrained", pretrained or None),
            "--recipe": ("recipe", recipe),
            "--device": ("runtime.device", device),
            "--precision": ("runtime.precision", precision),
            "--workers": ("runtime.workers", workers),
            "--eval-every": ("train.eval_every", eval_every),
            "--checkpoint-minutes": ("runtime.checkpoint_minutes", checkpoint_minutes),
        }
    )
    from seekcli.grid.tune import plan_tuning

    tuning = plan_tuning([*model_layers(model, base, motivated), *layers, *set_layers(assignments)], out)
    if dry_run:
        show_plan(tuning, out, format_)
        return
    from seekcli.cli.stop import StopSwitch

    stop = StopSwitch()
    with stop.listening():
        found = run_search(tuning, out, "silent" if format_ is ReadFormat.JSON else progress, stop)
    show(found, tuning, out, format_)


def show(found: Search, tuning: Tuning, out: Path, format_: ReadFormat) -> None:
    from seekcli.grid.tune import choice_path
    from seekcli.report.tuning import as_data, as_text

    path = choice_path(out, tuning.name)
    if format_ is ReadFormat.JSON:
        echo_json({"name": tuning.name, "file": str(path), **as_data(found)})
    else:
        typer.echo(f"{as_text(found)}\nkept in {path}: `--k auto` uses it, whatever the seed")


def show_plan(tuning: Tuning, out: Path, format_: ReadFormat) -> None:
    from seekcli.training.folder import standing

    rows = [
        {"run_id": run_id(one.config), "k": k, "fold": fold, "state": standing(out, one)}
        for k, fold, one in tuning.runs()
    ]
    if format_ is ReadFormat.JSON:
        echo_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['state']:<11}{row['run_id']}")
    typer.echo(f"{tuning.describe()}, {sum(row['state'] == 'finished' for row in rows)} finished")


def run_search(tuning: Tuning, out: Path, progress: str, stop: StopSwitch) -> Search:
    """Train what is left of the runs over folds, a line on stderr before each, and choose k."""
    from seekcli.cli.progress import make_progress
    from seekcli.grid.tune import search
    from seekcli.training.folder import standing
    from seekcli.training.progress import Progress
    from seekcli.training.run import train

    left = [run_id(one.config) for _, _, one in tuning.runs() if standing(out, one) != "finished"]
    if left:
        typer.echo(f"k of {tuning.name}: {tuning.describe()}, {len(left)} to do", err=True)

    def train_one(resolved: Resolved) -> RunStatus:
        name = run_id(resolved.config)
        if name in left:
            typer.echo(f"[{left.index(name) + 1}/{len(left)}] {name}", err=True)
        style = Progress() if progress == "silent" else make_progress(progress)
        return train(resolved, out, style, stop_requested=stop.reason)

    found, note = search(tuning, out, train_one)
    if note:
        typer.echo(f"note: {note}", err=True)
    return found


def settle(drafts: list[Draft], out: Path, progress: str, stop: StopSwitch) -> list[Resolved]:
    """The runs with their k. A k that nobody has chosen yet is searched for first, and that is said on stderr."""
    from seekcli.grid.tune import choice_path
    from seekcli.report.tuning import as_text

    chosen: dict[str, int] = {}
    for tuning in {one.tuning.name: one.tuning for one in drafts if one.tuning}.values():
        typer.echo(f"--k auto: no k is chosen yet in {choice_path(out, tuning.name)}; searching first", err=True)
        found = run_search(tuning, out, progress, stop)
        typer.echo(as_text(found), err=True)
        chosen[tuning.name] = found.k
    for choice in {one.choice.name: one.choice for one in drafts if one.choice}.values():
        where = choice_path(out, choice.name)
        typer.echo(f"--k auto: {choice.describe()}, chosen earlier ({where}; `seek tune` chooses anew)", err=True)
    return [one.with_k(chosen[one.tuning.name]) if one.tuning else one.resolved for one in drafts]
