"""`matched-count` takes its counts from finished runs: their mean, literally in the config and the run id."""

from __future__ import annotations

import json
import shutil

import pytest
from tiny import tiny

from seekcli.config.identity import run_id
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, Stopped
from seekcli.resolve.matched_counts import mean_counts, motivated_batches
from seekcli.resolve.resolve import resolve
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.progress import Progress

EPOCHS = 2


def loss_run(**changes):
    return tiny(**{"train__epochs": EPOCHS, **changes})


def matched(counts_from, results=None, **changes):
    changes = {"train__epochs": EPOCHS, **changes}
    settings = tiny(**changes).config.model_dump()
    settings["motivation"] |= {"condition": "matched-count", "counts_from": str(counts_from)}
    return resolve([("test", settings)], *([results] if results else []))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """`loss` runs of two seeds at k=1; another k, other epochs, another condition, a baseline and an unfinished run."""
    folder = tmp_path_factory.mktemp("results") / "r"
    for resolved in (
        loss_run(),
        loss_run(seed=1),
        loss_run(motivation__k=2),
        loss_run(train__epochs=1),
        loss_run(motivation__condition="always"),
        loss_run(schedule="base"),
    ):
        train_run(resolved, folder)
    with pytest.raises(Stopped):
        train_run(loss_run(motivation__k=3), folder, Progress(), stop_requested=lambda: "test")
    return folder


def counts_of(results, *runs):
    return [motivated_batches(RunFolder.of(results, run.config)) for run in runs]


def test_means_are_rounded_half_up():
    assert mean_counts([[1, 0, 2], [2, 0, 2]]) == [2, 0, 2]
    assert mean_counts([[1, 3], [1, 4], [2, 4]]) == [1, 4]
    assert mean_counts([[0], [0], [0], [1]]) == [0]
    assert mean_counts([[0], [1], [0], [1]]) == [1]


def test_a_results_folder_gives_the_group_of_this_runs_k_and_settings(results):
    resolved = matched(results)
    group = counts_of(results, loss_run(), loss_run(seed=1))
    assert resolved.config.motivation.counts == mean_counts(group)
    assert resolved.origins["motivation.counts"] == "mean of 2 loss runs"
    # The seed of the run that matches plays no part, its k chooses the group.
    assert matched(results, seed=5).config.motivation.counts == mean_counts(group)
    other = matched(results, motivation__k=2).config.motivation.counts
    assert other == mean_counts(counts_of(results, loss_run(motivation__k=2)))


def test_motivated_batches_are_those_of_the_step_records(results):
    folder = RunFolder.of(results, loss_run().config).path
    steps = records.read_steps(folder / records.STEPS)
    pairs = list(zip(steps["epoch"], steps["role"], strict=True))
    assert motivated_batches(RunFolder(folder)) == [pairs.count((epoch, "motivated")) for epoch in (1, 2)]


def test_run_folders_and_run_ids_are_taken_as_they_are(results):
    first, second = loss_run(), loss_run(seed=1)
    by_path = matched(RunFolder.of(results, first.config).path)
    assert by_path.config.motivation.counts == counts_of(results, first)[0]
    by_id = matched(f"{run_id(first.config)}, {run_id(second.config)}", results)
    assert by_id.config.motivation.counts == mean_counts(counts_of(results, first, second))


def test_the_run_id_holds_the_counts_and_not_where_they_came_from(results, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    here, there = matched(results), matched(copy)
    assert run_id(here.config) == run_id(there.config)
    literal = tiny(
        train__epochs=EPOCHS, motivation__condition="matched-count", motivation__counts=here.config.motivation.counts
    )
    assert run_id(literal.config) == run_id(here.config)
    assert run_id(matched(RunFolder.of(results, loss_run().config).path).config) != run_id(here.config)


def test_it_trains_those_counts_even_when_the_runs_are_gone(results, tmp_path):
    resolved = matched(results)
    train_run(resolved, tmp_path)
    assert motivated_batches(RunFolder.of(tmp_path, resolved.config)) == resolved.config.motivation.counts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"motivation__k": 3}, ["stopped after 0 of 2 epochs"]),
        ({"motivation__k": 4}, ["no `loss` run", "k=4", "motivation.k 1, not 4"]),
        ({"train__epochs": 3}, ["no `loss` run", "train.epochs", "not 3"]),
        ({"train__batch_size": 6}, ["no `loss` run", "train.batch_size 4, not 6"]),
    ],
)
def test_a_results_folder_without_the_group_is_bad_input(results, changes, words):
    with pytest.raises(BadInput) as caught:
        matched(results, **changes)
    assert all(word in str(caught.value) for word in ["motivation.counts_from", *words]), str(caught.value)


@pytest.mark.parametrize(
    ("run", "changes", "words"),
    [
        ({"motivation__k": 3}, {}, ["stopped after 0 of 2 epochs"]),
        ({"train__epochs": 1}, {}, ["has 1 epochs", "this run has 2"]),
        ({}, {"train__batch_size": 6}, ["has 6 steps an epoch", "this run has 4"]),
        ({"motivation__condition": "always"}, {}, ["alternating under always", "`loss`"]),
        ({"schedule": "base"}, {}, ["is base", "`loss`"]),
    ],
)
def test_a_named_run_that_will_not_do_is_bad_input(results, run, changes, words):
    folder = RunFolder.of(results, loss_run(**run).config).path
    with pytest.raises(BadInput) as caught:
        matched(folder, **changes)
    assert all(word in str(caught.value) for word in ["motivation.counts_from", *words]), str(caught.value)


def test_a_damaged_or_missing_run_is_named(results, tmp_path):
    with pytest.raises(BadInput, match=r"motivation.counts_from nowhere: no such folder"):
        matched("nowhere", results)
    with pytest.raises(BadInput, match="names no run"):
        matched(" , ", results)
    copy = tmp_path / "copy"
    shutil.copytree(RunFolder.of(results, loss_run().config).path, copy)
    (copy / records.CONFIG).write_text("{")
    with pytest.raises(BadInput, match=r"copy cannot be read"):
        matched(copy)
    shutil.copytree(results, tmp_path / "r")
    status = RunFolder.of(tmp_path / "r", loss_run(seed=1).config).path / records.STATUS
    status.write_text(json.dumps({"state": "finished"}))
    with pytest.raises(BadInput, match=r"_s1_\w+ cannot be read"):
        matched(tmp_path / "r")


def test_counts_and_where_they_come_from_are_not_both_given(results):
    with pytest.raises(BadInput, match=r"motivation.counts_from and motivation.counts"):
        matched(results, motivation__counts=[1, 1])
