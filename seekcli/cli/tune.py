"""`seek tune`: which k is best, by cross-validation on the training set; and the same before a run with `--k auto`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.options import (
    AnySetting,
    BaseModel,
    ConfigOption,
    ModelPair,
    MotivatedModel,
    ProgressStyle,
    ResultsFolder,
    config_layers,
    model_layers,
    set_layers,
)
from seekcli.cli.output import ReadFormat, echo_json, say, say_fitting
from seekcli.cli.progress import STYLES
from seekcli.cli.setting_flags import OUTPUT, TUNE_FLAGS, with_settings
from seekcli.config.identity import run_id
from seekcli.config.layers import Layers, Resolved
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import RunFailed, SeekError, Stopped, one_line, unknown, visible
from seekcli.launched import refuse_several

if TYPE_CHECKING:
    from seekcli.analysis.tuning import Search
    from seekcli.cli.stop import StopSwitch
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import Draft, Tuning
    from seekcli.ranks import Ranks


@with_settings(TUNE_FLAGS)
def tune(
    settings: Layers,
    model: ModelPair = None,
    base: BaseModel = None,
    motivated: MotivatedModel = None,
    config: ConfigOption = None,
    assignments: AnySetting = None,
    out: ResultsFolder = Path("results"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list the runs and where each stands", rich_help_panel=OUTPUT)
    ] = False,
    progress: ProgressStyle = "auto",
    format_: Annotated[
        ReadFormat,
        typer.Option("--format", help="json: nothing else on stdout", rich_help_panel=OUTPUT),
    ] = ReadFormat.TABLE,
) -> None:
    """Choose k by cross-validation on the training set, never by the test set; the choice is kept for --k auto.

    The runs over folds are ordinary ones: the same command again resumes, or has nothing left to do.
    """
    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    if not dry_run:
        refuse_several()
    from seekcli.grid.tune import plan_tuning

    with listings_kept():
        named = [*config_layers(config), *model_layers(model, base, motivated)]
        tuning = plan_tuning([*named, *settings, *set_layers(assignments)], out)
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
        say_fitting(f"{search_text(found)}\nkept in {visible(str(path))}: `--k auto` uses it, whatever the seed")


def show_plan(tuning: Tuning, out: Path, format_: ReadFormat) -> None:
    from seekcli.runs.folder import RunFolder

    rows = []
    for k, fold, one in tuning.runs():
        state, problem = RunFolder.of(out, one.config).standing_or_damage()
        rows.append({"run_id": run_id(one.config), "k": k, "fold": fold, "state": state, "problem": problem})
    if format_ is ReadFormat.JSON:
        echo_json(rows)
        return
    for row in rows:
        say(f"{row['state']:<11}{row['run_id']}" + (f"\n{'':<11}{row['problem']}" if row["problem"] else ""))
    say(f"{tuning.describe()}, {sum(row['state'] == 'finished' for row in rows)} finished")


def run_search(tuning: Tuning, out: Path, progress: str, stop: StopSwitch, ranks: Ranks | None = None) -> Search:
    """Train what is left of the runs over folds, a line on stderr before each, and choose k.

    Raises RunFailed, and says which runs they were, where some did not finish: no k is chosen then.
    """
    from seekcli.cli.outcomes import Announcer, conclude
    from seekcli.engines.local import LocalEngine
    from seekcli.grid.tune import search
    from seekcli.runs.folder import RunFolder

    runs = [one for _, _, one in tuning.runs()]
    left = sum(RunFolder.of(out, one.config).standing_or_damage()[0] != "finished" for one in runs)
    if left:
        say(f"k of {tuning.name}: {tuning.describe()}, {left} to do", err=True)
    outcomes = LocalEngine(out, Announcer(progress, left), stop.reason, ranks=ranks).run(runs)
    try:
        conclude(outcomes, out)
    except RunFailed as error:
        raise RunFailed(f"{error}, so that no k is chosen") from None
    found, note = search(tuning, out, {run_id(one.resolved.config): one.status for one in outcomes if one.status})
    if note:
        say(f"note: {note}", err=True)
    return found


def try_search(
    tuning: Tuning, out: Path, progress: str, stop: StopSwitch, ranks: Ranks | None
) -> tuple[Search | None, SeekError | None]:
    """`run_search` whose failure is told on stderr and returned; a stop passes through."""
    try:
        return run_search(tuning, out, progress, stop, ranks), None
    except Stopped:
        raise
    except SeekError as error:
        say(f"seek: search failed: {one_line(str(error))}", err=True)
        return None, error


def settle(
    drafts: list[Draft], out: Path, progress: str, stop: StopSwitch, ranks: Ranks | None = None
) -> tuple[list[Resolved], list[Outcome]]:
    """The runs with their k, and the outcomes of those that have none since the search for it failed.

    A k that nobody has chosen yet is searched for first, and that is said on stderr.
    """
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import choice_path
    from seekcli.report.tuning import search_text

    found: dict[str, tuple[Search | None, SeekError | None]] = {}
    for tuning in {one.tuning.name: one.tuning for one in drafts if one.tuning}.values():
        say(f"--k auto: no k is chosen yet in {choice_path(out, tuning.name)}; searching first", err=True)
        found[tuning.name] = search, _ = try_search(tuning, out, progress, stop, ranks)
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
