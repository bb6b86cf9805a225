"""The search for k: which runs it needs, that none of them sees a test image, and what its choice is known by."""

from __future__ import annotations

import json
import shutil

import pytest
from tiny import TINY

from seekcli.cli.grid_workers import choice_text
from seekcli.config.identity import run_id
from seekcli.data.sets import synthetic
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, Stopped
from seekcli.grid.plan import GridPlan
from seekcli.grid.schema import read_grid
from seekcli.grid.standing import Watch
from seekcli.grid.tune import K_KEY, TUNED, UNDECIDED, choice_path, draft, parse_ks, plan_tuning, search, stored_choice
from seekcli.runs import records
from seekcli.runs.scan import scan_runs
from seekcli.train.progress import Progress

SETTINGS = TINY | {"data.name": "synthetic:1x8x8:3:60", "train.epochs": 2, "train.batch_size": 8, K_KEY: "auto"}
SETTINGS |= {"tune.k": "1,2", "tune.folds": 2}


def layers(**changes):
    return [("test", SETTINGS | {key.replace("__", "."): value for key, value in changes.items()})]


def tune(results, trained=None, **changes):
    tuning = plan_tuning(layers(**changes), results)
    trained = trained or (lambda one: train_run(one, results))
    return tuning, *search(tuning, results, {run_id(one.config): trained(one) for _, _, one in tuning.runs()})


def content(results):
    """All that is recorded in a results folder but what is measured."""
    found = {}
    for run in scan_runs([results]):
        rows = records.read_epochs(run.path / records.EPOCHS)
        kept = [{k: v for k, v in row.items() if k not in records.MEASURED_COLUMNS} for row in rows]
        models = [path.read_bytes() for path in sorted(run.path.glob("*.safetensors"))]
        found[run.run_id] = (kept, records.read_classes(run.path / records.CLASSES), models)
    return found


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    results = tmp_path_factory.mktemp("tuned") / "results"
    return results, *tune(results)


def test_a_search_is_ordinary_runs_over_every_fold_and_k(tuned):
    results, tuning, found, note = tuned
    assert note is None
    runs = scan_runs([results])
    assert {run.run_id for run in runs} == {run_id(one.config) for _, _, one in tuning.runs()}
    assert [(run.status.state, run.status.folds) for run in runs] == [("finished", 2)] * 4
    assert sorted({run.status.fold for run in runs}) == [0, 1]
    assert all("fold0-of-2" in run.run_id or "fold1-of-2" in run.run_id for run in runs)
    for run in runs:
        rows = records.read_epochs(run.path / records.EPOCHS)
        assert all(row[name] is None for row in rows for name in records.EPOCH_SCHEMA.names if name.startswith("test_"))
        assert all(row["validation_accuracy_percent"] is not None for row in rows)
        assert {row["split"] for row in records.read_classes(run.path / records.CLASSES)} == {"validation"}
    images = [
        row["images"]
        for run in runs
        for row in records.read_classes(run.path / records.CLASSES)
        if row["role"] == "base" and row["class_index"] == 0
    ]
    assert sum(images) == 2 * 16  # the 16 training images of the class, once for each k
    assert [result.k for result in found.results] == [1, 2]
    assert found.k in (1, 2)
    best = max(found.results, key=lambda result: (result.accuracy.mean, -result.k))
    assert found.k == best.k


def test_a_second_search_trains_nothing_and_writes_nothing(tuned):
    results, _, found, _ = tuned
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    _, again, note = tune(results, lambda one: train_run(one, results, progress=Refusing()))
    assert (again, note) == (found, None)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


class Refusing(Progress):
    def started(self, facts):
        raise AssertionError(f"{facts.run_id} is trained again")


@pytest.mark.slow
def test_an_interrupted_search_goes_on_where_it_was(tuned, tmp_path):
    results, _, found, _ = tuned
    steps = 0

    def every_fifth_step():
        nonlocal steps
        steps += 1
        return "test" if steps % 5 == 0 else None

    for _ in range(20):
        try:
            _, again, _ = tune(tmp_path, lambda one: train_run(one, tmp_path, stop_requested=every_fifth_step))
            break
        except Stopped:
            assert not (tmp_path / "tuning").exists()
    assert again == found
    assert steps > 20
    assert content(tmp_path) == content(results)


