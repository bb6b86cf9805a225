"""`seek train`: one run, or one per schedule and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seekcli.cli.arm_first import AHEAD, runs_of_arm, trains_arm_first
from seekcli.cli.completion import schedules
from seekcli.cli.options import (
    AnySetting,
    BaseModel,
    ConfigOption,
    ModelPair,
    MotivatedModel,
    ProgressStyle,
    ResultsFolder,
    Track,
    config_layers,
    flag_layers,
    model_layers,
    set_layers,
    track_layers,
)
from seekcli.cli.output import echo_json, say, say_fitting
from seekcli.cli.progress import STYLES
from seekcli.cli.run_report import bf16_note, report, run_notes
from seekcli.cli.setting_flags import OUTPUT, RUN, TRAIN_FLAGS, TRAINING, with_settings
from seekcli.cli.several import follow_the_first, joined, processes_layer
from seekcli.config.describe import described_setting
from seekcli.config.layers import Layers
from seekcli.config.seeds import seeds_in
from seekcli.config.settings import CLASSIC
from seekcli.config.settings_files import as_toml
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput, unknown
from seekcli.launched import place
from seekcli.method.roles import ROLES
from seekcli.models.catalog import is_model

if TYPE_CHECKING:
    from seekcli.config.layers import Resolved
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import Draft
    from seekcli.ranks import Ranks

SCHEDULES = ("alternating", "base", "motivated", "all", "grow")


@with_settings(TRAIN_FLAGS)
def train(
    settings: Layers,
    model: ModelPair = None,
    base: BaseModel = None,
    motivated: MotivatedModel = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="alternating (the default); base, motivated: one model alone; all: these three; grow: see --at",
            metavar="<choice>",
            rich_help_panel=TRAINING,
            autocompletion=schedules,
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(
            help="train base or motivated for as long as costs what the run of both does",
            metavar="[train_flops]",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    match_from: Annotated[
        str | None,
        typer.Option(
            help="with --match: the cost that these runs of the arm, or of a results folder, had; arm, with --schedule "
            "all: train the arm first",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help=f"{described_setting('seed')['meaning']} (default: 0)", rich_help_panel=TRAINING)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="run seeds 0 to N-1; or those of a list: 3,4", rich_help_panel=TRAINING)
    ] = None,
    config: ConfigOption = None,
    assignments: AnySetting = None,
    out: ResultsFolder = Path("results"),
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="set an old run of the same id aside and start again", rich_help_panel=RUN),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="say what would run, and what it would cost; with --progress json as one JSON object",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    print_config: Annotated[
        bool,
        typer.Option("--print-config", help="show every setting and where it came from", rich_help_panel=OUTPUT),
    ] = False,
    progress: ProgressStyle = "auto",
    track: Track = None,
) -> None:
    """Train a pair (or one model alone) and record every number. The same command again resumes or is done."""
    if not place().first:
        if not (dry_run or print_config):
            follow_the_first()
        return
    if schedule not in (None, *SCHEDULES):
        raise unknown("--schedule", schedule, SCHEDULES)
    at = next((values["motivation.grow_at"] for flag, values in settings if flag == "--at"), None)
    check_at(at, schedule, match)
    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    seeded = seed_layers(seed, seeds)
    below = [*processes_layer(), *config_layers(config), *track_layers(track)]

    def runs_of(schedules: list[tuple[str | None, Layers]]) -> list[Layers]:
        names, said = (model, base, motivated), set_layers(assignments)
        return [
            [*below, *model_layers(*names, one), *settings, *each, *matched, *said, *schedule_layers(one)]
            for each in seeded
            for one, matched in schedules
        ]

    matching = match_layers(match, match_from, model, at is not None)
    arm_first = trains_arm_first(schedule, match, match_from)
    first = runs_of(schedules_of(schedule, [] if arm_first else matching))
    if print_config or dry_run:
        describe_runs(first, out, print_config, progress == "json", AHEAD if arm_first else None)
        return
    with joined() as ranks:
        outcomes = train_all(first, out, progress, fresh, ranks)
        if arm_first and (named := runs_of_arm(outcomes)):
            matching = match_layers(match, named, model, at=False)
            outcomes += train_all(runs_of([(one, matching) for one in CLASSIC]), out, progress, fresh, ranks)
    from seekcli.cli.outcomes import conclude

    conclude(outcomes, out)


def seed_layers(seed: int | None, seeds: str | None) -> list[Layers]:
    if seed is not None and seeds is not None:
        raise BadInput("--seed names one seed and --seeds several (a count, or a list): give one of the two")
    if seeds is not None:
        return [[("--seeds", {"seed": number})] for number in seeds_in(seeds, "--seeds")]
    return [[("--seed", {"seed": seed})] if seed is not None else []]


def check_at(at: float | None, schedule: str | None, match: str | None) -> None:
    """Raise BadInput for `--at` where it names no growing run."""
    if at is None or schedule == "grow" or (match is not None and schedule in CLASSIC):
        return
    raise BadInput(
        f"--at {at:g} goes with --schedule grow, and with --schedule base or motivated beside --match train_flops, "
        "where it names the growing run"
    )


def match_layers(match: str | None, match_from: str | None, model: str | None, at: bool) -> Layers:
    """With `at` the arm is a growing run. Raises BadInput where the pair of the arm is not named."""
    if match is not None and is_model(model):
        raise BadInput(f"--match {match}: the run of both models needs its pair, and --model {model} is one model")
    flags = {"--match": ("train.match", match), "--match-from": ("train.match_from", match_from)}
    grow = [("--at", {"train.match_schedule": "grow"})] if at and match is not None else []
    return [*flag_layers(flags), *grow]


def schedules_of(schedule: str | None, matched: Layers) -> list[tuple[str | None, Layers]]:
    """The schedules to train, each with the layers of its matching; `all` has the baselines without and with it."""
    if schedule != "all":
        return [(schedule, matched)]
    lengths: list[Layers] = [[], matched] if matched else [[]]
    return [*((one, length) for one in ROLES for length in lengths), ("alternating", [])]


def schedule_layers(schedule: str | None) -> Layers:
    return flag_layers({"--schedule": ("schedule", schedule)})


def describe_runs(runs: list[Layers], out: Path, as_config: bool, as_json: bool, to_come: str | None) -> None:
    """`to_come` is what follows once these runs are done."""
    from seekcli.grid.refusals import refuse_ahead
    from seekcli.grid.tune import draft

    with listings_kept():
        drafts = [draft(one, out) for one in runs]
        refuse_ahead([one.resolved.config for one in drafts if not as_config], out)
        if as_config:
            say("\n".join(as_toml(one.resolved) for one in drafts))
        elif as_json:
            echo_json(plans_as_data(drafts, out, to_come))
            return
        else:
            say_plans(drafts, out)
    if to_come is not None:
        say_fitting(f"{'matched':<12}{to_come}")


def plans_as_data(drafts: list[Draft], out: Path, to_come: str | None) -> dict[str, Any]:
    from seekcli.grid.total import total_of
    from seekcli.resolve.plan import plan_of

    plans = [plan_of(one.resolved, out).as_data() | {"k_ahead": k_ahead(one)} for one in drafts]
    return {"runs": plans, "to_come": to_come, "total": vars(total_of([one.resolved for one in drafts], out))}


def say_plans(drafts: list[Draft], out: Path) -> None:
    from seekcli.grid.total import describe_total, total_of
    from seekcli.resolve.plan import describe_plan

    for one in drafts:
        if k := k_ahead(one):
            say_fitting(f"{'k':<12}{k}")
        say_fitting(describe_plan(one.resolved, out))
    if len(drafts) > 1:
        say_fitting(describe_total(total_of([one.resolved for one in drafts], out)))


def k_ahead(one: Draft) -> str | None:
    """Where k is not chosen yet: what comes first, and which k the rest is shown for."""
    if one.tuning is None:
        return None
    k = one.resolved.config.motivation.k
    return f"auto, not chosen yet: {one.tuning.describe()} come first; what follows is for k={k}"


def train_all(
    runs: list[Layers], out: Path, progress: str, fresh: bool, ranks: Ranks | None = None
) -> list[Outcome]:
    """Train one run after the other; one that fails does not keep the next from running. A search for k comes first."""
    from seekcli.grid.refusals import refuse_ahead
    from seekcli.grid.tune import draft

    with listings_kept():
        drafts = [draft(one, out) for one in runs]
        refuse_ahead([one.resolved.config for one in drafts], out, fresh)
    # What takes seconds to import comes when the words are known to be right.
    from seekcli.cli.outcomes import Announcer
    from seekcli.cli.stop import StopSwitch
    from seekcli.cli.tune import settle
    from seekcli.engines.local import LocalEngine

    def notes(resolved: Resolved, state: str) -> list[str]:
        return run_notes(resolved, "new" if fresh else state, out)

    stop, alone = StopSwitch(), len(drafts) == 1
    with stop.listening():
        settled, unsettled = settle(drafts, out, progress, stop, ranks)
        announcer = Announcer(
            progress,
            len(settled),
            notes,
            lambda status, resolved: report(status, resolved, out, progress),
            hint_of=bf16_note,
            alone=alone,
        )
        engine = LocalEngine(out, announcer, stop.reason, fresh=fresh, ranks=ranks)
        outcomes = engine.run(settled, wait=not alone)
    return [*outcomes, *unsettled]
