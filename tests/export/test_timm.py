"""The card says how timm builds the model: docs/export.md's own lines load an export, and the logits are equal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_runs import make_run
from safetensors.torch import save_file

from seekcli.export.card import Card
from seekcli.export.finished_run import architecture_card, open_run
from seekcli.export.formats import export_run
from seekcli.export.load import load_model
from seekcli.models.pairs import seeded_model
from seekcli.runs import records
from seekcli.runs.config_file import RecordedFacts

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
(LINES,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def exported(tmp_path: Path, model: str, image_size: int, channels: int = 3, classes: int = 7) -> Path:
    """The stem of the two files of a model with weights that were never trained."""
    facts = {"classes": classes, "channels": channels, "image_size": image_size, "class_names": [*"abcdefg"][:classes]}
    facts |= {"mean": [0.5] * channels, "std": [0.25] * channels}
    size: dict[str, Any] = {"data__image_size": image_size, "data__classes": classes, "data__channels": channels}
    run = make_run(tmp_path, "base", facts=facts, pair__base=model, **size)
    save_file(seeded_model(model, 0, classes, channels, image_size).state_dict(), run / "base.safetensors")
    records.write_status(run, records.read_status(run).model_copy(update={"weights_sha256": {}}))
    (done,) = export_run(open_run(run), ("base",), tmp_path / "exports")
    return done.card_path.with_suffix("")


@pytest.mark.parametrize(
    ("model", "image_size"),
    [
        pytest.param("resnet18", 32, marks=pytest.mark.slow),
        pytest.param("resnet18", 64, marks=pytest.mark.slow),
        pytest.param("resnet50", 32, marks=pytest.mark.slow),
        pytest.param("vit-tiny", 32, marks=pytest.mark.slow),
        pytest.param("vit-tiny", 224, marks=pytest.mark.slow),
        ("efficientnet-b0", 32),
        pytest.param("efficientnet-b1", 64, marks=pytest.mark.slow),
    ],
)
def test_timm_loads_what_was_exported(tmp_path: Path, model: str, image_size: int) -> None:
    pytest.importorskip("timm")
    stem = exported(tmp_path, model, image_size)
    found: dict[str, Any] = {}
    lines = LINES.replace("exports/RUN_ID/resnet18-base", str(stem))
    assert lines != LINES
    exec(lines, found)
    ours, card = load_model(stem)
    images = torch.randn(2, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(found["model"](images), ours(images))
    assert card.architecture is not None
    assert card.architecture.timm is not None


def architecture(model: str, image_size: int, channels: int = 3) -> dict[str, Any]:
    facts = RecordedFacts(
        classes=7, channels=channels, image_size=image_size, class_names=tuple("abcdefg"), mean=(0.5,) * channels,
        std=(0.5,) * channels, train_images=70, test_images=7,
    )  # fmt: skip
    return architecture_card(model, facts).model_dump()


def test_the_card_says_stem_patch_and_name() -> None:
    small = architecture("resnet18", 32)
    assert small["stem"] == "3x3 convolution of stride 1, no max-pool"
    assert small["timm"]["name"] == "resnet18"
    assert small["timm"]["modules"]["conv1"]["kernel_size"] == 3
    assert architecture("resnet18", 64)["timm"]["modules"] == {}
    vit = architecture("vit-tiny", 32)
    assert (vit["stem"], vit["patch_size"]) == (None, 4)
    assert vit["timm"]["arguments"] == {"num_classes": 7, "in_chans": 3, "img_size": 32, "patch_size": 4}
    own = architecture("resnet8", 8, 1)
    assert (own["timm"], own["patch_size"]) == (None, None)


def test_a_card_of_an_older_program_has_none(tmp_path: Path) -> None:
    stem = exported(tmp_path, "resnet8", 8, 1)
    data = json.loads(stem.with_suffix(".json").read_text())
    del data["architecture"]
    assert Card.model_validate({key: value for key, value in data.items() if key != "sha256"}).architecture is None