def test_no_run_of_a_search_sees_a_test_image(tuned, tmp_path, monkeypatch):
    """Other test images and labels that no model has an output for: every record and model file stays the same."""
    results, _, found, _ = tuned
    generate = synthetic.generate

    def poisoned(asked):
        arrays = generate(asked)
        arrays.test_images.random_(0, 255)
        arrays.test_labels.fill_(10**6)
        return arrays

    monkeypatch.setattr(synthetic, "generate", poisoned)
    _, again, _ = tune(tmp_path)
    assert again == found
    assert content(tmp_path) == content(results)
    with pytest.raises((IndexError, RuntimeError)):  # the poison works
        train_run(draft(layers(**{K_KEY.replace(".", "__"): 1}), tmp_path).resolved, tmp_path)


def test_the_choice_serves_every_seed_device_and_evaluation_and_no_other_settings(tuned):
    results, tuning, found, _ = tuned
    one = draft(layers(), results)
    assert one.tuning is None
    assert one.resolved.config.motivation.k == found.k
    assert one.resolved.origins[K_KEY] == TUNED
    assert run_id(one.resolved.config) == run_id(draft(layers(motivation__k=found.k), results).resolved.config)
    for same in (
        {"seed": 7},
        {"train__eval_every": 2},
        {"runtime__threads": 1},
        {"tune__epochs": 1},
        {"tune__seed": 3},
    ):
        assert draft(layers(**same), results).tuning is None, same
    for other in (
        {"pair__motivated": "resnet20"},
        {"optimizer__lr": 0.1},
        {"data__limit_train": 30},
        {"motivation__condition": "gradient-norm"},
        {"pair__init": "paper"},
        {"train__epochs": 3},
    ):
        undecided = draft(layers(**other), results)
        assert undecided.tuning is not None, other
        assert undecided.resolved.origins[K_KEY] == UNDECIDED
        assert undecided.tuning.name != tuning.name


def test_the_stored_choice_says_how_it_was_made(tuned):
    results, tuning, found, _ = tuned
    stored = json.loads(choice_path(results, tuning.name).read_text())
    assert (stored["k"], stored["ks"], stored["folds"], stored["epochs"], stored["seed"]) == (found.k, [1, 2], 2, 2, 0)
    assert stored["settings"]["pair.base"] == "resnet8"
    assert "seed" not in stored["settings"]
    assert {len(names) for names in stored["run_ids"].values()} == {2}


def test_a_shorter_search_is_for_the_same_run(tmp_path):
    long, short = (
        plan_tuning(layers(train__epochs=200, recipe="cifar-resnet"), tmp_path),
        plan_tuning(layers(train__epochs=200, recipe="cifar-resnet", tune__epochs=3, tune__seed=5), tmp_path),
    )
    assert long.name == short.name
    assert (long.first.config.train.epochs, short.first.config.train.epochs) == (200, 3)
    assert {one.config.seed for _, _, one in short.runs()} == {5}


def test_a_new_search_replaces_the_choice_and_says_so(tuned, tmp_path):
    _, tuning, found, _ = tuned
    choice = stored_choice(tuned[0], tuning.name)
    from seekcli import files

    path = choice_path(tmp_path, tuning.name)
    files.write_json(path, choice.model_dump() | {"k": 9})
    from seekcli.grid.tune import keep

    assert "replaces the earlier choice of k = 9" in keep(tmp_path, tuning, found)
    assert stored_choice(tmp_path, tuning.name) == choice
    path.write_text("{")
    assert "moved to" in keep(tmp_path, tuning, found)
    assert path.with_name(path.name + ".damaged-1").read_text() == "{"
    assert stored_choice(tmp_path, tuning.name) == choice


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": "three"}, r"\.json is damaged \(k: "),
        ({"k": 0}, r"\.json is damaged \(k: "),
        ({"schema_version": 99}, "written by a newer seek"),
        ({"name": "another-search"}, r"\.json is the choice of another search, another-search; `seek tune` makes it"),
    ],
)
def test_a_stored_choice_that_cannot_be_read_is_named(tuned, tmp_path, change, words):
    from seekcli import files

    results, tuning, _, _ = tuned
    files.write_json(choice_path(tmp_path, tuning.name), stored_choice(results, tuning.name).model_dump() | change)
    with pytest.raises(BadInput, match=words):
        draft(layers(), tmp_path)


