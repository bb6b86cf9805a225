"""A family of models is one object, and so is a data set: once it is registered, every command works with it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from parsed_sources import nodes_of
from torch import Tensor, nn
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.cli.completion import data_names, pairs_and_models
from seekcli.data.images.arrays import Arrays
from seekcli.data.sets import kinds
from seekcli.data.sets.kind import DataFacts, NamedSet
from seekcli.method.pair import Pair
from seekcli.method.weights_map import Shapes, WeightsMap, map_shapes
from seekcli.models import catalog
from seekcli.models.added_channels import ignore_added_inputs
from seekcli.models.family import Family, ModelSpec, Recipes

PACKAGE = Path(__file__).resolve().parents[1] / "seekcli"
# Where a shipped name stands as a word: its own files, the default of --data, rows of the paper's tables, and which
# sets are streamed: two rooms ask that may not import data.
MAY_NAME = ("models/families/", "data/sets/", "config/settings.py", "analysis/published.py", "report/published.py")
MAY_NAME += ("config/data_settings.py",)
# Words that mean something else there: a policy of AutoAugment, a key of a document, a parameter's default.
OTHER_MEANINGS = {("data/augment/augmentation_settings.py", "cifar10"), ("report/run_summary.py", "folder")}
OTHER_MEANINGS |= {("data/splitting/every_image.py", "folder"), ("in_python.py", "digits")}  # the default of --data
OTHER_MEANINGS |= {("resolve/plan.py", "folder")}
# Records have no other word of their task than the name of the data.
OTHER_MEANINGS |= {("report/examples.py", "text:")}
WIDTHS = (4, 6, 10)


class Strip(nn.Module):
    """One hidden layer: [B, channels, size, size] -> logits [B, classes]."""

    def __init__(self, width: int, classes: int, channels: int, image_size: int) -> None:
        super().__init__()
        self.inside = nn.Linear(channels * image_size**2, width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.inside(images.flatten(1))).relu())


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    return Strip(spec.order, classes, channels, image_size)


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    return map_shapes(base, motivated)


def identity(pair: Pair) -> Pair:
    ignore_added_inputs(pair.motivated, pair.weights_map)
    return pair


STRIPS = Family(
    name="strip",
    models=tuple(ModelSpec(f"strip{width}", "strip", width, 8) for width in WIDTHS),
    build=build,
    link=link,
    identity=identity,
    head="head",
    stem="inside.weight",
    stem_in_words=lambda image_size: "one linear layer",
    recipes=Recipes("cifar-resnet", small_images="small-vit"),
    channels_last=False,
)


def read_bars(data: Any, image_size: int, watcher: Any) -> Arrays:
    """A bright row or a bright column, 40 images of each; the last 10 of each are test images."""
    labels = torch.arange(80) % 2
    images = torch.zeros(80, 1, 8, 8, dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        images[index, 0].select(label, index // 2 % 8).fill_(200)
    return Arrays(images[:60], labels[:60], images[60:], labels[60:], ("row", "column"), "as made")


BARS = NamedSet(
    form="bars",
    about="bright rows and columns",
    facts=lambda data: DataFacts("bars", 2, 1, 8, 60, 20),
    read=read_bars,
    small_images=True,
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Both for one test alone."""
    with patch.dict(catalog.FAMILIES), patch.dict(catalog.MODELS), patch.dict(kinds.KINDS):
        catalog.register(STRIPS)
        kinds.register(BARS)
        yield


def seek(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def answer(*words: str) -> Any:
    return json.loads(seek(*words, "--format", "json"))


PAIR = ("--model", "strip4-to-6", "--data", "bars")


def test_both_are_listed_and_completed() -> None:
    rows = {row["name"]: row for row in answer("list", "models")}
    assert rows["strip4"]["family"] == "strip"
    assert rows["strip4"]["usual_recipe"] == "cifar-resnet"
    assert [rows[f"strip{width}"]["pair_with_next"] for width in WIDTHS] == ["strip4-to-6", "strip6-to-10", None]
    found = next(row for row in answer("list", "data") if row["name"] == "bars")
    assert (found["classes"], found["images"], found["test_images"]) == (2, "1x8x8", 20)
    assert found["about"] == "bright rows and columns"
    assert pairs_and_models("strip4-") == ["strip4-to-6", "strip4-to-10"]
    assert data_names("ba") == ["bars"]


def test_the_pair_is_mapped_and_its_cost_is_counted() -> None:
    found = answer("map", *PAIR)
    assert found["coverage"] == 1
    assert found["base_elements"] == 64 * 4 + 4 + 4 * 4 + 1 + 4 * 2 + 2
    costs = answer("flops", *PAIR)
    per_image = {model["model"]: model["forward_per_image"] for model in costs["models"]}
    assert per_image == {"strip4": 64 * 4 + 4 * 2, "strip6": 64 * 6 + 6 * 2}


def test_the_pair_trains_and_is_exported_and_evaluated(tmp_path: Path) -> None:
    """Two steps: the recipe is the family's own for small images, the layout is the family's."""
    results = tmp_path / "results"
    words = ("--batch-size", "30", "--epochs", "1", "--device", "cpu", "--k", "1", "--force")
    seek("train", *PAIR, *words, "--out", str(results), "--progress", "json")
    (folder,) = (results / "runs").iterdir()
    config = json.loads((folder / "config.json").read_text())["config"]
    assert config["recipe"] == "small-vit"
    assert config["runtime"]["layout"] == "contiguous"
    assert (config["pair"]["init"], config["data"]["classes"]) == ("identity", 2)
    seek("export", str(folder), "--to", str(tmp_path / "exported"))
    card = json.loads(next((tmp_path / "exported").glob("*base*.json")).read_text())
    assert (card["family"], card["architecture"]["stem"]) == ("strip", "one linear layer")
    assert answer("evaluate", str(folder), "--role", "base")


def test_what_a_family_does_not_have_is_refused_in_its_name() -> None:
    for words, message in (
        (("--map", "leading"), "strip4-to-6 has no fused q/k/v weights"),
        (("--init", "timm"), "timm starts strip models no other way"),
        (("--init", "stack"), "equally many blocks"),
    ):
        done = CliRunner().invoke(app, ["train", *PAIR, *words, "--dry-run"])
        assert message in done.output


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="the name strip4 is taken"):
        catalog.register(STRIPS)
    with pytest.raises(ValueError, match="the name bars is taken"):
        kinds.register(BARS)
    with pytest.raises(ValueError, match="not in growing order"):
        replace(STRIPS, models=STRIPS.models[::-1])


def test_nothing_else_knows_a_family_or_a_data_set_by_its_name() -> None:
    # "text" is a word of many meanings: what asks for that kind of data is looked for with its colon.
    shipped = ({*catalog.FAMILIES, *kinds.KINDS} - {"strip", "bars", "text"}) | {"text:"}
    found = {
        (str(path.relative_to(PACKAGE)), node.value if node.value in shipped else node.value.rstrip(":"))
        for path in PACKAGE.rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and {node.value, node.value.rstrip(":")} & shipped
    }
    assert {(file, word) for file, word in found if not file.startswith(MAY_NAME)} == OTHER_MEANINGS
