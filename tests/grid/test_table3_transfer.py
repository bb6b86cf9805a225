"""The paper's table 3 as a grid: three sources, four data sets, three seeds; one line says which source is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from seekcli.grid.plan import points_of_grid
from seekcli.resolve import transfer
from seekcli.resolve.transfer import SourceModel

GRID = Path(__file__).resolve().parents[2] / "grids" / "paper" / "table3-transfer.toml"
SOURCES = {"exports/table3/classic": "a" * 64, "exports/table3/alternating-carried": "b" * 64,
           "exports/table3/alternating-own": "c" * 64}  # fmt: skip


def test_its_points_are_the_arms_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def source_models_of(text: str, results: Path) -> list[SourceModel]:
        return [SourceModel("resnet50", "base", SOURCES[text], text, dict)]

    monkeypatch.setattr(transfer, "source_models_of", source_models_of)
    configs = [point.resolved.config for point in points_of_grid(GRID)]
    assert len(configs) == len({point.run_id for point in points_of_grid(GRID)}) == 3 * 4 * 3
    assert {config.model_name(config.schedule) for config in configs} == {"resnet50"}
    assert {config.transfer.sha256 for config in configs} == set(SOURCES.values())
    assert {(config.data.name, config.train.epochs) for config in configs} == {
        ("cifar10", 300), ("cifar100", 300), ("flowers102", 2000), ("pets", 1000)}  # fmt: skip
    assert {(config.seed, config.train.batch_size, config.data.image_size) for config in configs} == {
        (seed, 384, 224) for seed in range(3)
    }


def test_without_its_sources_it_is_planned_and_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    points = points_of_grid(GRID)
    assert len(points) == 36
    assert {point.run_id for point in points} == {None}
    sources = {str(point.source).partition(":")[2].split()[1].rstrip(":") for point in points}
    assert sources == set(SOURCES)
    assert {point.resolved.config.train.epochs for point in points} == {300, 1000, 2000}


def test_its_expected_scores_are_those_of_the_paper() -> None:
    header = GRID.read_text(encoding="utf-8").partition("name =")[0]
    for mean, deviation in ((93.71, 0.04), (74.16, 0.36), (73.56, 0.66), (93.48, 0.07),
                            (97.15, 0.03), (85.15, 0.16), (94.67, 0.28), (96.87, 0.07)):  # fmt: skip
        assert f"{mean:.2f} +- {deviation:.2f}" in header
