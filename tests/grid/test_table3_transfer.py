"""The paper's table 3 as a grid: three sources, then four data sets and three seeds of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.errors import BadInput
from seekcli.grid.plan import points_of_grid

GRID = Path(__file__).resolve().parents[2] / "grids" / "paper" / "table3-transfer.toml"
SOURCES = ("trained alone", "literal", "own statistics")


def test_without_imagenet_it_is_planned_and_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    points = points_of_grid(GRID)
    sources, transfers = points[:3], [point for point in points if point not in points[:3]]
    assert [point.arm.name for point in sources] == list(SOURCES)
    assert all(point.no_data and "data/imagenet: No such file" in str(point.source) for point in sources)
    assert sources[0].label.startswith("resnet50_imagenet_s0 (")
    assert sources[0].resolved.config.train.epochs == 100
    assert len(transfers) == 3 * 4 * 3
    assert {point.run_id for point in transfers} == {None}
    assert {point.needs for point in transfers} == {(source.key,) for source in sources}


def test_its_transfers_are_those_of_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    configs = [point.resolved.config for point in points_of_grid(GRID)[3:]]
    assert {config.model_name(config.schedule) for config in configs} == {"resnet50"}
    assert {(config.data.name, config.train.epochs) for config in configs} == {
        ("cifar10", 300), ("cifar100", 300), ("flowers102", 2000), ("pets", 1000)}  # fmt: skip
    assert {(config.seed, config.train.batch_size, config.data.image_size) for config in configs} == {
        (seed, 384, 224) for seed in range(3)
    }


def test_data_that_is_not_there_is_told_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["grid", "run", str(GRID)])
    assert isinstance(done.exception, SystemExit | BadInput)
    assert "data/imagenet: No such file or directory" in done.output + str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_its_expected_scores_are_those_of_the_paper() -> None:
    header = GRID.read_text(encoding="utf-8").partition("name =")[0]
    for mean, deviation in ((93.71, 0.04), (74.16, 0.36), (73.56, 0.66), (93.48, 0.07),
                            (97.15, 0.03), (85.15, 0.16), (94.67, 0.28), (96.87, 0.07)):  # fmt: skip
        assert f"{mean:.2f} +- {deviation:.2f}" in header
