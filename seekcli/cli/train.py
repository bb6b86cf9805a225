"""`seek train`: one run, or one per schedule and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seekcli.cli.arm_first import AHEAD, runs_of_arm, trains_arm_first
from seekcli.cli.options import config_layers, flag_layers, length_flags, model_layers, parse_k, set_layers
from seekcli.cli.output import say, say_json
from seekcli.cli.progress import STYLES
from seekcli.config.layers import Layers, Resolved
from seekcli.config.seeds import seeds_in
from seekcli.config.settings import CLASSIC
from seekcli.config.settings_files import as_toml
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import BadInput, unknown
from seekcli.method.roles import ROLES
from seekcli.models.catalog import MODELS

if TYPE_CHECKING:
    from seekcli.engines.local import Outcome
    from seekcli.grid.tune import Draft
    from seekcli.runs.records import RunStatus

SCHEDULES = ("alternating", "base", "motivated", "all", "grow")


def train(
    model: Annotated[str | None, typer.Option(help="Pair, such as resnet20-to-32 (the default).")] = None,
    base: Annotated[str | None, typer.Option(help="Base model, instead of --model.")] = None,
    motivated: Annotated[str | None, typer.Option(help="Motivated model, instead of --model.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits (default), cifar10, cifar100, flowers102, pets, folder:DIR, imagenet:DIR, "
            "synthetic:CxHxW:CLASSES[:IMAGES]."
        ),
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where downloaded data sets are kept.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Resize images to this many pixels a side.")] = None,
    limit_train: Annotated[int | None, typer.Option(help="Train on this many images (stratified, seeded).")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="alternating (default), base, motivated, all: the three of them; grow: see --at.")
    ] = None,
    at: Annotated[
        float | None,
        typer.Option(
            help="With --schedule grow: fraction of the steps after which the larger model branches off (0.8). "
            "With --match: the growing run whose cost it is."
        ),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(help="train_flops: train base or motivated for as long as costs what the run of both does."),
    ] = None,
    match_from: Annotated[
        str | None,
        typer.Option(
            help="With --match: the cost that these runs of the arm, or of a results folder, had. arm, with --schedule "
            "all: train the arm first."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, batches and augmentation (0).")] = None,
    seeds: Annotated[str | None, typer.Option(help="Run seeds 0 to N-1; or those of a list: 3,4.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training set.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimizer updates, instead of --epochs; the last epoch may be shorter.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per update.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    condition: Annotated[
        str | None,
        typer.Option(help="Motivation condition (loss), see `seek list conditions`; or package.module:Class."),
    ] = None,
    k: Annotated[
        str | None, typer.Option("--k", help="Falls in a row that the condition needs (2); auto: see `seek tune`.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Start of the differential parts: identity (default), paper, stack, timm, source."),
    ] = None,
    map_name: Annotated[str | None, typer.Option("--map", help="aligned (default) or leading.")] = None,
    init_from: Annotated[
        str | None, typer.Option(help="Start from the weights of a run (folder or id) or an export, with a new head.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Which model of --init-from: base or motivated.")] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from timm's own ImageNet weights, with a new head.")
    ] = False,
    extend: Annotated[
        str | None,
        typer.Option(help="Go on from the end of a finished run (folder or id), as a new run: --epochs says how long."),
    ] = None,
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
    workers: Annotated[
        int | None, typer.Option(help="Processes that read images, for imagenet: (0: none); they change no number.")
    ] = None,
    eval_every: Annotated[int | None, typer.Option(help="Evaluate every N epochs (1); the last one always.")] = None,
    out: Annotated[Path, typer.Option(help="Results folder.")] = Path("results"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set an old run of the same id aside and start again.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Train although an epoch of one step never trains the larger model.")
    ] = False,
    checkpoint_minutes: Annotated[
        float | None, typer.Option(help="Minutes between mid-epoch checkpoints (10).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and what it would cost.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Show every setting and where it came from.")
    ] = False,
    progress: Annotated[str, typer.Option(help="auto, rich, plain or json.")] = "auto",
) -> None:
    """Train a pair (or one model alone) and record every number of it. The same command again resumes or is done."""
    if schedule not in (None, *SCHEDULES):
        raise unknown("--schedule", schedule, SCHEDULES)
    check_at(at, schedule, match)
    if progress not in STYLES:
        raise unknown("--progress", progress, STYLES)
    layers = flag_layers(
        {
            "--data": ("data.name", data),
            "--data-dir": ("data.dir", data_dir),
            "--image-size": ("data.image_size", image_size),
            "--limit-train": ("data.limit_train", limit_train),
            **length_flags(epochs, steps),
            "--batch-size": ("train.batch_size", batch_size),
            "--lr": ("optimizer.lr", lr),
            "--condition": ("motivation.condition", condition),
            "--k": ("motivation.k", parse_k(k)),
            "--at": ("motivation.grow_at", at),
            "--init": ("pair.init", init),
            "--map": ("pair.map", map_name),
            "--init-from": ("transfer.source", init_from),
            "--role": ("transfer.role", role),
            "--pretrained": ("transfer.pretrained", pretrained or None),
            "--extend": ("extend.source", extend),
            "--recipe": ("recipe", recipe),
            "--device": ("runtime.device", device),
            "--precision": ("runtime.precision", precision),
            "--workers": ("runtime.workers", workers),
            "--eval-every": ("train.eval_every", eval_every),
            "--force": ("runtime.force", force or None),
            "--checkpoint-minutes": ("runtime.checkpoint_minutes", checkpoint_minutes),
        }
    )
    seeded, own = seed_layers(seed, seeds), config_layers(config)

    def runs_of(schedules: list[tuple[str | None, Layers]]) -> list[Layers]:
        names, said = (model, base, motivated), set_layers(assignments)
        return [
            [*own, *model_layers(*names, one), *layers, *each, *matched, *said, *schedule_layers(one)]
            for each in seeded
            for one, matched in schedules
        ]

    matching = match_layers(match, match_from, model, at is not None)
    arm_first = trains_arm_first(schedule, match, match_from)
    first = runs_of(schedules_of(schedule, [] if arm_first else matching))
    if print_config or dry_run:
        describe_runs(first, out, print_config)
        if arm_first:
            say(AHEAD)
        return
    outcomes = train_all(first, out, progress, fresh)
    if arm_first and (named := runs_of_arm(outcomes)):
        matching = match_layers(match, named, model, at=False)
        outcomes += train_all(runs_of([(one, matching) for one in CLASSIC]), out, progress, fresh)
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
    if match is not None and model in MODELS:
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


def describe_runs(runs: list[Layers], out: Path, as_config: bool) -> None:
    from seekcli.grid.tune import draft

    with listings_kept():
        drafts = [draft(one, out) for one in runs]
        if as_config:
            say("\n".join(as_toml(one.resolved) for one in drafts))
            return
        from seekcli.resolve.plan import describe_total, plan_of

        plans = []
        for one in drafts:
            plans.append(plan_of(one.resolved, out))
            say(f"{k_ahead(one)}{plans[-1].text}")
        if len(plans) > 1:
            say(describe_total(plans))


def k_ahead(one: Draft) -> str:
    """Where k is not chosen yet: what comes first, and which k the rest is shown for."""
    if one.tuning is None:
        return ""
    k = one.resolved.config.motivation.k
    return f"{'k':<12}auto, not chosen yet: {one.tuning.describe()} come first; what follows is for k={k}\n"


def train_all(runs: list[Layers], out: Path, progress: str, fresh: bool) -> list[Outcome]:
    """Train one run after the other; one that fails does not keep the next from running. A search for k comes first."""
    from seekcli.grid.tune import draft

    with listings_kept():
        drafts = [draft(one, out) for one in runs]
    # What takes seconds to import comes when the words are known to be right.
    from seekcli.cli.outcomes import Announcer
    from seekcli.cli.stop import StopSwitch
    from seekcli.cli.tune import settle
    from seekcli.engines.local import LocalEngine

    stop, alone = StopSwitch(), len(drafts) == 1
    with stop.listening():
        settled, unsettled = settle(drafts, out, progress, stop)
        announcer = Announcer(
            progress,
            len(settled),
            lambda resolved, state: run_notes(resolved, "new" if fresh else state, out),
            lambda status, resolved: report(status, resolved, out, progress),
            alone=alone,
        )
        outcomes = LocalEngine(out, announcer, stop.reason, fresh=fresh).run(settled, wait=not alone)
    return [*outcomes, *unsettled]


def run_notes(resolved: Resolved, state: str, out: Path) -> list[str]:
    """What to know of a run before it begins, or instead of its training."""
    from seekcli.runs.older_runs import old_rules_note, older_twin_note

    done = "this run was finished before, here are its numbers; --fresh sets it aside and trains it again"
    notes = [
        done if state == "finished" else None,
        old_rules_note(resolved, out),
        older_twin_note(out, resolved) if state == "new" else None,
    ]
    return [note for note in notes if note is not None]


def report(status: RunStatus, resolved: Resolved, out: Path, style: str) -> None:
    from seekcli.report.run_summary import run_summary_json, run_summary_text
    from seekcli.runs.folder import run_folder

    folder = run_folder(out, resolved.config)
    if style == "json":
        say_json(run_summary_json(status, folder))
    else:
        say(run_summary_text(status, folder))
