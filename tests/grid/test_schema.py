"""A grid file is read by a typed schema: every error at once, each with its line and the nearest name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seekcli.errors import BadInput, BadInputs
from seekcli.grid.lines import line_of
from seekcli.grid.plan import GridPlan
from seekcli.grid.schema import read_grid

BAD = """\
seeds = 0
sedes = 3
[settings]
model = "resnet20-to-31"
train.epoch = 5
train.batch_size = "64"
pair.init = "identty"
seed = 3
[[arms]]
name = "a"
needs = ["b", "c"]
motivation = { k = [], condition = 3 }
[[arms]]
name = "a"
optimizer.lr = [0.1, 0.1]
[[arms]]
name = "b"
"""
SAID = [
    (1, "seeds: at least 1, got 0"),
    (2, "unknown key 'sedes'; did you mean 'seeds'?"),
    (4, "unknown pair 'resnet20-to-31'; did you mean 'resnet20-to-32'?"),
    (5, "unknown setting in settings: 'train.epoch'; did you mean 'train.epochs'?"),
    (6, "settings.train.batch_size: input should be a valid integer, got '64'"),
    (7, "settings.pair.init: input should be 'auto', 'identity', 'paper', 'timm', 'stack' or 'source', got 'identty'; "
        "did you mean 'identity'?"),
    (8, "settings.seed: seeds of the file or of an arm are named together"),
    (11, "unknown arm in arms[1].needs: 'c' (one of: a, b)"),
    (12, "arms[1].motivation.k is an empty list, so that no run has it"),
    (12, "arms[1].motivation.condition: input should be a valid string, got 3"),
    (14, "arms[2]: arm 1 is named 'a' too"),
    (15, "arms[2].optimizer.lr names 0.1 twice"),
]  # fmt: skip


def grid_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = grid_of(tmp_path, BAD)
    with pytest.raises(BadInputs) as caught:
        read_grid(path)
    assert len(caught.value.lines) == len(SAID), caught.value.lines
    for line, (number, words) in zip(caught.value.lines, SAID, strict=True):
        assert line.startswith(f"grid file {path}, line {number}: {words}"), line


def test_each_error_is_a_line_on_stderr_and_the_exit_code_is_2(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from seekcli.cli.app import app

    result = CliRunner().invoke(app, ["grid", "run", str(grid_of(tmp_path, BAD)), "--out", str(tmp_path / "r")])
    assert result.exit_code == 2
    assert [line.startswith("seek: error: grid file ") for line in result.stderr.splitlines()] == [True] * len(SAID)
    assert os.listdir(tmp_path) == ["grid.toml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[arms]]\nname = "a"\nneeds = "b"\n[[arms]]\nname = "b"\nneeds = "a"\n', "a circle of needs: 'a'"),
        ('[[arms]]\nname = "a"\ninit_from = "a"\nschedule = "base"\n', "a circle of needs: 'a'"),
        ('[[arms]]\nschedule = "base"\n[[arms]]\nschedule = "base"\n', "arms[2] is arms[1] again"),
        ('[[arms]]\nname = "arm"\n', "arms[1].name must be text"),
        ("arms = 3\n", "arms must be tables, [[arms]], got 3"),
        ("settings = 3\n", "settings must be a table, [settings], got 3"),
        ('[[arms]]\nmotivation.counts = [1, "2"]\n', "arms[1].motivation.counts: "),
        ("name = 3\n", "name must be text, got 3"),
        ("seeds = 3\n= 4", "Invalid"),
    ],
)
def test_one_error_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_grid(grid_of(tmp_path, text))
    assert words in str(caught.value)
    assert len(getattr(caught.value, "lines", [""])) == 1


def test_a_setting_that_is_a_list_is_one_value_and_a_list_of_lists_several(tmp_path: Path) -> None:
    said = '[settings]\nmotivation.condition = "matched-count"\nmotivation.counts = '
    one, two = (read_grid(grid_of(tmp_path, f"{said}{counts}\n")) for counts in ("[1, 2]", "[[1, 2], [2, 2]]"))
    assert one.arms[0].choices["motivation.counts"] == [[1, 2]]
    assert two.arms[0].choices["motivation.counts"] == [[1, 2], [2, 2]]


def test_lines_are_those_of_the_key_or_of_the_table_around_it() -> None:
    text = "name = 'x'\n[settings]\ntrain = { epochs = 1 }\n[[arms]]\n[[arms]]\nk = 1\n[arms.motivation]\nk = 2\n"
    paths = ("settings.train.epochs", "arms[1].k", "arms[2].k", "arms[2].motivation.k", "arms[2].pair.init", "seeds")
    assert [line_of(text, path) for path in paths] == [3, 4, 6, 8, 5, None]


SMOKE = """
seeds = 3
[settings]
model = "resnet20-to-32"
data.name = ["cifar10", "cifar100"]
[[arms]]
seeds = [5]
schedule = ["base", "motivated"]
[[arms]]
motivation.k = [2, 3]
[smoke]
model = "resnet8-to-14"
data.name = "digits"
train.epochs = 1
"""


def test_smoke_is_laid_over_all_points_which_are_no_results(tmp_path: Path) -> None:
    path = grid_of(tmp_path, SMOKE)
    assert len(GridPlan(read_grid(path), [], tmp_path).points) == 16
    points = GridPlan(read_grid(path, smoke=True), [], tmp_path).points
    configs = [point.resolved.config for point in points]
    assert [(config.schedule, config.seed, config.motivation.k) for config in configs] == [
        ("base", 0, 2), ("motivated", 0, 2), ("alternating", 0, 2), ("alternating", 0, 3)]  # fmt: skip
    assert {(config.smoke, config.data.name, config.train.epochs) for config in configs} == {(True, "digits", 1)}
    assert all("_smoke_s0_" in str(point.run_id) for point in points)


def test_smoke_may_have_arms_of_its_own(tmp_path: Path) -> None:
    own = '[[smoke.arms]]\nname = "pre"\nschedule = "base"\n[[smoke.arms]]\nschedule = "base"\ninit_from = "pre"\n'
    points = GridPlan(read_grid(grid_of(tmp_path, SMOKE + own), smoke=True), [], tmp_path).points
    assert [point.run_id is None for point in points] == [False, True]
    assert points[1].needs == (points[0].run_id,)


def test_smoke_needs_a_table_and_its_errors_are_told_without_the_flag(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--smoke: there is no \[smoke\] table"):
        read_grid(grid_of(tmp_path, "seeds = 1\n"), smoke=True)
    with pytest.raises(BadInput, match=r"line 2: .*smoke: 'train.epoch'"):
        read_grid(grid_of(tmp_path, "[smoke]\ntrain.epoch = 1\n"))


@pytest.mark.parametrize("text", ["", "# nothing\n", 'name = "x"\n'])
def test_a_file_that_says_nothing_is_no_grid_of_defaults(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"^grid file .*g\.toml: it has no \[settings\] and no \[\[arms\]\]"):
        read_grid(tmp_path / "g.toml", text=text)


def test_what_no_run_can_be_made_of_is_told_for_all_arms_at_once(tmp_path: Path) -> None:
    text = """
seeds = 2
[[arms]]
schedule = "base"
data.name = "cifar11"
[[arms]]
name = "two"
data.test_images = 1797
[[arms]]
name = "good"
"""
    with pytest.raises(BadInputs) as found:
        GridPlan(read_grid(tmp_path / "g.toml", text=text), [], tmp_path / "r")
    first, second = found.value.lines
    file = f"grid file {tmp_path / 'g.toml'}"
    assert first.startswith(f"{file}, arm 1: unknown --data 'cifar11'; did you mean 'cifar10'?")
    assert second.startswith(f"{file}, 'two': data.test_images 1797: between 10 and 1787 of")
    text = '[settings]\ndata.name = "cifar11"\n[[arms]]\n[[arms]]\nschedule = "base"\n'
    with pytest.raises(BadInput, match=r"^grid file [^,]*g\.toml: unknown --data 'cifar11'"):  # of all arms: once
        GridPlan(read_grid(tmp_path / "g.toml", text=text), [], tmp_path / "r")
