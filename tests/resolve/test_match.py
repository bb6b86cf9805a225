"""--match train_flops: a baseline gets the training compute that its alternating arm is expected to cost, or did."""

from __future__ import annotations

import shlex

import pytest
from tiny import TINY, tiny
from typer.testing import CliRunner

from seekcli.analysis.comparison import compare_runs
from seekcli.cli.app import app
from seekcli.config.identity import run_id
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, Stopped
from seekcli.grid.plan import points_of_grid
from seekcli.grid.tune import draft
from seekcli.report.repeat import command_of
from seekcli.resolve.plan import describe_plan
from seekcli.resolve.resolve import resolve
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.runs.scan import scan_runs
from seekcli.train.length import nearest_steps
from seekcli.train.progress import Progress

# Training MACs of an image: ResNet-8 and ResNet-14 on 1x8x8, from `seek flops --model resnet8-to-14 --format json`.
MACS = {"base": 763_072.0, "motivated": 1_647_808.0}
IMAGES, STEPS = 24, 6  # of an epoch; a step is 4 images
WORDS = [
    *("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--batch-size", "4", "--epochs", "3"),
    *("--recipe", "digits", "--device", "cpu", "--dry-run"),
]


def matched(schedule, results=None, **changes):
    settings = TINY | {key.replace("__", "."): value for key, value in changes.items()}
    layers = [("test", settings | {"schedule": schedule, "train.match": "train_flops"})]
    return resolve(layers, *([results] if results else []))


def invoke(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("condition", "share"),
    [
        ({"motivation__k": 1}, 1 / 2 * 5 / 6),
        ({"motivation__k": 3}, 1 / 24 * 5 / 6),
        ({"motivation__condition": "random-count"}, 1 / 2 * 5 / 6),
        ({"motivation__condition": "always"}, 5 / 6),
        ({"motivation__condition": "never"}, 0.0),
        ({"motivation__condition": "periodic", "motivation__every_steps": 3}, 1 / 3),
    ],
)
@pytest.mark.parametrize("schedule", ["base", "motivated"])
def test_the_cost_is_within_half_a_step_of_what_the_arm_is_expected_to_cost(schedule, condition, share):
    steps = matched(schedule, train__epochs=10, **condition).config.train.steps
    expected = 10 * STEPS * (MACS["base"] + share * (MACS["motivated"] - MACS["base"])) / MACS[schedule]
    assert abs(steps - expected) <= 0.5 + 1e-9


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two seeds of an arm whose share is exact and of one that has none by chance, a baseline, an unfinished run."""
    folder = tmp_path_factory.mktemp("results")
    ema = {"motivation__condition": "ema-loss", "train__epochs": 1}
    runs = [tiny(**ema), tiny(**ema, seed=1), tiny(train__epochs=1, motivation__condition="always")]
    for resolved in [*runs, tiny(schedule="base", train__epochs=1)]:
        train_run(resolved, folder)
    with pytest.raises(Stopped):
        train_run(tiny(**ema, motivation__k=3), folder, Progress(), stop_requested=lambda: "test")
    with pytest.raises(Stopped):
        train_run(tiny(**ema, train__steps=9), folder, Progress(), stop_requested=lambda: "test")
    return folder


def recorded(results, resolved):
    return records.read_status(RunFolder.of(results, resolved.config).path).totals["train_flops"]


def test_what_is_trained_costs_what_the_arm_did(results, tmp_path):
    """An epoch of `always` is a base step and five motivated ones: recorded, not computed."""
    arm = {"train__epochs": 1, "motivation__condition": "always"}
    flops = recorded(results, tiny(**arm))
    for schedule in ("base", "motivated"):
        resolved = matched(schedule, **arm)
        status = train_run(resolved, tmp_path)
        assert abs(status.totals["train_flops"] - flops) <= status.totals["train_flops"] / status.steps_done
        assert status.steps_done == resolved.config.train.steps


def test_only_the_steps_are_in_the_run_id(results):
    resolved = matched("base", train__epochs=5)
    steps = resolved.config.train.steps
    assert run_id(resolved.config) == run_id(tiny(schedule="base", train__steps=steps).config)
    arm = {"motivation__condition": "always", "train__epochs": 1}
    named = matched("base", results, **arm, train__match_from=run_id(tiny(**arm).config))
    assert run_id(named.config) == run_id(matched("base", **arm).config)


def test_the_schedule_of_the_baseline_is_the_arms_but_for_its_length():
    """A warm-up that is shrunk to the arm's epochs stays as long, so that the two differ in their length alone."""
    warm = {"recipe": "small-vit", "train__epochs": 10, "motivation__condition": "always"}
    arm, longer = tiny(**warm), matched("base", **warm)
    assert longer.config.train.steps > 60
    assert arm.config.lr_schedule == longer.config.lr_schedule
    assert arm.config.lr_schedule.warmup_epochs > 0


