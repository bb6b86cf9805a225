"""`seek tune`: which k is best, by cross-validation on the training set; and the same before a run with `--k auto`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.options import config_layers, flag_layers, length_flags, model_layers, set_layers
from seekcli.cli.output import ReadFormat, echo_json, say
from seekcli.cli.progress import STYLES
from seekcli.config.identity import run_id
from seekcli.config.layers import Layers, Resolved
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import RunFailed, SeekError, Stopped, one_line, unknown, visible

if TYPE_CHECKING:
    from seekcli.analysis.tuning import Search
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import Draft, Tuning


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
    recipe: Annotated[str | None, typer.Option(help="Named settings, see `seek list recipes`; or FILE.toml.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Settings of your own (TOML), as --print-config prints them; flags win."),
    ] = None,
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

    with listings_kept():
        named = [*config_layers(config), *model_layers(model, base, motivated)]
        tuning = plan_tuning([*named, *layers, *set_layers(assignments)], out)
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
    from seekcli.report.tuning import as_data, search_text

    path = choice_path(out, tuning.name)
    if format_ is ReadFormat.JSON:
        echo_json({"name": tuning.name, "file": str(path), **as_data(found)})
    else:
        say(f"{search_text(found)}\nkept in {visible(str(path))}: `--k auto` uses it, whatever the seed")


def show_plan(tuning: Tuning, out: Path, format_: ReadFormat) -> None:
    from seekcli.runs.folder import standing_or_damage

    rows = []
    for k, fold, one in tuning.runs():
        state, problem = standing_or_damage(out, one)
        rows.append({"run_id": run_id(one.config), "k": k, "fold": fold, "state": state, "problem": problem})
    if format_ is ReadFormat.JSON:
        echo_json(rows)
        return
    for row in rows:
        say(f"{row['state']:<11}{row['run_id']}" + (f"\n{'':<11}{row['problem']}" if row["problem"] else ""))
    say(f"{tuning.describe()}, {sum(row['state'] == 'finished' for row in rows)} finished")


def run_search(tuning: Tuning, out: Path, progress: str, stop: StopSwitch) -> Search:
    """Train what is left of the runs over folds, a line on stderr before each, and choose k.

    Raises RunFailed, and says which runs they were, where some did not finish: no k is chosen then.
    """
    from seekcli.cli.outcomes import Announcer, conclude
    from seekcli.engines.local import LocalEngine
    from seekcli.grid.tune import search
    from seekcli.runs.folder import standing_or_damage

    runs = [one for _, _, one in tuning.runs()]
    left = sum(standing_or_damage(out, one)[0] != "finished" for one in runs)
    if left:
        say(f"k of {tuning.name}: {tuning.describe()}, {left} to do", err=True)
    outcomes = LocalEngine(out, Announcer(progress, left), stop.reason).run(runs)
    try:
        conclude(outcomes, out)
    except RunFailed as error:
        raise RunFailed(f"{error}, so that no k is chosen") from None
    found, note = search(tuning, out, {run_id(one.resolved.config): one.status for one in outcomes if one.status})
    if note:
        say(f"note: {note}", err=True)
    return found


def try_search(tuning: Tuning, out: Path, progress: str, stop: StopSwitch) -> tuple[Search | None, SeekError | None]:
    """`run_search` whose failure is told on stderr and returned; a stop passes through."""
    try:
        return run_search(tuning, out, progress, stop), None
    except Stopped:
        raise
    except SeekError as error:
        say(f"seek: search failed: {one_line(str(error))}", err=True)
        return None, error


def settle(drafts: list[Draft], out: Path, progress: str, stop: StopSwitch) -> tuple[list[Resolved], list[Outcome]]:
    """The runs with their k, and the outcomes of those that have none since the search for it failed.

    A k that nobody has chosen yet is searched for first, and that is said on stderr.
    """
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import choice_path
    from seekcli.report.tuning import search_text

    found: dict[str, tuple[Search | None, SeekError | None]] = {}
    for tuning in {one.tuning.name: one.tuning for one in drafts if one.tuning}.values():
        say(f"--k auto: no k is chosen yet in {choice_path(out, tuning.name)}; searching first", err=True)
        found[tuning.name] = search, _ = try_search(tuning, out, progress, stop)
        if search is not None:
            say(search_text(search), err=True)
    for choice in {one.choice.name: one.choice for one in drafts if one.choice}.values():
        where = choice_path(out, choice.name)
        say(f"--k auto: {choice.describe()}, chosen earlier ({where}; `seek tune` chooses anew)", err=True)
    runs, unsettled = [], []
    with listings_kept():
        for one in drafts:
            search, error = found[one.tuning.name] if one.tuning else (None, None)
            if error is not None:
                unsettled.append(Outcome(one.resolved, "failed", error=error))
            else:
                runs.append(one.with_k(search.k) if search else one.resolved)
    return runs, unsettled
