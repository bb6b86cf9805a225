"""The layouts that are written down are those that are built. Run as a program this file writes them anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seekcli.config.schema import RunConfig
from seekcli.models import layouts
from seekcli.models.catalog import MODELS, family_of, pair_names, parse_pair
from seekcli.models.layouts import KINDS, Layout, installed_timm, known_layout, layout_of, sizes_of
from seekcli.models.pair_description import describe_pair
from seekcli.models.pairs import NothingDrawn, build_model
from seekcli.report.weights_map import weights_map_text
from seekcli.resolve.resolve import resolve

# Classes, channels and pixels a side: both stems of a ResNet, three patches of a transformer.
SIZES = ((37, 5, 32), (41, 7, 224), (43, 6, 112))
QUICK = ("resnet8", "resnet18", "vit-tiny", "gpt-4x64-ff128")
# Of each family one, on the data of its recipe or on some of another size.
QUICK_PAIRS = (
    ("resnet20-to-32", ()),
    ("resnet8-to-14", ("data.name=cifar100", "pair.buffers=carried")),
    ("resnet18-to-50", ("data.name=synthetic:3x64x64:7",)),
    pytest.param("vit-tiny-to-small", ("data.name=cifar10", "pair.map=leading"), marks=pytest.mark.slow),
    ("gpt-2x64-to-4x64", ()),
)


def built(name: str, sizes: tuple[int, int, int]) -> Layout:
    with torch.device("meta"), NothingDrawn():
        return layout_of(build_model(name, *sizes))


def check(name: str) -> None:
    for sizes in SIZES:
        found, expected = known_layout(name, *sizes), built(name, sizes)
        assert found == expected
        assert found is not None
        assert list(found.shapes) == list(expected.shapes), "in the order of the state_dict"


@pytest.mark.parametrize("name", QUICK)
def test_what_is_written_down_is_what_is_built(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name not in QUICK])
def test_all_that_is_written_down_is_what_is_built(name: str) -> None:
    check(name)


def configured(pair: str, *settings: str) -> RunConfig:
    base, motivated = parse_pair(pair)
    said: dict[str, Any] = {"pair.base": base, "pair.motivated": motivated}
    return resolve([("test", said | dict(setting.split("=") for setting in settings))]).config


def check_map(monkeypatch: pytest.MonkeyPatch, pair: str, *settings: str) -> None:
    """Letter by letter what is printed of the models that are built."""
    config = configured(pair, *settings)
    with monkeypatch.context() as patched:
        patched.setattr("seekcli.models.pairs.build_model", None)  # a call would fail
        known = describe_pair(config)
    with monkeypatch.context() as patched:
        patched.setattr("seekcli.models.pair_description.known_layout", lambda *facts: None)
        made = describe_pair(config)
    assert json.dumps(known) == json.dumps(made)
    assert weights_map_text(known, with_tensors=True) == weights_map_text(made, with_tensors=True)


@pytest.mark.parametrize(("pair", "settings"), QUICK_PAIRS)
def test_a_map_is_that_of_the_models_that_are_built(
    pair: str, settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_map(monkeypatch, pair, *settings)


@pytest.mark.slow
@pytest.mark.parametrize("pair", pair_names())
def test_every_map_is_that_of_the_models_that_are_built(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_map(monkeypatch, pair)


def test_another_timm_may_have_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "installed_timm", lambda: "99.0")
    assert known_layout("resnet18", 10, 3, 32) is None
    assert known_layout("resnet20", 10, 3, 32) is not None, "no network of timm's"


def test_the_layouts_are_those_of_the_pinned_timm() -> None:
    pins = (Path(__file__).resolve().parents[2] / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"timm=={layouts._written()['timm']}" in pins


def test_the_catalog_is_written_down_and_modules_of_ones_own_are_not() -> None:
    assert set(layouts._written()["models"]) == set(MODELS)
    assert known_layout("timm:resnet18", 10, 3, 32) is None


def test_a_map_of_the_catalog_takes_no_torch() -> None:
    code = "import sys; from seekcli.cli.app import app\n"
    for words in ("", "--model resnet18-to-50", "--model efficientnet-b0-to-b1 --tensors", "--model vit-tiny-to-small"):
        code += f"try: app('map {words}'.split())\nexcept SystemExit as ended: assert not ended.code\n"
    code += "assert not {'torch', 'timm', 'fvcore', 'torchvision', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


# --- writing them -----------------------------------------------------------------------------------------------------


def written_down(name: str) -> dict[str, Any]:
    """Stages, and a line for each layer. A dimension that moves with the sizes is written as the word for it."""
    found = [built(name, sizes) for sizes in SIZES]
    values = [sizes_of(family_of(name), *sizes) for sizes in SIZES]

    def dimensions(tensor: str) -> str:
        return " ".join(
            str(moving[0]) if len(set(moving)) == 1 else word_for(moving)
            for moving in zip(*(layout.shapes[tensor] for layout in found), strict=True)
        )

    def word_for(moving: tuple[int, ...]) -> str:
        (word,) = (word for word in values[0] if tuple(sizes[word] for sizes in values) == moving)
        return word

    layers: dict[str, list[str]] = {}
    for tensor in found[0].shapes:
        layer, _, kind = tensor.rpartition(".")
        layers.setdefault(layer, []).append(kind)
    kinds = {tuple(ending[1:] for ending, _ in tensors): kind for kind, tensors in KINDS.items()}
    lines = []
    for layer, tensors in layers.items():
        if kind := kinds.get(tuple(tensors)):
            lines.append(f"{layer} {kind} {dimensions(f'{layer}.{tensors[0]}')}")
        else:
            whole = [f"{layer}.{tensor}" if layer else tensor for tensor in tensors]
            lines += [f"{tensor} tensor {dimensions(tensor)}" for tensor in whole]
    return {"stages": found[0].stages, "layers": lines}


if __name__ == "__main__":
    models = [f"    {json.dumps(name)}: {json.dumps(written_down(name))}" for name in MODELS]
    text = f'{{\n  "timm": {json.dumps(installed_timm())},\n  "models": {{\n' + ",\n".join(models) + "\n  }\n}\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")
