"""`seek flops` through its command: what is printed in each format, where the image comes from, and bad input."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from seekcli.cli.app import app as seek
from seekcli.cli.flops import flops
from seekcli.errors import BadInput

SHAPE = ("--image-size", "32", "--classes", "10")
RESNET20_MACS, RESNET32_MACS = 40_813_184, 69_124_736

app = typer.Typer()
app.command()(flops)


def output(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr == ""
    return result.stdout


def tree(*arguments: str) -> dict[str, Any]:
    return json.loads(output(*arguments, "--format", "json"))


def refusal(*arguments: str) -> str:
    """The one line of a bad input; nothing else was printed."""
    result = CliRunner().invoke(app, [*arguments])
    assert isinstance(result.exception, BadInput), result.output
    assert result.stdout == ""
    message = str(result.exception)
    assert "\n" not in message
    return message


# --- figures ----------------------------------------------------------------------------------------------------------


def test_a_pair_as_json() -> None:
    report = tree(*SHAPE, "--model", "resnet20-to-32", "--k", "3")
    base, motivated = report["models"]
    assert (base["role"], base["model"], motivated["role"], motivated["model"]) == (
        "base",
        "resnet20",
        "motivated",
        "resnet32",
    )
    assert (base["forward_per_image"], motivated["forward_per_image"]) == (RESNET20_MACS, RESNET32_MACS)
    assert base["forward_per_stage"]["stem"] == 9 * 3 * 16 * 32 * 32
    assert sum(base["forward_per_stage"].values()) == RESNET20_MACS
    assert base["training_flops_per_image"] == 6 * RESNET20_MACS
    expected = report["expected"]
    assert (expected["pair"], expected["condition"], expected["k"]) == ("resnet20-to-32", "loss", 3)
    assert expected["share"] == pytest.approx(1 / 24)
    assert expected["forward_per_image"] == pytest.approx(RESNET20_MACS + (RESNET32_MACS - RESNET20_MACS) / 24)
    assert expected["over_base"] == pytest.approx(expected["forward_per_image"] / RESNET20_MACS)
    for figures in (base, motivated, expected):
        assert (figures["convention"], figures["unit"], figures["image_shape"]) == ("macs", "MACs", [3, 32, 32])


@pytest.mark.parametrize(("k", "mflops"), [("2", 92.47), ("3", 85.12)])
def test_the_papers_convention_gives_the_papers_table(k: str, mflops: float) -> None:
    report = tree("--data", "cifar10", "--convention", "paper", "--k", k)
    assert [m["forward_per_image"] / 1e6 for m in report["models"]] == pytest.approx([82.82, 140.13], rel=2e-4)
    assert report["expected"]["forward_per_image"] == pytest.approx(mflops * 1e6, rel=5e-3)
    assert report["unit"] == "FLOPs"
    # Training is 3 x forward x 2 per MAC in every convention.
    assert report["models"][0]["training_flops_per_image"] == 6 * RESNET20_MACS


def test_flops_are_twice_the_macs() -> None:
    report = tree(*SHAPE, "--convention", "flops")
    assert report["models"][0]["forward_per_image"] == 2 * RESNET20_MACS
    assert report["models"][0]["training_flops_per_image"] == 6 * RESNET20_MACS


def test_one_model_alone_has_no_role_and_no_expectation() -> None:
    report = tree(*SHAPE, "--model", "resnet20")
    assert [(model["role"], model["model"]) for model in report["models"]] == [(None, "resnet20")]
    assert report["expected"] is None


def test_base_and_motivated_name_a_pair() -> None:
    report = tree(*SHAPE, "--base", "resnet8", "--motivated", "resnet14")
    assert [model["model"] for model in report["models"]] == ["resnet8", "resnet14"]
    assert report["expected"]["pair"] == "resnet8-to-14"
    assert report["expected"]["k"] == 2


# --- where the image comes from ---------------------------------------------------------------------------------------


def test_the_digits_are_the_default_and_need_no_disk() -> None:
    report = tree("--model", "resnet20")
    assert (report["data"], report["image_shape"], report["classes"]) == ("digits", [1, 8, 8], 10)
    assert report["models"][0]["forward_per_stage"]["stem"] == 9 * 1 * 16 * 8 * 8


def test_a_data_set_at_another_size() -> None:
    report = tree("--model", "resnet20", "--data", "cifar100", "--image-size", "64")
    assert (report["data"], report["image_shape"], report["classes"]) == ("cifar100", [3, 64, 64], 100)
    assert report["models"][0]["forward_per_stage"]["classifier"] == 64 * 100


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "efficientnet-b0-to-b1", "--data", "cifar100"],
        pytest.param(
            ["--model", "efficientnet-b0-to-b1", "--data", "cifar10", "--image-size", "64"], marks=pytest.mark.slow
        ),
        ["--model", "vit-tiny-to-small", "--data", "digits"],
        ["--model", "resnet8-to-14", "--data", "cifar10", "--recipe", "imagenet-a3"],
        ["--model", "resnet20-to-32", "--data", "cifar10"],
        ["--model", "resnet8-to-14", "--data", "cifar10", "--recipe", "imagenet-a3", "--set", "data.train_size=96"],
        pytest.param(
            ["--model", "resnet8-to-14", "--data", "cifar10", "--recipe", "imagenet-a3", "--set", "data.image_size=48"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["--model", "resnet20-to-32", "--set", "data.name=cifar100", "--set", "recipe=transfer"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_sizes_are_those_that_train_resolves_from_the_same_words(words: list[str]) -> None:
    done = CliRunner().invoke(seek, ["train", *words, "--print-config"])
    assert done.exit_code == 0, done.output
    settings = dict(re.findall(r"^\s*data\.(\w+)\s*=?\s*(\S+)", done.stdout, re.MULTILINE))
    size, channels = int(settings["image_size"]), int(settings["channels"])
    train_size = int(settings["train_size"]) if settings.get("train_size", "none").isdigit() else size
    report = tree(*words)
    assert report["image_shape"] == [channels, size, size]
    assert report["train_image_shape"] == [channels, train_size, train_size]


def test_weights_from_elsewhere_bring_their_recipe() -> None:
    words = ("--model", "resnet18-to-34", "--data", "cifar10")
    assert tree(*words)["image_shape"] == [3, 32, 32]
    for more in (["--pretrained"], ["--init-from", "some/run"]):
        assert tree(*words, *more)["image_shape"] == [3, 224, 224]


def test_settings_may_name_the_models_and_the_condition() -> None:
    named = tree(*SHAPE, "--set", "pair.motivated=resnet44", "--set", "motivation.k=3")
    assert [model["model"] for model in named["models"]] == ["resnet20", "resnet44"]
    assert named["expected"]["share"] == pytest.approx(1 / 24)
    alone = tree("--set", "schedule=motivated", "--data", "cifar10")
    assert [(model["role"], model["model"]) for model in alone["models"]] == [(None, "resnet32")]
    assert alone["expected"] is None


@pytest.mark.parametrize(
    ("condition", "share", "k"), [("inverse", 1 / 6, 2), ("periodic", 1 / 6, None), ("random-count", 0.5, None)]
)
def test_the_expected_share_is_that_of_the_condition(condition: str, share: float, k: int | None) -> None:
    expected = tree("--condition", condition)["expected"]
    assert (expected["condition"], expected["k"]) == (condition, k)
    assert expected["share"] == pytest.approx(share)
    assert f"under condition {condition!r}." in " ".join(output("--condition", condition).split())


def test_where_no_share_is_known_it_is_said() -> None:
    assert tree("--condition", "ema-loss")["expected"] is None
    assert "(F_XY): the share of motivated steps is not known ahead." in output("--condition", "ema-loss")


def test_a_recipes_size_is_said() -> None:
    text = output("--model", "efficientnet-b0-to-b1", "--data", "cifar100")
    assert "one 3x224x224 image" in text
    assert "that of the recipe cifar-efficientnet" in text
    assert "recipe" not in output("--model", "efficientnet-b0-to-b1", "--data", "cifar100", "--image-size", "32")


def test_synthetic_data() -> None:
    assert tree("--model", "resnet8", "--data", "synthetic:3x16x16:7")["image_shape"] == [3, 16, 16]


def test_the_flags_alone_describe_an_image() -> None:
    report = tree("--model", "resnet8", "--image-size", "16", "--classes", "7", "--channels", "1")
    assert (report["data"], report["image_shape"], report["classes"]) == (None, [1, 16, 16], 7)


def test_a_folder_that_is_not_here_yet(tmp_path: Path) -> None:
    missing = f"folder:{tmp_path / 'pets'}"
    report = tree("--model", "resnet8", "--data", missing, *SHAPE)
    assert (report["data"], report["image_shape"], report["classes"]) == ("folder:pets", [3, 32, 32], 10)
    assert "pets" in refusal("--model", "resnet8", "--data", missing)


# --- formats ----------------------------------------------------------------------------------------------------------


def test_the_table_states_unit_resolution_and_convention() -> None:
    lines = output(*SHAPE, "--convention", "paper").splitlines()
    assert lines[0] == "resnet20-to-32: one 3x32x32 image, 10 classes, eval mode"
    assert lines[1].startswith("FLOPs by the convention 'paper': 2 x (convolution and linear MACs")
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:] if line}
    assert rows["stage"] == ["resnet20", "(base)", "MFLOPs", "resnet32", "(motivated)", "MFLOPs"]
    assert rows["stem"] == ["0.98", "0.98"]
    assert rows["all"] == ["82.81", "140.13"]
    expected = next(line for line in lines if line.startswith("Expected"))
    assert "average step (F_XY), k=2: 92.37 MFLOPs (3x32x32, 'paper'), 1.115 x that of the base (F_X)" in expected
    training = next(line for line in lines if line.startswith("Training"))
    assert "3x32x32 image: 244.88 MFLOPs for resnet20, 414.75 MFLOPs for resnet32" in training


def test_markdown_is_one_table_with_its_words() -> None:
    lines = output(*SHAPE, "--format", "markdown").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[:2] == ["| stage | resnet20 (base) MMACs | resnet32 (motivated) MMACs |", "|---|---:|---:|"]
    assert table[-1] == "| all | 40.81 | 69.12 |"
    assert lines[0].startswith("**resnet20-to-32")
    assert "'macs'" in lines[2]
    assert lines[-2].startswith("Expected forward cost")
    assert lines[-1].startswith("In B batches an epoch it is (B-1)/B of that share")


def test_csv_carries_unit_convention_and_image_in_every_row() -> None:
    rows = list(csv.DictReader(io.StringIO(output(*SHAPE, "--format", "csv"))))
    assert {(row["channels"], row["image_size"], row["classes"]) for row in rows} == {("3", "32", "10")}
    assert all(row["unit"] and row["convention"] for row in rows)
    figures = {(row["quantity"], row["model"], row["stage"]): float(row["value"]) for row in rows}
    assert len(figures) == len(rows)
    assert figures["forward_per_image", "resnet20", "all"] == RESNET20_MACS
    assert figures["forward_per_image", "resnet32", "classifier"] == 640
    assert figures["training_per_image", "resnet32", "all"] == 6 * RESNET32_MACS
    assert figures["expected_share", "resnet20-to-32", "all"] == pytest.approx(1 / 6)
    stages = [row["stage"] for row in rows if row["model"] == "resnet20" and row["quantity"] == "forward_per_image"]
    assert stages == ["stem", "layer1", "layer2", "layer3", "classifier", "all"]


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet-20"], ["--model 'resnet-20'", "'resnet20'"]),
        (["--model", "resnet20-to-33"], ["pair 'resnet20-to-33'", "'resnet20-to-32'"]),
        (["--model", "resnet32-to-20"], ["resnet32 is larger", "'resnet20-to-32'"]),
        (["--base", "resnet56", "--motivated", "resnet20"], ["resnet56 is larger"]),
        (["--base", "resnet2"], ["base model 'resnet2'"]),
        (["--model", "resnet20", "--base", "resnet8"], ["--model", "--base"]),
        (["--convention", "mac"], ["--convention 'mac'", "'macs'"]),
        (["--format", "jsn"], ["--format 'jsn'", "'json'"]),
        (["--data", "digit"], ["'digit'", "'digits'"]),
        (["--k", "0"], ["--k", "0"]),
        (["--image-size", "0", "--classes", "10"], ["--image-size", "0"]),
        (["--image-size", "100000", "--classes", "10"], ["--image-size 100000", "2048"]),
        (["--image-size", "32", "--classes", "0"], ["--classes", "0"]),
        (["--model", "resnet20", "--k", "2"], ["--k", "resnet20"]),
        (["--classes", "10"], ["--classes", "--image-size"]),
        (["--channels", "3"], ["--channels", "--classes"]),
        (["--condition", "lost"], ["'lost'", "'loss'"]),
        (["--set", "data.image_sise=8"], ["'data.image_sise'", "'data.image_size'"]),
        (["--pretrained", "--init-from", "x"], ["--pretrained", "--init-from"]),
        (["--model", "vit-tiny-to-small", "--set", "data.train_size=4"], ["data.train_size 4"]),
        (["--data", "digits", "--classes", "10", "--image-size", "8"], ["--classes", "digits"]),
    ],
)
def test_bad_input_names_the_flag_and_the_way_out(arguments: list[str], words: list[str]) -> None:
    message = refusal(*arguments)
    for word in words:
        assert word in message


def test_the_usual_pairs_take_no_torch() -> None:
    """Their counts are written down (tests/models/test_known_macs.py holds them to what is counted)."""
    code = "import sys; from seekcli.cli.app import app\n"
    for words in ("--data digits", "--model resnet18-to-50 --data cifar100", "--model efficientnet-b0-to-b1"):
        code += f"try: app('flops {words}'.split())\nexcept SystemExit as ended: assert not ended.code\n"
    code += "assert not {'torch', 'timm', 'fvcore', 'torchvision', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