def test_a_recorded_cost_is_the_mean_of_the_arms_runs(results):
    arm = {"motivation__condition": "ema-loss", "train__epochs": 1}
    both = [recorded(results, tiny(**arm, seed=seed)) for seed in (0, 1)]
    resolved = matched("base", results, **arm, train__match_from=str(results))
    per_step = 3 * 2 * MACS["base"] * 4
    assert resolved.config.train.steps == round(sum(both) / 2 / per_step)
    assert "the mean of 2 runs" in describe_plan(resolved, results)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["--condition ema-loss has no share by chance", "--match-from RESULTS"]),
        ({"train__match_from": "nowhere"}, ["train.match_from nowhere: no such folder"]),
        ({"train__match_from": "RESULTS", "motivation__k": 3}, ["stopped after 0 of 1 epochs; finish it first"]),
        ({"train__match_from": "STOPPED", "train__steps": 9}, ["stopped after 1 of 9 steps; finish it first"]),
        ({"train__match_from": "RESULTS", "motivation__k": 4}, ["no alternating run there", "motivation.k", "not 4"]),
        ({"train__match_from": "RESULTS", "train__batch_size": 6}, ["train.batch_size 4, not 6"]),
        ({"train__match_from": "BASE"}, ["is base, and the compute to match is that of a run of both models"]),
        ({"train__match_from": "EMA,ALWAYS"}, ["more than one arm"]),
        ({"train__match_from": "EMA", "train__epochs": 2}, ["has train.epochs 1, not 2, so it is no run of this arm"]),
        ({"train__match_from": "EMA", "pair__base": "resnet14", "pair__motivated": "resnet20"}, ["pair resnet8-to-14"]),
    ],
)
def test_a_cost_that_cannot_be_had_is_bad_input(results, changes, words):
    ema = {"motivation__condition": "ema-loss", "train__epochs": 1}
    names = {
        "RESULTS": str(results),
        "BASE": run_id(tiny(schedule="base", train__epochs=1).config),
        "EMA": run_id(tiny(**ema).config),
        "STOPPED": run_id(tiny(**ema, train__steps=9).config),
        "ALWAYS": run_id(tiny(train__epochs=1, motivation__condition="always").config),
    }
    if "train__match_from" in changes:
        listed = changes["train__match_from"].split(",")
        changes = changes | {"train__match_from": ",".join(names.get(word, word) for word in listed)}
    with pytest.raises(BadInput) as caught:
        matched("motivated", results, **ema | changes)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


# Of 4 epochs: both costs are within 1 percent when they are rounded to steps.
GROWN = {"train__epochs": 4, "motivation__grow_at": 0.5, "train__match_schedule": "grow"}


@pytest.mark.slow
def test_a_growing_run_is_matched_to_the_step_and_joined(tmp_path):
    """All its steps through the base and half of them through the larger model as well: 24 x base + 12 x larger."""
    train_run(tiny(schedule="grow", train__epochs=4, motivation__grow_at=0.5), tmp_path)
    for schedule in ("base", "motivated"):
        resolved = matched(schedule, tmp_path, **GROWN)
        expected = (24 * MACS["base"] + 12 * MACS["motivated"]) / MACS[schedule]
        assert resolved.config.train.steps == round(expected)
        assert "of grow-0.5, at the share 0.3333 by its schedule" in describe_plan(resolved, tmp_path)
        assert run_id(matched(schedule, tmp_path, **GROWN, train__match_from=str(tmp_path)).config) == run_id(
            resolved.config
        )
        train_run(resolved, tmp_path)
    (cell,) = compare_runs(scan_runs([tmp_path])).cells
    (arm,) = cell.arms
    assert [group.name for group in arm.groups] == ["X-Y-B", "X-Y-M", "X-C=", "Y-C="]
    assert all(abs(arm.cost_ratio(group) - 1) < 0.01 for group in (arm.x_c_equal, arm.y_c_equal))


def test_at_beside_match_names_the_growing_run(tmp_path):
    """Of an alternating arm with the same words the steps are others; a grid file says it with `match_schedule`."""
    words = [*WORDS, "--schedule", "base", "--match", "train_flops", "--out", str(tmp_path)]
    plain, grown = invoke(*words), invoke(*words, "--at", "0.5")
    assert (plain.exit_code, grown.exit_code) == (0, 0), plain.output + grown.output
    assert "of loss-k2, at the share 0.1389 by chance" in plain.output
    assert "of grow-0.5, at the share 0.3333 by its schedule" in grown.output
    steps = matched("base", tmp_path, motivation__grow_at=0.5, train__match_schedule="grow").config.train.steps
    assert steps_of(grown.output) == steps
    path = tmp_path / "grid.toml"
    settings = "\n".join(f"{key} = {value!r}" for key, value in TINY.items())
    arm = "schedule = 'base'\nmatch = 'train_flops'\nmatch_schedule = 'grow'\nmotivation.grow_at = 0.5\n"
    path.write_text(f"[settings]\n{settings}\n[[arms]]\n{arm}")
    (point,) = points_of_grid(path, results=tmp_path)
    assert point.resolved.config.train.steps == steps
    repeated = shlex.split(command_of(point.resolved, tmp_path, path.name))[1:]
    assert steps_of(invoke(*repeated, "--dry-run").output) == steps


