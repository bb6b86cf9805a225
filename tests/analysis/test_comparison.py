"""From run folders to groups, differences, costs and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.comparison import Cell, Options, compare_runs
from seekcli.analysis.contrasts import Contrast
from seekcli.analysis.groups import Accuracy
from seekcli.analysis.verdicts import QuestionFamily, Unsaid
from seekcli.runs.scan import scan_runs

if TYPE_CHECKING:
    from run_folders import Results

BASE = [98.0, 98.4, 98.8]
MOTIVATED = [98.5, 98.8, 99.5]
PAIRS = [(98.6, 97.0), (98.7, 97.5), (99.4, 98.0)]


@pytest.fixture
def full(results: Results) -> Results:
    """One pair, three seeds of each group."""
    results.add_seeds("base", BASE)
    results.add_seeds("motivated", MOTIVATED)
    results.add_seeds("alternating", PAIRS)
    return results


def test_four_groups_of_one_pair(full: Results) -> None:
    (cell,) = full.compare().cells
    assert cell.pair == "resnet20-to-32"
    assert [(group.name, group.model, group.arm) for group in cell.groups] == [
        ("X-C", "resnet20", None),
        ("X-Y-B", "resnet20", "loss k=2 identity"),
        ("X-Y-M", "resnet32", "loss k=2 identity"),
        ("Y-C", "resnet32", None),
    ]
    assert [group.final.mean for group in cell.groups] == pytest.approx([98.4, 98.9, 97.5, 98.9333333])
    assert [group.seeds for group in cell.groups] == [(0, 1, 2)] * 4
    assert cell.x_c is not None
    assert cell.x_c.final.sd == pytest.approx(0.4)  # 98.0, 98.4, 98.8
    assert cell.notes == ()


def rows(cell: Cell) -> dict[tuple[str | None, str, str], Contrast]:
    """The comparisons of as-trained accuracies by arm and both sides."""
    as_trained = [one for one in cell.contrasts if one.accuracy is Accuracy.AS_TRAINED]
    return {(one.arm, one.difference.left, one.difference.right): one for one in as_trained}


def test_every_comparison_and_its_family(full: Results) -> None:
    (cell,) = full.compare().cells
    found, arm = rows(cell), "loss k=2 identity"
    assert {key: one.family for key, one in found.items()} == {
        (arm, "X-Y-B", "X-C"): QuestionFamily.PRIMARY,
        (arm, "X-Y-M", "Y-C"): QuestionFamily.SECOND,
        (arm, "X-Y-M", "X-Y-B"): QuestionFamily.SECOND,
        (arm, "X-Y-M", "X-C"): QuestionFamily.EXPLORATORY,
        (None, "Y-C", "X-C"): QuestionFamily.EXPLORATORY,
    }
    assert found[arm, "X-Y-B", "X-C"].difference.mean == pytest.approx((0.6 + 0.3 + 0.6) / 3)
    assert found[arm, "X-Y-M", "Y-C"].difference.mean == pytest.approx((-1.5 - 1.3 - 1.5) / 3)
    assert found[arm, "X-Y-M", "X-Y-B"].difference.mean == pytest.approx((-1.6 - 1.2 - 1.4) / 3)
    assert found[arm, "X-Y-B", "X-C"].difference.seeds == (0, 1, 2)


def test_one_report_is_corrected_as_one(full: Results) -> None:
    """Other arms, and cells of other settings, are other looks at the same question."""
    arm = ("loss k=2 identity", "X-Y-B", "X-C")
    (alone,) = full.compare().cells
    raw = rows(alone)[arm].difference.p_value
    assert raw is not None
    assert rows(alone)[arm].verdict.p_adjusted == raw
    full.add_seeds("alternating", [(98.1, 97.0), (98.7, 97.9), (98.4, 98.0)], pair__init="paper")
    full.add_seeds("base", [98.0, 98.4, 98.8], optimizer__lr=0.3)
    full.add_seeds("alternating", [(98.1, 97.0), (98.7, 97.9), (98.4, 98.0)], optimizer__lr=0.3)
    usual = next(cell for cell in full.compare().cells if cell.settings.common["optimizer.lr"] == 0.1)
    assert rows(usual)[arm].verdict.p_adjusted == pytest.approx(3 * raw)


def test_words_of_a_clear_effect_on_five_seeds(results: Results) -> None:
    base = [97.0, 97.3, 96.9, 97.8, 97.1]
    results.add_seeds("base", base)
    results.add_seeds("motivated", [97.4, 97.5, 97.0, 97.6, 97.2])
    noise = (0, 0.06, -0.06, 0.03, 0)
    results.add_seeds("alternating", [(x + 1.0 + d, x + 1.0 - d) for x, d in zip(base, noise, strict=True)])
    (cell,) = results.compare().cells
    arm = "loss k=2 identity"
    words = {key: (one.verdict.word, one.verdict.unsaid) for key, one in rows(cell).items()}
    assert words[arm, "X-Y-B", "X-C"] == ("higher", None)
    assert words[arm, "X-Y-M", "X-Y-B"] == ("equivalent", None)
    assert words[arm, "X-Y-M", "Y-C"] == ("higher", None)
    assert words[arm, "X-Y-M", "X-C"] == ("hint", None)
    assert words[None, "Y-C", "X-C"] == (None, Unsaid.EXPLORATORY)


def test_the_margin_is_never_below_one_test_image(results: Results) -> None:
    for seed in range(3):
        results.add("base", seed=seed, accuracy=98.0 + seed, test_images=250)
        results.add(seed=seed, accuracy=(98.1 + seed * 1.1, 97.0), test_images=250)
    (cell,) = results.compare().cells
    assert {one.verdict.margin for one in cell.contrasts} == {0.4}
    assert cell.test_images == 250
    wide = compare_runs(scan_runs([results.folder]), options=Options(margin=0.7)).cells[0]
    assert {one.verdict.margin for one in wide.contrasts} == {0.7}


def test_the_sampling_error_of_an_accuracy_is_binomial(results: Results) -> None:
    results.add("base", accuracy=90.0, test_images=900)
    (cell,) = results.compare().cells
    assert cell.x_c is not None
    assert cell.x_c.sampling_error_points == pytest.approx(1.0)  # sqrt(0.9 * 0.1 / 900)


def test_like_is_compared_with_like(results: Results) -> None:
    """The exported base of an alternating run has re-estimated statistics; a classic run was recorded as trained."""
    for seed in range(3):
        own = {"test_accuracy_as_trained_percent": {"base": 97.0 + seed, "motivated": 90.0}}
        own["test_accuracy_recalibrated_percent"] = {"base": 98.0 + seed, "motivated": 97.5}
        results.add(seed=seed, accuracy=(98.0 + seed, 97.5), columns=own)
        again = {"test_accuracy_recalibrated_percent": 97.1 + seed * 1.1}
        results.add("base", seed=seed, accuracy=96.5 + seed * 1.2, columns=again if seed < 2 else None)
    (cell,) = results.compare().cells
    arm = "loss k=2 identity"
    assert cell.arms[0].base.value_by_seed == {0: 97.0, 1: 98.0, 2: 99.0}
    primary = rows(cell)[arm, "X-Y-B", "X-C"].difference
    assert primary.values == pytest.approx((0.5, 0.3, 0.1))
    again, own_base = (
        next(one for one in cell.contrasts if one.accuracy is Accuracy.RECALIBRATED and one.difference.left == left)
        for left in ("X-Y-B", "X-Y-M")
    )
    assert again.family is QuestionFamily.EXPLORATORY
    assert (again.difference.left, again.difference.right, again.difference.seeds) == ("X-Y-B", "X-C", (0, 1))
    assert again.difference.values == pytest.approx((0.9, 0.8))
    # The larger model rests: it is compared with its base as both are written, and with X-C, of which one seed was
    # not re-estimated, as trained on both sides.
    assert own_base.family is QuestionFamily.SECOND
    assert own_base.difference.right == "X-Y-B"
    assert own_base.difference.values == pytest.approx((-0.5, -1.5, -2.5))
    assert rows(cell)[arm, "X-Y-M", "X-C"].accuracy is Accuracy.AS_TRAINED
    assert cell.x_c is not None
    assert cell.x_c.recalibrated is not None
    assert cell.x_c.recalibrated.mean == pytest.approx((97.1 + 98.2) / 2)


def test_share_cost_and_ratio(results: Results) -> None:
    results.add("base", accuracy=98.0)
    results.add("motivated", accuracy=99.0)
    results.add(seed=0, accuracy=(98.5, 97.0), motivated_steps=60, epoch_seconds=30.0)
    results.add(seed=1, accuracy=(98.5, 97.0), motivated_steps=100, epoch_seconds=50.0)
    (cell,) = results.compare().cells
    (arm,) = cell.arms
    assert arm.share.observed.mean == pytest.approx((60 + 100) / 800)
    assert arm.share.expected == 0.16
    assert arm.efficiency.f_xy == pytest.approx(2.4e6)  # 2 MMACs, and 0.2 of the 2 more
    assert arm.efficiency.acc_per_flops_x_y_b == pytest.approx(0.5 / 0.4)
    assert arm.efficiency.acc_per_flops_y_c == pytest.approx(1.0 / 2.0)
    assert arm.efficiency.acc_f_ratio == pytest.approx(2.5)
    assert arm.base.cost.epoch_seconds.mean == 40.0
    assert arm.base.cost.train_flops.mean == 4e11
    assert arm.base.cost.evaluation_flops.mean == 2e10  # one evaluation for each role


def test_one_baseline_serves_both_of_its_pairs(results: Results) -> None:
    """ResNet-32 is Y-C of 20-to-32 and X-C of 32-to-44, whatever pair it was trained under."""
    results.add("motivated", accuracy=98.5)
    results.add(accuracy=(98.0, 98.1))
    results.add(accuracy=(98.6, 98.7), pair__base="resnet32", pair__motivated="resnet44")
    small, large = results.compare().cells
    assert (small.pair, large.pair) == ("resnet20-to-32", "resnet32-to-44")
    assert small.y_c is not None
    assert large.x_c is not None
    assert small.y_c.run_ids == large.x_c.run_ids
    assert (small.y_c.name, large.x_c.name) == ("Y-C", "X-C")
    assert small.x_c is None
    assert large.y_c is None


def test_every_way_of_motivation_is_an_arm_against_the_same_baseline(full: Results) -> None:
    full.add_seeds("alternating", PAIRS, pair__init="paper")
    full.add_seeds("alternating", PAIRS, motivation__k=3)
    (cell,) = full.compare().cells
    assert [arm.label for arm in cell.arms] == ["loss k=2 identity", "loss k=2 paper", "loss k=3 identity"]


def test_settings_that_differ_are_never_averaged(full: Results) -> None:
    """The records do not hold the learning rate; the configs do. Not even with disjoint seeds."""
    for seed in (3, 4):
        full.add("base", seed=seed, accuracy=50.0, optimizer__lr=0.3)
    usual, other = full.compare().cells
    assert usual.x_c is not None
    assert usual.x_c.seeds == (0, 1, 2)
    assert other.x_c is not None
    assert other.x_c.seeds == (3, 4)
    assert usual.marks == {"optimizer.lr": 0.1}
    assert other.marks == {"optimizer.lr": 0.3}


@pytest.mark.parametrize(
    "settings",
    [{"runtime__layout": "contiguous"}, {"train__epochs": 9}, {"data__limit_train": 100}, {"augment__flip": True}],
)
def test_baselines_under_other_settings_are_not_joined(results: Results, settings: dict[str, object]) -> None:
    results.add("base", accuracy=98.0, **settings)
    results.add(accuracy=(98.5, 97.0))
    cell = results.compare().cells[0]
    (key,) = settings
    assert cell.arms
    assert cell.x_c is None
    assert any(key.replace("__", ".") in note and note.startswith("no base alone (X-C)") for note in cell.notes)


def test_what_cannot_change_the_numbers_does_not_split(results: Results) -> None:
    results.add("base", accuracy=98.0, seed=0, runtime__threads=1, runtime__device="cuda:0")
    results.add("base", accuracy=98.4, seed=1, runtime__threads=8, runtime__device="cuda:1")
    (cell,) = results.compare().cells
    assert cell.x_c is not None
    assert cell.x_c.final.n == 2


def test_a_folder_is_known_by_its_fingerprint(results: Results) -> None:
    print_of = {"data__fingerprint": "a" * 64}
    results.add("base", accuracy=98.0, seed=0, data__name="folder:flowers", data__dir="/here/flowers", **print_of)
    results.add("base", accuracy=98.4, seed=1, data__name="folder:copy", data__dir="/there/copy", **print_of)
    results.add("base", accuracy=10.0, seed=2, data__name="folder:flowers", data__fingerprint="b" * 64)
    cells = results.compare().cells
    assert sorted(cell.x_c.final.n for cell in cells if cell.x_c) == [1, 2]


def test_without_config_the_same_seed_twice_is_not_averaged(results: Results) -> None:
    results.add("base", seed=0, accuracy=90.0, with_config=False)
    first = results.add("base", seed=1, accuracy=98.0, with_config=False)
    second = results.add("base", seed=1, accuracy=10.0, with_config=False, optimizer__lr=5.0)
    (cell,) = results.compare().cells
    assert cell.x_c is None or cell.x_c.seeds == (0,)
    conflict = next(note for note in cell.notes if "seed 1" in note)
    assert first.name in conflict
    assert second.name in conflict
    assert any("config.json is missing" in note for note in cell.notes)


def test_groups_of_conflicts_alone_vanish_into_a_note(results: Results) -> None:
    results.add(accuracy=(90.0, 91.0), with_config=False)
    results.add(accuracy=(50.0, 51.0), with_config=False, optimizer__lr=5.0)
    (cell,) = results.compare().cells
    assert cell.arms == ()
    assert any("trained 2 times" in note for note in cell.notes)


def test_published_tables_are_compared(results: Results) -> None:
    folders = [results.add("base", accuracy=98.0), results.add(accuracy=(98.5, 97.0))]
    path = results.publish("digits", folders)
    (cell,) = compare_runs(scan_runs([path])).cells
    assert [group.final.mean for group in cell.groups] == [98.0, 98.5, 97.0]
    assert cell.arms[0].share.expected is None


def test_one_seed_has_no_noise(results: Results) -> None:
    results.add("base", accuracy=98.0)
    results.add(accuracy=(98.5, 97.0))
    (cell,) = results.compare().cells
    assert cell.x_c is not None
    assert cell.x_c.final.sd is None
    assert {one.difference.p_value for one in cell.contrasts} == {None}
    assert {one.verdict.unsaid for one in cell.contrasts} == {Unsaid.FEW_SEEDS}


def test_unequal_seeds_are_said(full: Results) -> None:
    full.add("base", seed=3, accuracy=97.0)
    (cell,) = full.compare().cells
    assert any("different seeds" in note for note in cell.notes)
    found = {one.difference.left: one.difference for one in cell.contrasts if one.difference.right == "X-C"}
    assert found["X-Y-B"].seeds == (0, 1, 2)
    # The seed that only X-C has moves its mean, and neither a gain nor a difference.
    assert cell.arms[0].efficiency.gain_x_y_b == pytest.approx(found["X-Y-B"].mean)
    assert cell.arms[0].efficiency.gain_y_c == pytest.approx(found["Y-C"].mean)
    assert cell.x_c is not None
    assert cell.arms[0].base.final.mean - cell.x_c.final.mean != pytest.approx(found["X-Y-B"].mean)


def test_groups_without_a_common_seed_say_what_their_gain_is(results: Results) -> None:
    results.add("base", seed=0, accuracy=98.0)
    results.add(seed=1, accuracy=(98.5, 97.0))
    (cell,) = results.compare().cells
    assert cell.arms[0].efficiency.gain_x_y_b == pytest.approx(0.5)
    assert any("base, alternating and base alone share no seed" in note for note in cell.notes)


def test_a_ratio_over_noise_has_no_meaning(results: Results) -> None:
    results.add_seeds("base", [98.0, 98.4, 98.8])
    results.add_seeds("motivated", [98.9, 98.3, 98.8])
    results.add_seeds("alternating", PAIRS)
    (cell,) = results.compare().cells
    assert cell.arms[0].efficiency.acc_f_ratio is None
    assert (
        cell.arms[0].efficiency.ratio_remark
        == "not meaningful: the interval of larger alone - base alone (Y-C - X-C) holds 0"
    )


def test_unfinished_failed_and_damaged_runs_are_counted_and_named(full: Results) -> None:
    stopped = full.add(seed=7, state="stopped", accuracy=None)
    failed = full.add(seed=8, state="failed", accuracy=None, message="non-finite loss at step 7")
    (full.folder / "runs" / "broken").mkdir()
    (full.folder / "runs" / "broken" / "status.json").write_text("{", encoding="utf-8")
    torn = full.add(seed=9)
    (torn / "config.json").write_text("{", encoding="utf-8")
    comparison = full.compare()
    assert (comparison.runs_found, comparison.runs_finished) == (13, 9)
    by_path = {entry.path: entry for entry in comparison.left_out}
    assert by_path[stopped].state == "stopped"
    assert by_path[stopped].reason == "3 of 20 epochs; resumable: the same command goes on with it"
    assert by_path[failed].reason == "3 of 20 epochs; non-finite loss at step 7"
    assert by_path[full.folder / "runs" / "broken"].state == "damaged"
    assert by_path[torn].state == "damaged"
    assert "config.json" in by_path[torn].reason


def test_a_copy_of_a_run_is_counted_once(full: Results) -> None:
    from shutil import copytree

    copytree(full.folder, full.folder.parent / "copy")
    comparison = compare_runs(scan_runs([full.folder, full.folder.parent / "copy"]))
    assert comparison.runs_finished == 9
    assert sum("stands twice, with the same accuracy" in note for note in comparison.notes) == 9


def test_classic_runs_alone_are_compared_too(results: Results) -> None:
    results.add_seeds("base", BASE)
    results.add_seeds("motivated", MOTIVATED)
    (cell,) = results.compare().cells
    assert (cell.pair, cell.arms) == ("resnet20-to-32", ())
    assert list(rows(cell)) == [(None, "Y-C", "X-C")]


def test_settings_that_are_not_the_recipes_own_are_named(results: Results) -> None:
    results.add("base", accuracy=98.0, optimizer__momentum=0.5)
    (cell,) = results.compare().cells
    assert cell.marks == {"optimizer.momentum": 0.5}
