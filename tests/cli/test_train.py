"""`seek train` as a user meets it: what it prints, and one clear line for whatever it cannot do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from documents import rewrite
from photo_tree import photo_tree
from typer.testing import CliRunner

from seekcli.cli.app import app

TINY = ["--base", "resnet8", "--motivated", "resnet14", "--data", "synthetic:1x8x8:3:30", "--epochs", "2"]
TINY += ["--batch-size", "4", "--lr", "0.02", "--k", "1", "--device", "cpu", "--set", "pair.recalibrate_batches=0"]
SHORTEST = ["--data", "synthetic:1x8x8:3:15", "--epochs", "1"]  # 3 steps


def seek(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A results folder with the finished run of TINY, not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "r"
    result = seek("train", *TINY, "--out", out)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def finished(trained, tmp_path):
    """The folder of that run in tmp_path/r, as if it had been trained there."""
    (folder,) = (shutil.copytree(trained, tmp_path / "r") / "runs").iterdir()
    return folder


def refused(result, *words):
    """Exit code 2 and one line on stderr that holds all of the words; no traceback."""
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert result.stderr.startswith("seek: error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr, (word, result.stderr)


def test_a_run_prints_a_line_per_epoch_and_the_numbers_at_the_end(tmp_path):
    result = seek("train", *TINY, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("epoch 1/2")]
    assert [line for line in lines if line.startswith("epoch 2/2") and "images/s" in line and "share" in line]
    words = {line.split()[0]: line for line in lines}
    assert "resnet8: test accuracy" in words["base"]
    assert "resnet14: test accuracy" in words["motivated"]
    assert "expected by chance" in words["share"]
    assert all(name in words["cost"] for name in ("F_XY", "F_X", "F_Y"))
    assert str(tmp_path / "r" / "runs") in words["run"]
    again = seek("train", *TINY, "--out", tmp_path / "r")
    assert again.exit_code == 0
    assert "epoch 1/2" not in again.stdout
    assert words["base"] in again.stdout


def test_json_progress_is_one_object_a_line(tmp_path):
    result = seek("train", *TINY, "--out", tmp_path / "r", "--progress", "json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["started", "note", "epoch", "epoch", "finished"]
    assert set(events[-1]["test_accuracy_percent"]) == {"base", "motivated"}
    assert events[-1]["expected_share"] == pytest.approx(0.5 * 5 / 6)


def test_live_progress_draws_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    result = seek("train", *TINY, "--out", tmp_path / "r", "--progress", "rich")
    assert result.exit_code == 0, result.output
    assert "epoch 2/2" in result.stdout
    assert "test accuracy" in result.stdout


def test_all_schedules_and_seeds_run_one_after_the_other(tmp_path):
    result = seek("train", *TINY, *SHORTEST, "--schedule", "all", "--seeds", "2", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "r" / "runs").iterdir())
    assert [name.rpartition("_")[0] for name in names] == [
        "resnet14_synthetic_s0",
        "resnet14_synthetic_s1",
        "resnet8-to-14_synthetic_loss-k1_identity_s0",
        "resnet8-to-14_synthetic_loss-k1_identity_s1",
        "resnet8_synthetic_s0",
        "resnet8_synthetic_s1",
    ]


def test_print_config_shows_where_every_value_came_from(tmp_path):
    result = seek("train", *TINY, "--set", "optimizer.momentum=0.8", "--print-config", "--out", tmp_path / "r")
    lines = {line.split(" = ")[0]: line for line in result.stdout.splitlines()}
    assert "0.02" in lines["optimizer.lr"]
    assert lines["optimizer.lr"].endswith("# --lr")
    assert lines["optimizer.momentum"].endswith("# --set")
    assert lines["optimizer.weight_decay"].endswith("# recipe cifar-resnet")
    assert lines["pair.map"].endswith("# default")
    assert lines["runtime.precision"].endswith("# auto")
    assert not (tmp_path / "r").exists()


def test_dry_run_needs_no_data_set_and_writes_nothing(tmp_path):
    result = seek("train", "--data", "cifar10", "--data-dir", tmp_path / "none", "--dry-run", "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    assert "expected share 0.1662" in result.stdout
    assert "40.8" in result.stdout
    assert "new:" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet20-to-33"], ["resnet20-to-33", "resnet20-to-32"]),
        (["--model", "resnet32-to-20"], ["resnet32", "resnet20-to-32"]),
        (["--base", "resnet32", "--motivated", "resnet20"], ["resnet32", "resnet20-to-32"]),
        (["--base", "resnet21"], ["resnet21", "resnet20"]),
        (["--model", ""], ["pair ''"]),
        (["--k", "99999999999999999999"], ["--k", "2147483647"]),
        (["--seed", "9223372036854775808"], ["--seed"]),
        (["--batch-size", "99999999999999999999"], ["--batch-size"]),
        (["--epochs", "99999999999999999999"], ["--epochs"]),
        (["--set", "train.eval_batch_size=99999999999"], ["train.eval_batch_size"]),
        (["--set", "optimizer.weight_decay=1e300"], ["optimizer.weight_decay"]),
        (["--set", "optimizer.lr=true"], ["optimizer.lr", "number"]),
        (["--set", "augment.crop_padding=1000"], ["augment.crop_padding 1000", "8 pixels"]),
        (["--set", "runtime.threads=100000"], ["runtime.threads"]),
        (["--base", "resnet110"], ["resnet110", "largest of its family", "--motivated"]),
        (["--model", "resnet20-to-32", "--schedule", "all", "--init", "timm"], ["--init timm", "--init paper"]),
        (["--model", "resnet20-to-32", "--map", "leading"], ["--map leading", "aligned"]),
        (["--model", "resnet20-to-32", "--base", "resnet20"], ["--model", "--base"]),
        (["--model", "resnet20"], ["--model", "resnet20"]),
        (["--data", "digit"], ["--data", "digits"]),
        (["--data", "cifar-10"], ["--data", "cifar10"]),
        (["--data", "synthetic:3x32:10"], ["synthetic"]),
        (["--schedule", "alternate"], ["--schedule", "alternating"]),
        (["--recipe", "cifar-resnets"], ["recipe", "cifar-resnet"]),
        (["--condition", "los"], ["--condition", "loss"]),
        (["--set", "optimizer.rl=0.1"], ["optimizer.rl", "optimizer.lr"]),
        (["--set", "optimizer.lr"], ["--set", "key=value"]),
        (["--set", "optimizer.lr=fast"], ["optimizer.lr", "fast"]),
        (["--k", "0"], ["--k", "0"]),
        (["--k", "two"], ["--k", "integer"]),
        (["--epochs", "0"], ["--epochs", "0"]),
        (["--batch-size", "1"], ["--batch-size", "1"]),
        (["--lr", "-1"], ["--lr"]),
        (["--lr", "nan"], ["--lr"]),
        (["--seed", "-1"], ["--seed"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--seed", "1", "--seeds", "2"], ["--seed", "--seeds"]),
        (["--init", "identical"], ["--init"]),
        (["--map", "aligne"], ["--map"]),
        (["--progress", "fancy"], ["--progress", "plain"]),
        (["--precision", "fp64"], ["--precision"]),
        (["--device", "gpu"], ["--device", "cuda"]),
        (["--limit-train", "0"], ["--limit-train"]),
        (["--limit-train", "99999"], ["--limit-train", "1437"]),
        (["--sede", "1"], ["--sede", "--seed"]),
        (["extra"], ["extra"]),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(tmp_path, arguments, words):
    refused(seek("train", *arguments, "--out", tmp_path / "r"), *words)
    assert not (tmp_path / "r").exists()


def test_cuda_asked_for_where_there_is_none(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(seek("train", "--device", "cuda", "--out", tmp_path / "r"), "--device cuda", "--device cpu")


def make_folder(root, splits=("train", "test"), classes=("cat", "dog"), images=3):
    from PIL import Image

    for split in splits:
        for index, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            for number in range(images):
                image = Image.new("RGB", (9, 9), (40 * number, 90 * index, 10))
                image.save(root / split / name / f"{number}.png")
    return root


def test_a_folder_of_images_trains(tmp_path):
    folder = make_folder(tmp_path / "pets", images=6)
    arguments = [*TINY, "--data", f"folder:{folder}", "--image-size", "8"]
    result = seek("train", *arguments, "--out", tmp_path / "r")
    assert result.exit_code == 0, result.output
    moved = tmp_path / "moved"
    folder.rename(moved)
    again = seek("train", *TINY, "--data", f"folder:{moved}", "--image-size", "8", "--out", tmp_path / "r")
    assert "epoch 1/2" not in again.stdout


@pytest.mark.parametrize("kind", ["missing", "empty", "one class", "broken"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path, kind):
    folder = tmp_path / "photos"
    word = str(folder)
    if kind == "empty":
        folder.mkdir()
    elif kind == "one class":
        make_folder(folder, classes=("cat",))
    elif kind == "broken":
        make_folder(folder)
        broken = folder / "train" / "cat" / "1.png"
        broken.write_bytes(broken.read_bytes()[:40])
        word = str(broken)
    refused(seek("train", *TINY, "--data", f"folder:{folder}", "--image-size", "8", "--out", tmp_path / "r"), word)
    assert not (tmp_path / "r").exists()


def test_not_enough_disk_is_said_before_the_first_step(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    refused(seek("train", *TINY, "--out", tmp_path / "r"), "not enough disk", "r")


def test_a_results_path_that_is_a_file_or_holds_something_else(tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(seek("train", *TINY, "--out", tmp_path / "file"), "file", "not a folder")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("mine")
    refused(seek("train", *TINY, "--out", tmp_path / "home"), "home", "something else")
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["thesis.tex"]


def test_a_results_path_that_cannot_be(tmp_path):
    refused(seek("train", *TINY, "--out", tmp_path / ("x" * 300)), "File name too long")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "runs").write_text("a file")
    refused(seek("train", *TINY, "--out", tmp_path / "r"), "r")


def test_a_results_folder_that_is_not_writable(tmp_path, monkeypatch):
    if os.geteuid() == 0:
        # root writes everywhere: a folder that no one can write to is /proc
        refused(seek("train", *TINY, "--out", "/proc/results"), "/proc/results", "not writable")
        return
    (tmp_path / "r").mkdir(mode=0o500)
    refused(seek("train", *TINY, "--out", tmp_path / "r"), "not writable")


@pytest.mark.parametrize("name", ["config.json", "status.json", "epochs.parquet"])
def test_a_damaged_file_of_an_earlier_run_is_named(tmp_path, finished, name):
    out, folder = tmp_path / "r", finished
    if name == "epochs.parquet":
        rewrite(folder / "status.json", state="stopped")
    (folder / name).write_bytes(b"damaged")
    refused(seek("train", *TINY, "--out", out), name, "damaged")
    assert (folder / name).read_bytes() == b"damaged"
    if name == "status.json":
        assert seek("train", *TINY, "--out", out, "--fresh").exit_code == 0


def test_a_non_finite_loss_exits_1_and_names_the_step(tmp_path):
    result = seek("train", *TINY, "--lr", "1e30", "--out", tmp_path / "r")
    assert result.exit_code == 1
    assert "non-finite" in result.stderr
    assert "step " in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)]
)
def test_a_signal_saves_says_how_to_go_on_and_the_same_command_does(tmp_path, number, code):
    # A process of its own: what is forked from one that has trained cannot train where torch has threads for devices.
    words = ["train", *TINY, "--epochs", "4000", "--progress", "plain", "--out", str(tmp_path / "r")]
    before = signal.signal(number, signal.SIG_DFL)  # a background job of a shell ignores Ctrl-C, and its children do
    with (tmp_path / "stderr").open("w") as handle:
        child = subprocess.Popen(
            [sys.executable, "-m", "seekcli", *words], stdout=subprocess.DEVNULL, stderr=handle, start_new_session=True
        )
    signal.signal(number, before)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "r").glob("runs/*/checkpoint/step-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(number)
    try:
        status = child.wait(60)
    finally:
        child.kill()
    errors = (tmp_path / "stderr").read_text()
    assert status == code, errors
    assert "the same command again goes on" in errors
    assert "Traceback" not in errors
    planned = seek("train", *TINY, "--epochs", "4000", "--out", tmp_path / "r", "--dry-run")
    assert "unfinished" in planned.stdout


def test_a_dry_run_of_many_runs_ends_in_a_total(tmp_path, finished):
    planned = seek("train", *TINY, "--seeds", "3", "--dry-run", "--out", tmp_path / "r")
    *plans, total = planned.stdout.splitlines()
    assert total.startswith("total       3 runs (1 finished, 2 new); ")
    costs = [float(line.split(" FLOPs")[0].split(", ")[-1].split()[0]) for line in plans if line.startswith("cost")]
    assert len(costs) == 3
    _, work, hours = total.split("; ")
    (shown,) = [word for word in work.split() if word[0].isdigit()]
    assert float(shown) == pytest.approx(sum(costs[1:]), rel=0.01)  # what is finished costs nothing more
    assert hours.endswith(" s, one after the other")  # as long as the finished one took
    elsewhere = seek("train", *TINY, "--seeds", "2", "--dry-run", "--out", tmp_path / "other").stdout
    assert elsewhere.splitlines()[-1].endswith("; time not known before a run of the kind is finished")
    assert "total" not in seek("train", *TINY, "--dry-run", "--out", tmp_path / "r").stdout


def test_init_from_trains_other_classes_from_the_weights_of_a_run(tmp_path, finished):
    source = finished
    other = [argument.replace(":3:30", ":4:40") for argument in TINY]
    classic = [*other, "--schedule", "base", "--role", "base"]
    for named in (source, source.name, source.name.rpartition("_")[2]):
        result = seek("train", *classic, "--init-from", named, "--out", tmp_path / "r")
        assert result.exit_code == 0, result.output
    assert "resnet8: test accuracy" in result.stdout
    assert len(list((tmp_path / "r" / "runs").iterdir())) == 2
    shown = seek("train", *classic, "--init-from", source, "--print-config", "--out", tmp_path / "r").stdout
    lines = {line.split(" = ")[0]: line for line in shown.splitlines()}
    assert lines["transfer.role"].endswith("# --role")
    assert lines["transfer.sha256"].endswith(f"# --init-from {source}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--init-from", "nowhere/at/all"], ["--init-from nowhere/at/all"]),
        (["--init-from", "nowhere", "--pretrained"], ["--init-from", "--pretrained"]),
        (["--role", "base"], ["--role", "--init-from"]),
        (["--pretrained"], ["--pretrained", "resnet8"]),
        (["--pretrained", "--role", "both"], ["--role"]),
    ],
)
def test_a_source_that_cannot_be_had_is_one_line(tmp_path, arguments, words):
    refused(seek("train", *TINY, *arguments, "--out", tmp_path / "r"), *words)
    assert not (tmp_path / "r").exists()


def test_a_partly_contained_base_is_told_first_of_all(tmp_path):
    """`seek train --model resnet18-to-50` says its coverage before it looks for the data, and starts as `paper`."""
    missing = seek("train", "--model", "resnet18-to-50", "--data", "cifar100", "--data-dir", tmp_path / "none")
    line, error = missing.stderr.splitlines()
    assert line.startswith("note: the weights map covers 50.4% of resnet18")
    assert "--init paper" in line
    assert "cifar-100-python.tar.gz" in error
    whole = seek("train", *TINY, "--epochs", "1", "--out", tmp_path / "r")
    assert whole.exit_code == 0
    assert "covers" not in whole.stderr


def test_map_leading_alone_starts_as_paper():
    """The default start follows the map: identity needs the aligned one."""
    planned = seek("train", "--model", "vit-tiny-to-small", "--map", "leading", "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert "leading, covers 100.0% of the base; init paper" in planned.stdout
    asked = seek("train", "--model", "vit-tiny-to-small", "--map", "leading", "--init", "identity", "--dry-run")
    refused(asked, "--init identity is impossible", "--map leading")


def test_one_model_of_a_pair_stands_for_the_nearest_pair():
    named = {("--base", "resnet8"): "resnet8-to-14", ("--motivated", "resnet20"): "resnet14-to-20"}
    for arguments, pair in named.items():
        planned = seek("train", *arguments, "--dry-run")
        assert planned.exit_code == 0, planned.output
        assert planned.stdout.startswith(f"run         {pair}_digits_")
    assert seek("train", "--base", "resnet110", "--schedule", "base", "--print-config").exit_code == 0


def test_a_dry_run_puts_f_xy_between_f_x_and_f_y_also_where_training_images_are_smaller(tmp_path):
    photo_tree(tmp_path)
    arguments = ["--data", f"imagenet:{tmp_path}", "--model", "resnet8-to-14", "--image-size", "32"]
    arguments += ["--epochs", "6", "--batch-size", "16", "--set", "data.train_size=16"]
    text = seek("train", *arguments, "--dry-run").stdout
    base, motivated = (float(value) for value in re.findall(r": ([\d.]+) MMACs forward per 3x32x32 image", text))
    (mean,) = (float(value) for value in re.findall(r"\(F_XY\) ([\d.]+) MMACs per image", text))
    assert base < mean < motivated
    assert "of 16 pixels" in text


def test_a_finished_run_whose_table_is_damaged_is_not_reported_as_done(tmp_path, finished):
    path = finished / "epochs.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(seek("train", *TINY, "--out", tmp_path / "r"), "epochs.parquet", "damaged")
    refused(seek("compare", tmp_path / "r"), "epochs.parquet", "damaged")
    assert path.read_bytes() == whole[: len(whole) // 2]


def test_the_start_says_how_many_images_there_are_and_who_split_them(tmp_path):
    result = seek("train", *TINY, "--out", tmp_path / "r", "--set", "data.validation_fraction=0.25")
    line = next(line for line in result.stdout.splitlines() if line.startswith("synthetic:"))
    assert "18 training, 6 validation and 6 test images" in line
    assert "stratified 80/20 split, seed 0" in line


def test_a_schedule_may_be_set_by_its_key(tmp_path):
    planned = seek("train", *TINY, "--set", "schedule=base", "--dry-run", "--out", tmp_path)
    assert planned.stdout.startswith("run         resnet8_synthetic_s0_"), planned.output


def test_a_huge_k_is_planned_at_once(tmp_path):
    planned = seek("train", *TINY[:-4], "--k", "2147483647", "--dry-run", "--out", tmp_path)
    assert planned.exit_code == 0, planned.output
    assert "expected share 0.0000" in planned.stdout


@pytest.mark.parametrize("lost", ["checkpoint", "base.safetensors", "steps.parquet"])
def test_a_file_that_somebody_removed_is_noticed_and_nothing_is_overwritten(tmp_path, finished, lost):
    """Of a finished run what it must have, of an unfinished one its checkpoints."""
    out, folder = tmp_path / "r", finished
    if lost == "checkpoint":
        rewrite(folder / "status.json", state="stopped")
        for path in (folder / "checkpoint").iterdir():
            path.unlink()
    else:
        (folder / lost).unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    refused(seek("train", *TINY, "--out", out), lost, "--fresh")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_another_run_is_set_aside_for_the_one_before(tmp_path, monkeypatch):
    out, other = tmp_path / "r", tmp_path / "other"
    monkeypatch.setattr(
        "seekcli.runs.writer.RunWriter.keep_last_checkpoint", lambda _: None
    )  # as one that was killed before its end
    assert seek("train", *TINY, "--out", out).exit_code == 0
    (folder,) = (out / "runs").iterdir()
    assert seek("train", *TINY, "--schedule", "base", "--out", other).exit_code == 0
    (foreign,) = (other / "runs").glob("*/checkpoint")
    models = (folder / "base.safetensors").read_bytes()
    newest = max((folder / "checkpoint").iterdir())
    newest.write_bytes(max(foreign.iterdir()).read_bytes())
    rewrite(folder / "status.json", state="stopped")
    again = seek("train", *TINY, "--out", out)
    assert again.exit_code == 0, again.output
    assert f"{newest.name} is of another run and was set aside" in again.stderr
    assert (folder / "base.safetensors").read_bytes() == models


def test_a_run_is_known_before_its_first_epoch_is_done(tmp_path, monkeypatch):
    from seekcli.engines.run import RecordedTraining

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(RecordedTraining, "after_step", interrupted)
    assert seek("train", *TINY, "--out", tmp_path / "r").exit_code == 130
    listed = seek("list", "runs", "--out", tmp_path / "r", "--format", "json")
    assert [(row["state"], row["epochs_done"]) for row in json.loads(listed.stdout)] == [("interrupted", 0)]
    assert "damaged" not in seek("compare", tmp_path / "r").stdout


def test_an_error_that_nobody_foresaw_is_one_line_too(tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("seekcli.grid.tune.draft", broken)
    result = seek("train", *TINY, "--out", tmp_path / "r")
    assert result.exit_code == 1
    assert result.stderr.startswith("seek: error: RuntimeError: two lines (unexpected")
    assert result.stderr.count("\n") == 1


def test_a_config_of_a_newer_seek_is_refused_and_a_damaged_environment_is_only_noted(tmp_path, finished):
    out, folder = tmp_path / "r", finished
    config = (folder / "config.json").read_bytes()
    rewrite(folder / "config.json", schema_version=9)
    refused(seek("train", *TINY, "--out", out), "config.json", "newer seek")
    (folder / "config.json").write_bytes(config)
    rewrite(folder / "status.json", state="stopped")
    (folder / "environment.json").write_text("[]")
    again = seek("train", *TINY, "--out", out)
    assert again.exit_code == 0, again.output
    assert "environment.json is missing or damaged" in again.stderr


def test_one_failure_of_several_is_told_at_once_and_does_not_keep_the_next_from_running(tmp_path):
    result = seek("train", *TINY, "--lr", "1e30", "--schedule", "all", "--out", tmp_path / "r")
    assert result.exit_code == 1
    *failures, last = result.stderr.splitlines()
    assert len([line for line in failures if line.startswith("seek: run failed: non-finite")]) == 3
    assert last == "seek: error: 3 of 3 runs failed"
    assert len(list((tmp_path / "r" / "runs").iterdir())) == 3
