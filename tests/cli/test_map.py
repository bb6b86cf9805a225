"""`seek map`: what goes where, in numbers worked out by hand for ResNet-8 in 14 and 20 in 32."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from seekcli.cli.map import map_command
from seekcli.errors import BadInput

app = typer.Typer()
app.command()(map_command)


def seek(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def document(*arguments: str) -> dict[str, Any]:
    result = seek(*arguments, "--format", "json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def moves(found: dict[str, Any], stage: str) -> dict[str, str]:
    links = next(one for one in found["stages"] if one["stage"] == stage)["links"]
    return {link["base_block"]: link["motivated_block"] for link in links}


def test_the_default_pair_goes_last_block_to_last_block() -> None:
    found = document()
    assert found["pair"] == "resnet20-to-32"
    assert [stage["stage"] for stage in found["stages"]] == ["stem", "layer1", "layer2", "layer3", "classifier"]
    expected = {"layer2.0": "layer2.0", "layer2.1": "layer2.1", "layer2.2": "layer2.4"}
    assert moves(found, "layer2") == expected
    assert moves(found, "stem") == {"conv1": "conv1", "bn1": "bn1"}


def test_a_stage_of_one_block_goes_first_to_first() -> None:
    assert moves(document("--model", "resnet8-to-14"), "layer3") == {"layer3.0": "layer3.0"}


def test_elements_add_up_by_hand() -> None:
    """A BatchNorm of w channels has 4w + 1 elements: scale, shift, mean, variance and the batch counter."""
    found = document("--model", "resnet8-to-14")
    block = 2 * (9 * 16 * 16 + 4 * 16 + 1)
    stage = next(one for one in found["stages"] if one["stage"] == "layer1")
    assert stage["base_elements"] == stage["linked_elements"] == block
    assert stage["motivated_elements"] == 2 * block
    assert {tensor["motivated_block"] for tensor in stage["only_motivated"]} == {"layer1.1"}
    assert sum(tensor["elements"] for tensor in stage["only_motivated"]) == block
    assert found["stages"][0]["base_elements"] == 9 * 16 + 65
    assert found["stages"][-1]["base_elements"] == 64 * 10 + 10
    assert (found["coverage"], found["unlinked"]) == (1.0, [])
    assert found["base_elements"] == found["linked_elements"] == sum(one["base_elements"] for one in found["stages"])


def test_the_data_decides_channels_and_classes_and_need_not_be_on_disk() -> None:
    found = document("--data", "cifar100")
    assert (found["classes"], found["channels"], found["image_size"]) == (100, 3, 32)
    link = found["stages"][0]["links"][0]
    assert link["base"] == "conv1.weight"
    assert link["base_shape"] == link["motivated_shape"] == [16, 3, 3, 3]
    assert link["base_region"] == link["motivated_region"] == [[0, 16], [0, 3], [0, 3], [0, 3]]


def tables(*arguments: str) -> list[list[list[str]]]:
    """The cells of each table that is printed; cells are two spaces apart."""
    result = seek(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return [
        [re.split(r" {2,}", line.strip()) for line in part.splitlines()]
        for part in result.stdout.split("\n\n")
        if part.startswith("stage ")
    ]


def test_the_table_shows_blocks_in_the_order_of_the_motivated_model() -> None:
    _, blocks, _ = tables("--model", "resnet14-to-20")
    rows = [row[1:3] for row in blocks if row[0] == "layer1"]
    assert rows == [["layer1.0", "layer1.0"], ["-", "layer1.1"], ["layer1.1", "layer1.2"]]
    assert "coverage 100.00%" in seek("--model", "resnet14-to-20").stdout
    assert "unlinked base tensors: none" in seek("--model", "resnet14-to-20").stdout


def test_a_partly_contained_base_by_stage_block_and_shape() -> None:
    """ResNet-18 in ResNet-50, by hand: of a 3x3 kernel that becomes a 1x1 one the centre tap alone has a place."""
    stages, blocks, shapes = tables("--model", "resnet18-to-50")
    weights, rest = 9 * 64 * 64, 2 * (4 * 64 + 1)  # a convolution of the first stage; a block's two BatchNorms
    base, linked = 2 * (2 * weights + rest), 2 * (weights + weights // 9 + rest)
    assert stages[2] == ["layer1", f"{base:,}", f"{linked:,}", f"{100 * linked / base:.1f} %", "218,634"]
    (block,) = (row for row in blocks if row[1:3] == ["layer1.1", "layer1.2"])
    assert block[-1] == f"{100 * linked / base:.1f} %"
    assert ["layer1", "2", "64x64x3x3", "0:64, 0:64, 1:2, 1:2", "256x64x1x1", "0:64, 0:64, 0:1, 0:1"] in shapes
    assert "partly linked base tensors: 8 (layer1.0.conv2.weight, ...)" in seek("--model", "resnet18-to-50").stdout


def test_tensors_shows_every_tensor_of_both_models() -> None:
    found = document("--model", "resnet8-to-14")
    rows = seek("--model", "resnet8-to-14", "--tensors").stdout.splitlines()
    linked = [link for stage in found["stages"] for link in stage["links"]]
    alone = [tensor for stage in found["stages"] for tensor in stage["only_motivated"]]
    for link in linked:
        assert any(link["base"] in row.split() and link["motivated"] in row.split() for row in rows)
    for tensor in alone:
        assert any(tensor["motivated"] in row.split() and row.endswith("only here") for row in rows)


def test_a_schedule_of_one_model_changes_no_map() -> None:
    assert document("--set", "schedule=base") == document()


def test_base_and_motivated_name_a_pair_too() -> None:
    assert document("--base", "resnet14", "--motivated", "resnet44")["pair"] == "resnet14-to-44"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet20-to-33"], "did you mean 'resnet20-to-32'"),
        (["--base", "resnet32", "--motivated", "resnet20"], "did you mean 'resnet20-to-32'"),
        (["--model", "resnet20-to-32", "--base", "resnet8"], "not both"),
        (["--map", "sideways"], "--map"),
        (["--map", "leading"], "--map leading: resnet20-to-32 has no fused q/k/v weights"),
        (["--data", "digit"], "did you mean 'digits'"),
    ],
)
def test_bad_input_is_named(arguments: list[str], words: str) -> None:
    result = seek(*arguments)
    assert isinstance(result.exception, BadInput), result.output
    assert words in str(result.exception)
    assert result.stdout == ""