def steps_of(output):
    return int(output.split("images, ")[1].split()[0])


def test_all_five_are_trained_by_one_command(tmp_path):
    done = invoke(
        *WORDS, "--schedule", "all", "--match", "train_flops", "--condition", "always", "--out", str(tmp_path)
    )
    assert done.exit_code == 0, done.output
    runs = [line.split()[1].split("_")[0] for line in done.output.splitlines() if line.startswith("run ")]
    assert runs == ["resnet8", "resnet8", "resnet14", "resnet14", "resnet8-to-14"]
    steps = [line.split("images, ")[1].split()[0] for line in done.output.splitlines() if line.startswith("work ")]
    assert steps == ["18", "35", "18", "16", "18"]
    assert done.output.count("matched ") == 2


def test_the_arm_may_be_trained_first_where_no_share_is_expected(tmp_path):
    """The baselines are matched to the mean of this command's own runs of the arm; the same command again is done."""
    words = [*WORDS[:-1], "--schedule", "all", "--match", "train_flops", "--match-from", "arm", "--seeds", "2"]
    words += ["--condition", "ema-loss", "--epochs", "1", "--out", str(tmp_path), "--progress", "json"]
    ahead = invoke(*words, "--dry-run")
    assert ahead.exit_code == 0, ahead.output
    assert "known once they are trained" in ahead.output
    assert not any(tmp_path.iterdir())
    for _ in range(2):
        done = invoke(*words)
        assert done.exit_code == 0, done.output
        statuses = {run.run_id: run.status for run in scan_runs([tmp_path])}
        assert len(statuses) == 2 * 5
        arm = [one.totals["train_flops"] for one in statuses.values() if len(one.models) == 2]
        for role, macs in MACS.items():
            steps = {one.steps_done for one in statuses.values() if list(one.models) == [role]}
            assert steps == {STEPS, nearest_steps(sum(arm) / 2 / (6 * macs), batch_bounds(IMAGES, 4, False))}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--schedule", "base", "--match", "train_flops", "--match-from", "arm"], "give it with --schedule all"),
        (["--match", "train_flops"], "use it with --schedule base, motivated or all"),
        (["--match", "train_flops", "--schedule", "grow"], "--schedule base --match train_flops --at 0.8"),
        (["--schedule", "all", "--match", "train_flops", "--at", "0.5"], "--at 0.5 goes with --schedule grow, and"),
        (["--schedule", "base", "--set", "train.match_schedule=grow"], "is read with --match train_flops alone"),
        (["--schedule", "base", "--match", "train_flops", "--at", "0.99"], "--at 0.99 (motivation.grow_at)"),
        (["--schedule", "base", "--match", "flops"], "--match: input should be 'train_flops'"),
        (["--schedule", "base", "--match-from", "r"], "is read with --match train_flops alone: give both"),
        (["--schedule", "all", "--match", "train_flops", "--condition", "ema-loss"], "has no share by chance"),
        (["--schedule", "base", "--model", "resnet8", "--match", "train_flops"], "--model resnet8 is one model"),
    ],
)
def test_what_cannot_be_matched_is_refused(tmp_path, words, said):
    done = invoke(*WORDS, *words, "--out", str(tmp_path))
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr
    assert not any(tmp_path.iterdir())


def test_a_grid_file_may_match(tmp_path):
    path = tmp_path / "grid.toml"
    settings = "\n".join(f"{key} = {value!r}" for key, value in TINY.items())
    path.write_text(f"[settings]\n{settings}\n[[arms]]\nschedule = ['base', 'motivated']\nmatch = 'train_flops'\n")
    steps = [point.resolved.config.train.steps for point in points_of_grid(path, results=tmp_path)]
    assert steps == [matched(schedule).config.train.steps for schedule in ("base", "motivated")]


def test_with_k_auto_the_arm_has_the_k_that_is_chosen(tmp_path):
    """Until it is, the smallest of those that are searched is shown."""
    layers = [("test", TINY | {"motivation.k": "auto", "tune.k": "1,3", "tune.folds": 2})]
    matching = ("test", {"schedule": "base", "train.match": "train_flops"})
    arm, baseline = draft(layers, tmp_path), draft([*layers, matching], tmp_path)
    assert baseline.tuning.name == arm.tuning.name
    assert baseline.resolved.config.train.steps == matched("base", motivation__k=1).config.train.steps
    assert baseline.with_k(3).config.train.steps == matched("base", motivation__k=3).config.train.steps
    assert baseline.with_k(3).config.train.steps < baseline.resolved.config.train.steps
