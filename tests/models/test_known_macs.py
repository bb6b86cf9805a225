"""The MACs that are written down are those that are counted. Run as a program this file writes them anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from seekcli.models.conventions import ModelCost
from seekcli.models.costs import forward_cost
from seekcli.models.known_macs import HEAD, Shape, counted_cases, key_of, known_cost, known_macs
from seekcli.models.pairs import build_model

CASES = list(counted_cases())
QUICK = [case for case in CASES if case[0] in ("resnet8", "resnet20")]
QUICK += [("gpt-2x64", (128,)), ("resnet18", (3, 32, 32)), ("vit-tiny", (1, 8, 8)), ("efficientnet-b0", (3, 16, 16))]


def counted(name: str, classes: int, shape: Shape, convention: str = "macs") -> ModelCost:
    return forward_cost(build_model(name, classes, shape[0], shape[-1]), name, shape, convention)


@pytest.mark.parametrize(("name", "shape"), QUICK)
def test_what_is_written_down_is_what_is_counted(name: str, shape: Shape) -> None:
    """For counts of classes that are not that of the slow test: what a class costs is written down."""
    asked = [(37, "macs"), (2, "flops")] if name.startswith(("resnet8", "gpt")) else [(37, "macs")]
    for classes, convention in asked:
        expected = counted(name, classes, shape, convention)
        found = known_cost(name, classes, shape[-1], shape, convention)
        assert found == expected
        assert found is not None
        assert list(found.per_stage) == list(expected.per_stage)


@pytest.mark.slow
def test_all_that_is_written_down_is_what_is_counted() -> None:
    assert {case: known_cost(case[0], 10, case[1][-1], case[1]) for case in CASES} == {
        case: counted(case[0], 10, case[1]) for case in CASES
    }


def test_what_was_not_counted_is_not_known() -> None:
    assert known_macs("resnet20", 10, 9, (1, 9, 9)) is None
    assert known_cost("resnet20", 10, 32, (3, 32, 32), "paper") is None
    assert known_macs("vit-tiny", 10, 224, (3, 160, 160)) is None
    assert known_macs("resnet50", 1000, 224, (3, 160, 160)) is not None


def written_down(name: str, shape: Shape) -> dict[str, Any]:
    two, three = counted(name, 2, shape).per_stage, counted(name, 3, shape).per_stage
    per_class = three[HEAD] - two[HEAD]
    return {"stages": {**two, HEAD: two[HEAD] - 2 * per_class}, "per_class": per_class}


if __name__ == "__main__":
    lines = [f"  {json.dumps(key_of(*case))}: {json.dumps(written_down(*case))}" for case in CASES]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
