"""Files of a run or an export that anybody may have written: each is refused by name, and no other run suffers."""

from __future__ import annotations

import copy
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import assert_safe, error_of, seek
from finished_runs import make_run

from seekcli.documents import read_document, write_document
from seekcli.runs.records import EPOCHS, write_epochs

DEEP = "[" * 100_000 + "]" * 100_000
DOCUMENTS = ("status.json", "config.json", "environment.json")
HOSTILE: list[Any] = [None, True, -5, 0, 2**70, 10**300, 1.5, -1e300, "", "x", "\x1b[31m\x07", "../x", "a\0b"]
HOSTILE += ["\ud800", [], [1], {}, {"a": 1}]
CASES = 6
DRAWS = [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2, 3))]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed in range(2):
        folder = make_run(tmp_path / "results", seed=seed)
        write_epochs(folder / EPOCHS, read_document(folder / "status.json")["final"])
    return tmp_path / "results"


@pytest.mark.parametrize("name", [*DOCUMENTS, "lease.json"])
def test_one_file_that_is_nested_without_end_is_its_own_runs_affair(name: str, results: Path) -> None:
    first, second = sorted((results / "runs").iterdir())
    (first / name).write_text(DEEP)
    for words in (["list", "runs", "--out", results], ["compare", results], ["compare", results, "--format", "json"]):
        result = seek(*words)
        is_left_out = words[0] == "compare" and name in DOCUMENTS
        assert result.exit_code == (2 if is_left_out else 0), result.output
        assert "finished" in result.stdout  # that of the run beside it
        assert_safe(result)
    if name != "lease.json":
        assert f"{name} is damaged (not JSON: its lists or tables are nested too deep)" in error_of(
            seek("export", first, "--to", results.parent / "exports")
        )
    assert seek("export", second, "--to", results.parent / "exports").exit_code == 0


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a document; of a list its first two entries."""
    yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    for key, value in list(inner):
        yield from places(value, (*path, key))


def changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    tree = copy.deepcopy(tree)
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


def ends_well(*words: object) -> None:
    result = seek(*words)
    assert_safe(result)
    is_told_beside_others = words[0] == "compare" and result.stderr.startswith("seek: not counted: ")
    if result.exit_code and not is_told_beside_others:
        error_of(result, result.exit_code)
    assert result.exit_code in (0, 1, 2), result.exception
    assert "NaN" not in result.stdout


@pytest.mark.parametrize("number", DRAWS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_value_in_a_document_of_a_run_goes_unanswered(name: str, number: int, results: Path) -> None:
    """With a digest that fits, so that only what the value means can be wrong with it."""
    draw = random.Random(f"{name} {number}")
    first, _ = sorted((results / "runs").iterdir())
    tree = read_document(first / name)
    where = [path for path in places(tree) if path]
    for _ in range(CASES):
        write_document(first / name, changed(tree, draw.choice(where), draw.choice(HOSTILE)))
        ends_well("list", "runs", "--out", results, "--format", "json")
        ends_well("compare", results, "--format", "json")
        ends_well("export", first, "--to", "/dev/null/x")


@pytest.mark.parametrize("number", DRAWS)
def test_no_value_in_a_card_goes_unanswered(number: int, results: Path, tmp_path: Path) -> None:
    draw = random.Random(f"card {number}")
    exports = tmp_path / "exports"
    assert seek("export", sorted((results / "runs").iterdir())[0], "--role", "base", "--to", exports).exit_code == 0
    card = exports / "resnet8-base.json"
    tree = read_document(card)
    where = [path for path in places(tree) if path]
    for _ in range(CASES):
        write_document(card, changed(tree, draw.choice(where), draw.choice(HOSTILE)))
        ends_well("evaluate", card, "--data", "synthetic:3x8x8:10:50", "--format", "json")
    shutil.rmtree(exports)
