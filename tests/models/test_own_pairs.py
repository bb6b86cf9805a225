"""What is found by names in two modules of one's own, and the table of pairs in docs/families.md."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from seekcli.config.pair_settings import PairConfig
from seekcli.models.own_pairs import found_settings, numbered_blocks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "families.md"


def staged(*depths: int) -> nn.Module:
    """Stages of numbered blocks that lie in a numbered list themselves, as in `blocks.1.0.fc`."""
    stages = [nn.Sequential(*(nn.Sequential(nn.Linear(2, 2)) for _ in range(depth))) for depth in depths]
    return nn.ModuleDict({"blocks": nn.Sequential(*stages)})


def test_blocks_are_found_where_the_larger_model_numbers_more_of_them_at_any_depth():
    assert numbered_blocks(staged(1, 2), staged(1, 3)) == ["blocks.1"]
    assert numbered_blocks(staged(2), staged(2)) == []
    models = {"base": staged(1, 2), "motivated": staged(3, 3)}
    assert found_settings(PairConfig(), models) == {"pair.blocks": "blocks.0,blocks.1"}
    assert found_settings(PairConfig(blocks="blocks.1"), models) == {}


def test_stacked_projections_are_found_where_both_models_have_them():
    with_qkv = nn.ModuleDict({"qkv": nn.Linear(2, 6)})
    assert found_settings(PairConfig(), {"base": with_qkv, "motivated": with_qkv}) == {"pair.fused": "qkv:3"}
    assert found_settings(PairConfig(), {"base": staged(1), "motivated": with_qkv}) == {}


def test_the_table_has_twenty_pairs_that_train_and_are_exported():
    table = PAGE.read_text(encoding="utf-8").partition("<!-- own pairs: begin -->")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "coverage" not in line]
    assert len(rows) == 20
    assert all(row.endswith("| yes | yes |") for row in rows)
