"""`--extend RUN`: a new run that begins with the end of another one, exactly, and is never taken for it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

from bad_input import error_of, seek
from resumed_runs import train_in_pieces
from run_content import Notes, content
from tiny import TINY, tiny

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.engines.run import train_run
from seekcli.errors import BadInput
from seekcli.resolve.resolve import resolve
from seekcli.runs import records
from seekcli.runs.folder import RunFolder

AUGMENTED = {"augment__flip": True, "augment__crop_padding": 1, "lr_schedule__name": "constant"}
ALWAYS = {"motivation__condition": "always", "pair__recalibrate_batches": 10, **AUGMENTED}
# Its dropout and stochastic depth draw from the place in the run.
DROPPING = {"schedule": "base", "pair__base": "efficientnet-b0", "data__name": "synthetic:3x32x32:3:16", **AUGMENTED}


def trained(resolved: Resolved, results: Path) -> Path:
    train_run(resolved, results)
    return RunFolder.of(results, resolved.config).path


def extended(parent: Path, epochs: int = 2, **changes: Any) -> Resolved:
    own = {key.replace("__", "."): value for key, value in changes.items()}
    return resolve([("test", {"extend.source": str(parent), "train.epochs": epochs, **own})], parent.parents[1])


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"schedule": "base", **AUGMENTED}, marks=pytest.mark.slow),
        ALWAYS,
        pytest.param(ALWAYS | {"train__ema_decay": 0.9, "optimizer__name": "adamw"}, marks=pytest.mark.slow),
        pytest.param(DROPPING | {"pair__motivated": "efficientnet-b1"}, marks=pytest.mark.slow),
    ],
    ids=["classic", "alternating", "averaged", "dropping"],
)
def test_at_a_constant_rate_two_runs_are_one_long_run(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Weights, optimizer state, batches and augmentation: nothing is drawn twice and nothing is lost."""
    settings = {"data__name": "synthetic:1x8x8:3:15"} | settings  # 3 steps an epoch
    whole = trained(tiny(train__epochs=3, **settings), tmp_path / "whole")
    parent = trained(tiny(train__epochs=1, **settings), tmp_path / "parts")
    child = trained(extended(parent), tmp_path / "parts")
    for path in whole.glob("*.safetensors"):
        expected, found = load_file(path), load_file(child / path.name)
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    added, losses = (records.read_steps(run / records.STEPS)["loss"] for run in (child, whole))
    assert added == losses[len(losses) // 3 :]
    assert {row["epoch"] for row in records.read_epochs(child / records.EPOCHS)} == {1, 2}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 epochs of 6 steps."""
    return trained(tiny(), tmp_path_factory.mktemp("results"))


def copied(parent: Path, results: Path) -> Path:
    return Path(shutil.copytree(parent, results / "runs" / parent.name))


@pytest.mark.slow  # fast: test_it_goes_on_when_its_parent_is_gone, which is stopped once
def test_stopped_anywhere_and_resumed_it_equals_one_that_was_not(tmp_path: Path, parent: Path) -> None:
    whole, pieces = copied(parent, tmp_path / "whole"), copied(parent, tmp_path / "pieces")
    expected = content(trained(extended(whole), whole.parents[1]))
    assert train_in_pieces(extended(pieces), pieces.parents[1], 5) == 2
    assert content(RunFolder.of(pieces.parents[1], extended(pieces).config).path) == expected


def test_a_child_of_a_child_counts_all_epochs(tmp_path: Path, parent: Path) -> None:
    first = trained(extended(copied(parent, tmp_path), 1), tmp_path)
    config = extended(first, 1).config
    assert config.extend.epochs_before == 4
    assert config.extend.run == first.name


def test_the_rate_starts_again_over_what_is_added(tmp_path: Path, parent: Path) -> None:
    own = copied(parent, tmp_path)
    child = trained(extended(own), tmp_path)
    other = trained(tiny(train__epochs=2), tmp_path)
    rates = [records.read_steps(run / records.STEPS)["learning_rate"] for run in (child, other)]
    assert rates[0] == rates[1]
    slow = extended(own, optimizer__lr=0.001).config
    assert (slow.optimizer.lr, slow.extend.run) == (0.001, parent.name)


def test_spans_of_the_schedule_shrink_with_the_length(tmp_path: Path) -> None:
    warm = trained(tiny(schedule="base", lr_schedule__warmup_epochs=2.0), tmp_path)
    assert extended(warm, 1).config.lr_schedule.warmup_epochs == pytest.approx(2 / 3)
    assert extended(warm, 6).config.lr_schedule.warmup_epochs == 2.0
    assert extended(warm, 4, lr_schedule__warmup_epochs=0.5).config.lr_schedule.warmup_epochs == 0.5


def test_it_is_a_run_of_its_own_and_says_so_first(tmp_path: Path, parent: Path) -> None:
    own = copied(parent, tmp_path)
    notes = Notes()
    child = extended(own)
    assert run_id(child.config) != parent.name
    assert f"_more-of-{parent.name[-10:]}_" in run_id(child.config)
    ahead = seek("train", "--extend", own, "--epochs", 2, "--out", tmp_path, "--dry-run")
    train_run(child, tmp_path, notes)
    for words in (notes.notes[0], " ".join(ahead.stdout.split())):  # a dry run breaks its lines
        assert (
            f"extends {parent.name}: 2 epochs more, from its last weights and optimizer state, of both models" in words
        )
        assert "the learning rate starts again (cosine from 0.02 to 0, over the added 2 epochs alone)" in words
        assert "the motivation condition starts anew" in words
        assert "their batches are those of epoch 4 on" in words
    again = seek("train", "--extend", parent.name[-10:], "--epochs", 2, "--out", tmp_path, "--progress", "json")
    assert again.exit_code == 0, again.output
    assert run_id(child.config) in again.stdout
    (other,) = {path.name for path in (tmp_path / "runs").iterdir()} - {parent.name}
    assert other == run_id(child.config)


def test_comparisons_pool_extended_runs_with_each_other_alone(tmp_path: Path) -> None:
    for seed in (0, 1):
        for settings in ({}, {"schedule": "base"}):
            short = tiny(seed=seed, train__epochs=1, data__name="synthetic:1x8x8:3:15", **settings)
            extended_run = extended(trained(short, tmp_path), 1)
            train_run(extended_run, tmp_path)
    found = json.loads(seek("compare", tmp_path, "--format", "json").stdout)
    assert len(found["cells"]) == 2
    for cell in found["cells"]:
        assert sorted((group["group"], group["seeds"]) for group in cell["groups"]) == [
            ("X-C", [0, 1]), ("X-Y-B", [0, 1]), ("X-Y-M", [0, 1]),
        ]  # fmt: skip
    table = seek("compare", tmp_path).stdout
    assert "these runs go on from others after 1 epoch (--extend): costs and times are of what was added" in table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say with --epochs N"),
        (["--epochs", 2, "--seed", 1], "--seed (seed)"),
        (["--epochs", 2, "--k", 4], "--k (motivation.k)"),
        (["--epochs", 2, "--model", "resnet8-to-20"], "--model (pair.motivated)"),
        (["--epochs", 2, "--data", "digits"], "--data (data.name)"),
        (["--epochs", 2, "--set", "optimizer.name=adamw"], "optimizer.name"),
        (["--epochs", 2, "--set", "extend.epochs_before=7"], "extend.epochs_before"),
        (["--epochs", 2, "--match", "train_flops", "--schedule", "base"], "schedule"),
        (["--epochs", 2, "--pretrained"], "transfer.pretrained"),
        (["--epochs", 2, "--k", "auto"], "--k auto"),
    ],
)
def test_what_it_shares_with_its_parent_is_not_set(parent: Path, words: list[Any], said: str) -> None:
    assert said in error_of(seek("train", "--extend", parent, *words, "--dry-run"))


def test_what_is_printed_of_it_is_read_back(tmp_path: Path, parent: Path) -> None:
    words = ("train", "--extend", parent, "--epochs", 2)
    (tmp_path / "my.toml").write_text(seek(*words, "--print-config").stdout)
    (planned, again) = (
        seek(*these, "--dry-run").stdout for these in (words, ("train", "--config", tmp_path / "my.toml"))
    )
    assert planned.splitlines()[0] == again.splitlines()[0] != ""


def test_what_cannot_be_extended_is_named(tmp_path: Path, parent: Path) -> None:
    def refusal(folder: Path | str) -> str:
        return error_of(seek("train", "--extend", folder, "--epochs", 1, "--out", tmp_path, "--dry-run"))

    own = copied(parent, tmp_path)
    assert "did you mean" in refusal(f"{parent.name}x")
    assert "--extend RUN" in error_of(seek("train", "--set", "extend.run=abc", "--dry-run"))
    status = records.read_status(own)
    records.write_status(own, status.model_copy(update={"state": "stopped"}))
    assert "is not finished" in refusal(own)
    records.write_status(own, status)
    max((own / "checkpoint").iterdir()).unlink()
    assert "--init-from starts a run from its weights alone" in refusal(own)
    (own / "base.safetensors").write_bytes(b"damaged")
    assert "base.safetensors is damaged" in refusal(own)
    grown = trained(tiny(schedule="grow"), tmp_path)
    assert "a growing run cannot be extended" in refusal(grown)
    other = extended(copied(parent, tmp_path / "new"), optimizer__momentum=0.0, optimizer__nesterov=False)
    with pytest.raises(BadInput, match="its state does not fit these settings"):
        train_run(other, tmp_path / "new")


def test_it_goes_on_when_its_parent_is_gone(tmp_path: Path, parent: Path) -> None:
    from resumed_runs import StopAfter

    from seekcli.errors import Stopped

    whole, own = copied(parent, tmp_path / "whole"), copied(parent, tmp_path / "own")
    expected = content(trained(extended(whole), whole.parents[1]))
    progress = StopAfter(4)
    with pytest.raises(Stopped):
        train_run(extended(own), own.parents[1], progress, stop_requested=progress.reason)
    shutil.rmtree(own)
    assert content(trained(extended(own), own.parents[1])) == expected
    by_digits = [("test", {"extend.source": own.name[-10:], "train.epochs": 2})]
    assert run_id(resolve(by_digits, own.parents[1]).config) == run_id(extended(own).config)
    other = [("test", {"extend.source": "resnet8_of_somebody", "train.epochs": 2})]
    with pytest.raises(BadInput, match="--extend resnet8_of_somebody"):
        resolve(other, own.parents[1])
    with pytest.raises(BadInput, match="--extend"):
        extended(own, 3)


def test_every_tiny_setting_is_that_of_the_parent(parent: Path) -> None:
    config = extended(parent).config
    assert config.train.epochs == 2
    assert config.motivation.k == TINY["motivation.k"]
    assert config.data.name == TINY["data.name"]
    assert config.optimizer.lr == TINY["optimizer.lr"]
