"""`--where`: what is kept, and what a wrong condition is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.selection import SETTINGS, WHERE_SHORT_NAMES, parse_where
from seekcli.errors import BadInput

if TYPE_CHECKING:
    from run_folders import Results

    from seekcli.analysis.comparison import Comparison


@pytest.fixture
def several(results: Results) -> Results:
    for seed in (0, 1):
        results.add("base", seed=seed)
        results.add("motivated", seed=seed)
        for k in (2, 3):
            results.add(seed=seed, motivation__k=k)
    results.add("base", train__epochs=5, columns={"train_flops": 1e11})
    results.add(pair__base="resnet32", pair__motivated="resnet44")
    return results


def test_short_and_full_names_mean_the_same() -> None:
    assert parse_where(["k=2", "motivation.k=3"]) == {"motivation.k": ("2", "3")}


@pytest.mark.parametrize(
    ("short", "key"),
    [
        ("lr", "optimizer.lr"),
        ("schedule", "schedule"),
        ("at", "motivation.grow_at"),
        ("batch-size", "train.batch_size"),
        ("model", "pair"),
        ("init", "pair.init"),
        ("limit_train", "data.limit_train"),
        ("optimizer", "optimizer.name"),
        ("data", "data.name"),
        ("device_type", "runtime.device"),
    ],
)
def test_a_setting_may_be_named_by_its_last_word(short: str, key: str) -> None:
    assert parse_where([f"{short}=x"]) == {key: ("x",)}


def test_no_short_name_hides_another_setting() -> None:
    assert not WHERE_SHORT_NAMES.keys() & set(SETTINGS)
    assert set(WHERE_SHORT_NAMES.values()) <= {"pair", *SETTINGS}


def shown(comparison: Comparison) -> list[str]:
    return [name for cell in comparison.cells for name in (group.arm or group.name for group in cell.groups)]


def test_a_schedule_keeps_its_baselines_or_is_one(several: Results) -> None:
    several.add("grow", motivation__grow_at=0.8)
    several.add("grow", motivation__grow_at=0.6)
    assert shown(several.compare("schedule=grow", "at=0.8")) == ["X-C", *2 * ["grow at=0.8 identity"], "Y-C"]
    assert set(shown(several.compare("schedule=base"))) == {"X-C"}
    assert set(shown(several.compare("schedule=motivated"))) == {"Y-C"}
    assert "grow at=0.8 identity" not in shown(several.compare("schedule=alternating"))
    assert set(shown(several.compare("schedule=base", "model=resnet20-to-32"))) == {"X-C"}
    with pytest.raises(BadInput, match="schedule=growing: no run has it; here it is base, grow, motivated"):
        several.compare("schedule=growing")


def test_a_value_that_tells_nothing_apart_is_known_too(results: Results) -> None:
    """An old behaviour is in no grouping; where nothing reads a setting it has no value."""
    results.add(pair__buffers="carried")
    results.add(pair__buffers="own")
    assert results.compare("buffers=carried").runs_finished == 1
    assert results.compare("buffers=own", "added_scale=0").runs_finished == 1
    with pytest.raises(BadInput, match=r"grow_at=0\.8: no run has it; here it is None"):
        results.compare("at=0.8")


def test_an_arm_keeps_its_baselines_alone(several: Results) -> None:
    (cell,) = several.compare("k=3").cells
    assert [group.name for group in cell.groups] == ["X-C", "X-Y-B", "X-Y-M", "Y-C"]
    assert [arm.label for arm in cell.arms] == ["loss k=3 identity"]


def test_values_of_one_key_are_alternatives_and_keys_add_up(several: Results) -> None:
    (cell,) = several.compare("k=2", "k=3", "seed=1").cells
    assert [group.seeds for group in cell.groups] == [(1,)] * 6


def test_a_pair_is_a_condition_too(several: Results) -> None:
    cells = several.compare("pair=resnet32-to-44").cells
    assert [cell.pair for cell in cells] == ["resnet32-to-44"]
    assert [group.name for group in cells[0].groups] == ["X-C", "X-Y-B", "X-Y-M"]


def test_the_pair_of_classic_runs_without_partner(results: Results) -> None:
    results.add("base")
    results.add("motivated")
    (cell,) = results.compare("pair=resnet20-to-32").cells
    assert [group.name for group in cell.groups] == ["X-C", "Y-C"]


@pytest.mark.parametrize("condition", ["epochs=5", "train.epochs=5", "train.epochs=5.0"])
def test_any_setting_selects_classic_runs(several: Results, condition: str) -> None:
    (cell,) = several.compare(condition).cells
    assert [group.name for group in cell.groups] == ["X-C"]


def test_words_and_booleans(several: Results) -> None:
    assert several.compare("data=digits", "augment.flip=false", "data.limit_train=none").runs_finished == 10


def test_unfinished_runs_are_selected_like_the_others(several: Results) -> None:
    several.add(seed=5, state="failed", accuracy=None)
    assert [entry.seed for entry in several.compare("k=2").left_out] == [5]
    assert several.compare("k=3").left_out == ()


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (["optimizer.lrr=1"], "did you mean 'optimizer.lr'"),
        (["sead=1"], "did you mean 'seed'"),
        (["k"], "expected key=value"),
        (["k="], "expected key=value"),
        (["k=7"], "motivation.k=7: no run has it; here it is 2, 3"),
        (["seed=0", "epochs=77"], "train.epochs=77: no run has it; here it is 5, 20"),
        (["k=3", "epochs=5", "pair=resnet32-to-44"], "no run meets all of it"),
    ],
)
def test_wrong_conditions_are_bad_input(several: Results, conditions: list[str], message: str) -> None:
    with pytest.raises(BadInput) as error:
        several.compare(*conditions)
    assert message in str(error.value)
