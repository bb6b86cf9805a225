"""What makes a run comparable: its settings by the rule of the run id, and its last row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.left_out import FOLD, LeftOut
from seekcli.analysis.runs import load_runs, settings_from_config
from seekcli.config.identity import run_key
from seekcli.config.layers import DEFAULTS, merge
from seekcli.config.settings import flatten
from seekcli.runs.records import STATUS, read_status, write_status
from seekcli.runs.scan import scan_runs

if TYPE_CHECKING:
    from run_folders import Results


@pytest.mark.parametrize("schedule", ["alternating", "base"])
def test_settings_are_what_the_run_id_hashes(schedule: str) -> None:
    """Else a setting could change the numbers and still be pooled over."""
    config = merge([("test", {"schedule": schedule, "seed": 4, "runtime.device": "cuda:1"})]).config
    settings = settings_from_config(dict(flatten(config.model_dump(mode="json"))))
    hashed = {key: value for key, value in run_key(config).items() if key not in ("seed", "schema_version", "model")}
    pair_and_schedule = {"pair.base": "resnet20", "pair.motivated": "resnet32", "schedule": "alternating"}
    known = {**settings.common, **settings.arm, **(pair_and_schedule if schedule == "alternating" else {})}
    assert known == hashed


def test_seed_and_index_of_a_device_do_not_split() -> None:
    one = settings_from_config(DEFAULTS | {"seed": 1, "runtime.device": "cuda:0"})
    two = settings_from_config(DEFAULTS | {"seed": 2, "runtime.device": "cuda:1"})
    assert one.common_key == two.common_key


def test_a_classic_run_has_no_arm_and_forgets_its_pair() -> None:
    classic = settings_from_config(DEFAULTS | {"schedule": "base", "motivation.k": 5})
    alternating = settings_from_config(DEFAULTS | {"schedule": "alternating"})
    assert classic.arm == {}
    assert classic.common_key == alternating.common_key
    assert classic.own_pair_name == "resnet20-to-32"


def test_flat_and_wrapped_configs_are_read_alike(results: Results) -> None:
    folder = results.add()
    path = folder / "config.json"
    tree = json.loads(path.read_text(encoding="utf-8"))["config"]
    variants = [tree, dict(flatten(tree)), {"config": tree, "origins": {}}]
    keys = set()
    for variant in variants:
        path.write_text(json.dumps(variant), encoding="utf-8")
        (run,), _ = load_runs(scan_runs([folder]))
        keys.add((run.settings.common_key, run.settings.arm_key))
    assert len(keys) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"seed": 1}'])
def test_a_damaged_config_leaves_its_run_out(results: Results, content: str) -> None:
    folder = results.add()
    (folder / "config.json").write_text(content, encoding="utf-8")
    runs, (entry,) = load_runs(scan_runs([folder]))
    assert runs == []
    assert isinstance(entry, LeftOut)
    assert entry.state == "damaged"
    assert "config.json" in entry.reason


def test_a_finished_run_without_accuracy_is_left_out(results: Results) -> None:
    folder = results.add(accuracy=(98.0, None))  # type: ignore[arg-type]
    runs, (entry,) = load_runs(scan_runs([folder]))
    assert runs == []
    assert entry.state == "unmeasured"
    assert "without a final test accuracy" in entry.reason


def test_share_is_of_all_steps(results: Results) -> None:
    (run,), _ = load_runs(scan_runs([results.add(motivated_steps=100)]))
    assert run.share == 0.25
    assert run.models == {"base": "resnet20", "motivated": "resnet32"}


def test_a_run_over_a_fold_is_no_result_whatever_it_says(results: Results) -> None:
    folder = results.add(data__folds=5, data__fold=2)
    status = read_status(folder)
    write_status(folder, status.model_copy(update={"folds": 5, "fold": 2}))
    results.add(seed=1)
    runs, (entry,) = load_runs(scan_runs([results.folder]))
    assert [run.seed for run in runs] == [1]
    assert (entry.state, entry.run_id) == (FOLD, status.run_id)
    comparison = results.compare()
    assert (comparison.runs_found, comparison.left_out) == (1, ())
    assert "1 run over a fold" in comparison.notes[0]
    (folder / STATUS).unlink()  # it has begun, and done no epoch yet
    assert results.compare().left_out == ()


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("status.json", ("final", 0, "test_accuracy_percent"), float("nan")),
        ("status.json", ("final", 0, "test_accuracy_percent"), "ninety"),
        ("status.json", ("final", 0, "model"), None),
        ("status.json", ("final", 0, "forward_macs_per_image"), None),
        ("status.json", ("final", 1, "role"), 3),
        ("status.json", ("totals",), {}),
        ("status.json", ("totals", "train_flops"), float("inf")),
        ("config.json", ("config", "seed"), "abc"),
        ("config.json", ("config", "motivation", "k"), [1]),
        ("config.json", ("config", "train"), "x"),
        ("config.json", ("config", "data", "name"), 3),
        ("config.json", ("schema_version",), 99),
    ],
)
def test_a_wrong_value_leaves_its_run_out_by_name(results: Results, name: str, place: tuple, value: object) -> None:
    folder = results.add()
    document = node = json.loads((folder / name).read_text(encoding="utf-8"))
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    document.pop("sha256", None)  # as an earlier version wrote it
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    runs, (entry,) = load_runs(scan_runs([folder]))
    assert runs == []
    assert entry.state == ("newer" if value == 99 else "damaged")
    assert name in entry.reason
    assert str(place[-1]) in entry.reason or "was written by a newer seek" in entry.reason
    assert "\n" not in entry.reason


def test_a_loss_that_is_no_number_is_no_damage(results: Results) -> None:
    """A model that diverged has a test loss like any other: it is a result, and its accuracy counts."""
    folder = results.add()
    document = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    document["final"][1]["test_loss"] = float("inf")
    del document["sha256"]
    (folder / STATUS).write_text(json.dumps(document), encoding="utf-8")
    (run,), _ = load_runs(scan_runs([folder]))
    assert run.value("motivated") == 98.0
