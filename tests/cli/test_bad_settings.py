"""Settings that are no settings, on the command line and in a grid file: one clear line that names where it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cli.bad_input import error_of, seek

TINY = ("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--dry-run")
DIGITS, DEEP = "9" * 4301, "[" * 100_000 + "]" * 100_000
HEX_DIGITS = "0x" + "f" * 4000  # read, and too long to be written in decimals
FLAGS = ("--seed", "--seeds", "--epochs", "--steps", "--batch-size", "--lr", "--k", "--at", "--image-size")
FLAGS += ("--limit-train", "--eval-every", "--workers", "--checkpoint-minutes")
SETTINGS = ("seed", "train.epochs", "optimizer.lr", "runtime.threads", "motivation.counts")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_number_too_long_for_python_is_bad_input(flag: str) -> None:
    assert flag.strip("-").split("-")[0] in error_of(seek(*TINY, flag, DIGITS)).replace("_", "-")


@pytest.mark.parametrize("value", [DIGITS, HEX_DIGITS, DEEP, f"[[{DIGITS}]]", "[" * 2000, '"a\\u0000b"', "1979-05-27"])
def test_a_value_that_no_setting_has_names_its_setting(value: str) -> None:
    for key in SETTINGS:
        assert key in error_of(seek(*TINY, "--set", f"{key}={value}"))


def test_other_commands_refuse_long_numbers_too() -> None:
    for words in [
        ("tune", "--folds", DIGITS),
        ("tune", "--k", f"2,{DIGITS}"),
        ("flops", "--model", "resnet8-to-14", "--data", f"synthetic:1x8x8:3:{DIGITS}"),
        ("flops", "--model", "resnet8-to-14", "--image-size", DIGITS, "--classes", "2"),
        ("map", "--model", f"resnet{DIGITS}-to-14"),
        (*TINY, "--device", f"cuda:{DIGITS}"),
        (*TINY, "--device", "cuda:²"),
    ]:
        error_of(seek(*words))


@pytest.mark.parametrize("count", ["9999999999999999999999", "100000000", "0", "-1"])
def test_so_many_seeds_are_refused_at_once(count: str, tmp_path: Path) -> None:
    assert error_of(seek(*TINY, "--seeds", count)).startswith("--seeds: at ")
    grid = tmp_path / "grid.toml"
    grid.write_text(f"seeds = {count}\n")
    for command in ("plan", "run"):
        assert error_of(seek("grid", command, grid)).startswith(f"grid file {grid}, line 1: seeds: at ")


@pytest.mark.parametrize("words", ["x", "1.5", "3,x", ",", "3,-4", "3,99999999999999999999", "true"])
def test_words_that_name_no_seeds_are_bad_input(words: str) -> None:
    assert error_of(seek(*TINY, "--seeds", words)).startswith("--seeds: ")


@pytest.mark.parametrize("value", ["[]", "[1.5]", "[true]", '"3"', "true", "[[3]]", "-1", "[3, -1]"])
def test_seeds_of_a_grid_that_are_none_are_bad_input(value: str, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(f"seeds = {value}\n")
    assert "grid.toml, line 1: seeds: " in error_of(seek("grid", "plan", tmp_path / "grid.toml"))


def test_a_list_of_seeds_is_these_seeds(tmp_path: Path) -> None:
    found = re.findall(r"_s(\d+)_", seek(*TINY, "--schedule", "base", "--seeds", "7,3,7").stdout)
    assert list(dict.fromkeys(found)) == ["7", "3"]
    assert re.findall(r"^run .*_s(\d+)_", seek(*TINY, "--schedule", "base", "--seeds", "5,").stdout, re.MULTILINE) == [
        "5"
    ]
    (tmp_path / "grid.toml").write_text('seeds = [4, 9]\n[settings]\nmodel = "resnet8-to-14"\n')
    planned = seek("grid", "plan", tmp_path / "grid.toml", "--out", tmp_path).stdout
    assert list(dict.fromkeys(re.findall(r"_s(\d+)_", planned))) == ["4", "9"]


def test_so_many_runs_are_refused_at_once(tmp_path: Path) -> None:
    grid, many = tmp_path / "grid.toml", list(range(1, 1001))
    grid.write_text(f"seeds = 2\n[settings]\nmotivation.k = {many}\n[[arms]]\ntrain.epochs = {many}\n")
    assert error_of(seek("grid", "plan", grid)).endswith("has 2,000,000 runs: at most 100,000")
    assert "1,000,000,000 folds" in error_of(seek("tune", "--folds", "1000000000"))
    assert "499,995 runs: at most 10,000" in error_of(seek("tune", "--k", ",".join(map(str, range(1, 100_000)))))


BAD_GRIDS = {
    "settings = 4": "settings",
    "settings = [1]": "settings",
    "settings = 'x'": "settings",
    "name = 4": "name",
    "arms = 4": "arms",
    "arms = []": "arms",
    "arms = [4]": "arms",
    "seeds = 1.5": "seeds",
    "seeds = true": "seeds",
    "[settings]\nmodel = 4": "model",
    "[settings]\npair = 4": "pair",
    "[settings]\ntrain.epochs = []": "train.epochs",
    "[settings]\ntrain.epochs = [[1]]": "train.epochs",
    "[settings]\ntrain.epochs = { a = 1 }": "train.epochs.a",
    "[settings]\ntrain.epochs = 2020-01-01": "train.epochs",
    "[settings]\noptimizer.lr = nan": "optimizer.lr",
    "[settings]\nmotivation.options = { a = 2020-01-01 }": "motivation.options",
    '[settings]\ndata.name = "folder:a\\u0000b"': "data.name",
    '"\\u001b[31m" = 4': "'\\x1b[31m'",
    f"seeds = {DIGITS}": "4,300 digits",
    f"[settings]\noptimizer.lr = {DIGITS}": "4,300 digits",
    f"x = {DEEP}": "nested too deep",
    "[settings]\n" + "a." * 2000 + "b = 1": "nested too deep",
    "settings.x = \xff": "grid.toml",
}


@pytest.mark.parametrize("text", BAD_GRIDS, ids=range(len(BAD_GRIDS)))
def test_a_grid_file_names_the_key_that_is_wrong(text: str, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_bytes(text.encode("latin-1"))
    assert BAD_GRIDS[text] in error_of(seek("grid", "plan", grid, "--out", tmp_path / "results"))


def test_a_grid_file_may_begin_with_the_mark_of_some_editors(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text('[settings]\nmodel = "resnet8-to-14"\n', encoding="utf-8-sig")
    assert seek("grid", "plan", grid, "--out", tmp_path / "results").exit_code == 0
