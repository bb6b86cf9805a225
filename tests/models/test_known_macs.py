"""The MACs that are written down are those that are counted. Run as a program this file writes them anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from seekcli.models.costs import forward_cost
from seekcli.models.known_macs import Shape, counted_cases, key_of, known_macs
from seekcli.models.pairs import build_model

CASES = list(counted_cases())
QUICK = [case for case in CASES if case[0] in ("resnet8", "resnet20") or case == ("resnet18", (3, 160, 160))]


def counted(name: str, classes: int, shape: Shape) -> int:
    return int(forward_cost(build_model(name, classes, shape[0], shape[1]), name, shape).per_image)


@pytest.mark.parametrize(("name", "shape"), QUICK)
@pytest.mark.parametrize("classes", [2, 37])
def test_what_is_written_down_is_what_is_counted(name: str, classes: int, shape: Shape) -> None:
    assert known_macs(name, classes, shape[1], shape) == counted(name, classes, shape)


@pytest.mark.slow
def test_all_that_is_written_down_is_what_is_counted() -> None:
    assert {case: known_macs(case[0], 10, case[1][1], case[1]) for case in CASES} == {
        case: counted(case[0], 10, case[1]) for case in CASES
    }


def test_what_was_not_counted_is_not_known() -> None:
    assert known_macs("resnet20", 10, 9, (1, 9, 9)) is None
    assert known_macs("vit-tiny", 10, 224, (3, 160, 160)) is None
    assert known_macs("resnet50", 1000, 224, (3, 160, 160)) is not None


def written_down(name: str, shape: Shape) -> tuple[int, int]:
    two, three = counted(name, 2, shape), counted(name, 3, shape)
    return two - 2 * (three - two), three - two


if __name__ == "__main__":
    lines = [f"  {json.dumps(key_of(*case))}: {json.dumps(written_down(*case))}" for case in CASES]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
