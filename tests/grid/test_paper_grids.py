"""The paper's tables as grids: their k, arms and expected scores are those of the package's own transcription."""

from __future__ import annotations

from pathlib import Path

import pytest

from seekcli.analysis.published import figures
from seekcli.grid.plan import GridPlan, points_of_grid
from seekcli.grid.schema import Arm, GridFile, read_grid

FOLDER = Path(__file__).resolve().parents[2] / "grids" / "paper"
# Table -> its files. Table 3 has its own tests.
FILES = {
    "1": ("table1-resnet-cifar10", "table1-resnet-cifar100", "table1-vit-cifar10", "table1-vit-cifar100"),
    "2": ("table2-resnet-imagenet",),
    "4": ("table4-efficientnet-cifar100",),
    "5": ("table5-efficientnet-k2",),
    "6": ("table6-ablation-resnet", "table6-ablation-efficientnet"),
    "7": ("table7-conditions",),
}
NAMES = [name for names in FILES.values() for name in names]
# Their smoke sizes have costs that are counted when they are planned; table6-ablation-efficientnet has none.
SLOW = ("table4-efficientnet-cifar100", "table5-efficientnet-k2")
LITERAL = {"pair.init": ["paper"], "pair.buffers": ["carried"], "pair.recalibrate_batches": [0]}


def grid_of(name: str, smoke: bool = False) -> GridFile:
    return read_grid(FOLDER / f"{name}.toml", smoke)


def rows_of(grid: GridFile, table: str) -> list[dict[str, str]]:
    """The rows of the paper's table that this file is about."""
    arm = grid.arms[0]
    data = arm.choices["data.name"][0].partition(":")[0]
    models = {arm.choices[f"pair.{role}"][0] for arm in grid.arms for role in ("base", "motivated")}
    return [
        row for row in figures("accuracy") if (row["table"], row["dataset"]) == (table, data) and row["base"] in models
    ]


def is_literal(arm: Arm) -> bool:
    transformer = arm.choices["pair.base"][0].startswith("vit")
    wanted = {"pair.init": ["paper"]} if transformer else LITERAL
    return all(arm.choices.get(key) == value for key, value in wanted.items())


def arms_for(grid: GridFile, row: dict[str, str]) -> list[Arm]:
    """The alternating arms of a row's pair and condition."""
    schedule, _, condition = row["schedule"].partition(":")
    wanted = condition or (schedule if schedule != "alternating" else "loss")
    return [
        arm
        for arm in grid.arms
        if [row["base"]] == arm.choices["pair.base"]
        and [row["motivated"]] == arm.choices["pair.motivated"]
        and "schedule" not in arm.choices
        and wanted in arm.choices.get("motivation.condition", ["loss"])
    ]


def test_every_table_has_its_files_and_no_file_is_of_no_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {*NAMES, "table3-transfer"}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, names in FILES.items() for name in names])
def test_each_alternating_row_is_an_arm_by_the_papers_words_and_by_ours(table: str, name: str) -> None:
    grid = grid_of(name)
    rows = [row for row in rows_of(grid, table) if row["schedule"] != "classic"]
    assert rows
    for row in rows:
        arms = arms_for(grid, row)
        assert any(is_literal(arm) for arm in arms), row
        assert any("pair.init" not in arm.choices for arm in arms), row
        if row["k_inferred"]:
            assert {tuple(arm.choices["motivation.k"]) for arm in arms} == {(int(row["k_inferred"]),)}, row
        assert {len(arm.seeds) for arm in arms} == {int(row["runs"])}, row


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, names in FILES.items() for name in names])
def test_the_expected_scores_are_those_of_the_paper(table: str, name: str) -> None:
    header = grid_of(name).text.partition("name =")[0]
    for row in rows_of(grid_of(name), table):
        spread = f" +- {float(row['accuracy_std']):.2f}" if row["accuracy_std"] else ""
        assert f"{float(row['accuracy_mean']):.2f}{spread} {row['base']}" in header


@pytest.mark.parametrize("name", NAMES)
def test_each_pair_has_baselines_of_equal_compute(name: str) -> None:
    grid = grid_of(name)
    pairs = {(arm.choices["pair.base"][0], arm.choices["pair.motivated"][0]) for arm in grid.arms}
    matched = {
        (arm.choices["pair.base"][0], arm.choices["pair.motivated"][0])
        for arm in grid.arms
        if "train.match" in arm.choices and arm.choices["schedule"] == ["base", "motivated"]
    }
    assert matched == pairs


@pytest.mark.parametrize("name", ["table1-resnet-cifar10", "table6-ablation-resnet", "table7-conditions"])
def test_counted_arms_wait_for_the_runs_whose_counts_they_take(name: str, tmp_path: Path) -> None:
    points = points_of_grid(FOLDER / f"{name}.toml", None, tmp_path)
    counted = [point for point in points if point.spec.settings.get("motivation.condition") == "matched-count"]
    assert all(point.run_id is None and len(point.needs) == 5 for point in counted)
    assert bool(counted) == (name != "table7-conditions")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in (*NAMES, "table3-transfer")
    ],
)
def test_the_small_size_is_of_bundled_data_and_says_that_it_is_no_result(name: str, tmp_path: Path) -> None:
    points = GridPlan(grid_of(name, smoke=True), [], tmp_path).points
    configs = [point.resolved.config for point in points]
    assert {config.data.name.partition(":")[0] for config in configs} <= {"digits", "synthetic"}
    assert all(config.smoke and config.train.epochs is not None and config.train.epochs <= 2 for config in configs)