def test_without_all_of_its_runs_there_is_no_choice(tmp_path):
    tuning = plan_tuning(layers(), tmp_path)
    with pytest.raises(RunFailed, match="4 of 4 runs over folds are not finished: no k is chosen"):
        search(tuning, tmp_path, {})
    assert not (tmp_path / "tuning").exists()


def test_where_no_k_is_read_auto_changes_nothing(tmp_path):
    for changes in ({"schedule": "base"}, {"motivation__condition": "never"}):
        plain = draft(layers(**changes, motivation__k=2), tmp_path).resolved
        auto = draft(layers(**changes), tmp_path)
        assert auto.tuning is None
        assert run_id(auto.resolved.config) == run_id(plain.config)


def test_the_last_word_on_k_counts(tmp_path):
    assert draft([*layers(), ("--k", {K_KEY: 3})], tmp_path).resolved.config.motivation.k == 3
    assert draft([*layers(motivation__k=3), ("--k", {K_KEY: "auto"})], tmp_path).tuning is not None


def test_a_list_of_ks():
    assert parse_ks("5, 2,3,2") == (2, 3, 5)


@pytest.mark.parametrize("text", ["", "2,", "0,1", "two", "2-5", "2.5", "-1", "auto"])
def test_a_list_of_ks_that_is_none(text):
    with pytest.raises(BadInput, match=r"--k .*such as 2,3,4,5"):
        parse_ks(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"motivation__condition": "always"}, "always has no k to choose"),
        ({"data__folds": 3, "data__fold": 0}, "data.folds"),
        ({"tune__folds": 1}, "tune.folds"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(tmp_path, changes, words):
    with pytest.raises(BadInput, match=words):
        plan_tuning(layers(**changes), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_more_folds_than_images_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadInput, match=r"--folds 17 .*training images, 16"):
        tune(tmp_path / "results", tune__folds=17)
    assert not (tmp_path / "results").exists()


def test_a_watch_notices_a_choice_after_the_last_fold_is_finished(tuned, tmp_path):
    """A worker writes its choice later: when all folds are finished there may be none yet."""
    results, name = shutil.copytree(tuned[0], tmp_path / "results"), tuned[1].name
    choice = choice_path(results, name).rename(tmp_path / "choice")
    text = "\n".join(["[settings]", *(f"{key} = {json.dumps(value)}" for key, value in SETTINGS.items())])
    watch = Watch(GridPlan(read_grid(tmp_path / "g.toml", text=text), [], results))
    assert [one.state for one in watch.standings.values()] == ["finished"] * 4 + ["waits"]
    watch.look()
    assert watch.chosen == []
    choice.rename(choice_path(results, name))
    watch.look()
    assert [choice.name for _, choice in watch.chosen] == [name]
    assert [one.state for one in watch.standings.values()] == ["finished"] * 4 + ["new"]  # the folds stay in the list
    watch.look()
    ((tuning, choice),) = watch.chosen
    said = choice_text(tuning, choice, results).splitlines()
    assert [line.split()[0] for line in said[:3]] == ["k", *map(str, tuning.ks)]
    assert f"k = {choice.k} is chosen: " in "\n".join(said)
    assert said[-1] == f"chosen: {choice.describe()}; {name}"
    shutil.rmtree(results / "runs")
    assert choice_text(tuning, choice, results) == said[-1]
