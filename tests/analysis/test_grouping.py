"""Labels of arms, and the notes about runs that stand twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seekcli.analysis.arm_labels import arm_labels, words_of_difference
from seekcli.analysis.comparison import compare_runs
from seekcli.analysis.grouping import differing, group_runs, without_conflicts, without_duplicates
from seekcli.analysis.runs import load_runs, settings_from_config
from seekcli.config.layers import DEFAULTS
from seekcli.runs.scan import scan_runs

if TYPE_CHECKING:
    from run_folders import Results


OLD = {"pair__buffers": "carried", "pair__recalibrate_batches": 0}


def arm(**settings: object) -> dict[str, object]:
    resolved = {"pair.init": "identity", "pair.recalibrate_batches": 10}
    return DEFAULTS | resolved | {key.replace("__", "."): value for key, value in settings.items()}


@pytest.mark.parametrize(
    ("arms", "labels"),
    [
        ([arm()], ["loss k=2 identity"]),
        ([arm(), arm(pair__init="paper")], ["loss k=2 identity", "loss k=2 paper"]),
        (
            [arm(motivation__condition="periodic", motivation__every_steps=n) for n in (4, 6)],
            ["periodic every_steps=4 identity", "periodic every_steps=6 identity"],
        ),
        (
            [arm(motivation__condition="window", motivation__window_start=0.5, motivation__window_stop=1.0)],
            ["window window_start=0.5 window_stop=1 identity"],
        ),
        ([arm(), arm(pair__map="leading")], ["loss k=2 identity", "loss k=2 identity map=leading"]),
        # Said of a single arm too: what is not the default matters, whatever stands beside it.
        ([arm(pair__added_scale=0.3)], ["loss k=2 identity added_scale=0.3"]),
        (
            [arm(), arm(pair__init="paper"), arm(pair__added_scale=0.3), arm(pair__differential_lr_factor=10.0)],
            [
                "loss k=2 identity",
                "loss k=2 paper",
                "loss k=2 identity added_scale=0.3",
                "loss k=2 identity differential_lr_factor=10",
            ],
        ),
        (
            [arm(motivation__condition="matched-count", motivation__counts=[n] * 9) for n in (1, 2)],
            ["matched-count identity counts=9-in-9-epochs", "matched-count identity counts=18-in-9-epochs"],
        ),
        (
            [arm(schedule="grow", motivation__grow_at=at) for at in (0.80000001, 0.80000002)],
            [
                "grow at=0.8 identity motivation.grow_at=0.80000001",
                "grow at=0.8 identity motivation.grow_at=0.80000002",
            ],
        ),
        # A run of an earlier program has no such settings: they stand at what was done then.
        (
            [arm(), arm(**OLD)],
            [
                "loss k=2 identity",
                "loss k=2 identity buffers=carried recalibrate_batches=0",
            ],
        ),
    ],
)
def test_labels_name_whatever_differs(arms: list[dict[str, object]], labels: list[str]) -> None:
    assert arm_labels(map(settings_from_config, arms)) == labels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pair__init": "paper"}, ("identity", "paper")),
        ({"motivation__k": 3}, ("k=2", "k=3")),
        ({"pair__added_scale": 0.3}, ("added_scale=0", "added_scale=0.3")),
        ({"pair__buffers": "carried"}, ("buffers=own", "buffers=carried")),
        ({"motivation__condition": "periodic", "motivation__every_steps": 6}, ("loss k=2", "periodic every_steps=6")),
        ({"motivation__k": 3, "pair__init": "paper"}, None),
    ],
)
def test_two_arms_are_told_apart_by_the_one_setting_in_which_they_differ(changes, words) -> None:
    left, right = (settings_from_config(one).arm for one in (arm(), arm(**changes)))
    assert words_of_difference(left, right) == words


def test_arms_of_a_published_table_are_told_apart_as_those_of_run_folders(results: Results) -> None:
    folders = [results.add(**settings) for settings in ({}, OLD)]
    expected = [run.settings.arm for run in load_runs(scan_runs([results.folder]))[0]]
    published = type(results)(results.folder.parent / "elsewhere")
    published.publish("both", folders)
    found = [run.settings.arm for run in load_runs(scan_runs([published.folder / "published"]))[0]]
    keys = ("pair.buffers", "pair.recalibrate_batches")
    assert [{key: arm.get(key) for key in keys} for arm in found] == [
        {key: arm.get(key) for key in keys} for arm in expected
    ]


def test_differing_names_the_settings() -> None:
    left, right = settings_from_config(arm()), settings_from_config(arm(optimizer__lr=1.0, motivation__k=9))
    assert differing(left, right) == ["optimizer.lr"]


def test_seeds_claimed_twice_are_all_left_out(results: Results) -> None:
    for lr in (0.1, 0.2):
        results.add("base", optimizer__lr=lr)
    results.add("base", seed=1)
    runs, _ = load_runs(scan_runs([results.folder]))
    usable, (note,) = without_conflicts(runs, "X-C")
    assert [run.seed for run in usable] == [1]
    assert note.startswith("X-C: seed 0 was trained 2 times")


def test_a_second_copy_with_other_numbers_is_said(results: Results) -> None:
    first = results.add("base", accuracy=98.0)
    elsewhere = type(results)(results.folder.parent / "other")
    second = elsewhere.add("base", accuracy=97.0)
    runs, _ = load_runs(scan_runs([results.folder, elsewhere.folder]))
    kept, (note,) = without_duplicates(runs)
    assert [run.path for run in kept] == [first]
    assert "another accuracy" in note
    assert str(second) in note


def test_every_run_is_in_a_cell_and_pairs_come_in_order_of_size(results: Results) -> None:
    results.add(pair__base="resnet32", pair__motivated="resnet44")
    results.add()
    results.add("motivated", optimizer__lr=0.7)
    runs, _ = load_runs(scan_runs([results.folder]))
    cells = group_runs(runs)
    assert [(cell.base, cell.motivated, bool(cell.arms)) for cell in cells] == [
        ("resnet20", "resnet32", True),
        ("resnet32", "resnet44", True),
        ("resnet20", "resnet32", False),
    ]


def test_a_published_growing_run_is_as_long_as_its_base(results: Results) -> None:
    """Its base takes every batch and its larger model some of them again: together more updates than batches."""
    folders = [
        results.add("base", train__epochs=7),
        results.add(
            "grow", train__epochs=7, motivation__grow_at=0.8, columns={"base_steps": 400, "motivated_steps": 80}
        ),
    ]
    published = type(results)(results.folder.parent / "elsewhere")
    (cell,) = compare_runs(scan_runs([published.publish("both", folders)])).cells
    assert [group.name for group in cell.groups] == ["X-C", "X-Y-B", "X-Y-M"]
