"""timm's weights from the hub's cache or the network (a double): which file, and what is said when it cannot be had."""

from __future__ import annotations

import logging
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from seekcli.errors import BadInput
from seekcli.models.catalog import MODELS
from seekcli.models.pretrained import hub_repository, pretrained_file


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, file: None)


def test_timm_has_weights_for_most_models_and_none_for_the_cifar_resnets() -> None:
    having = {name for name in MODELS if hub_repository(name)}
    without = {spec.name for spec in MODELS.values() if spec.family in ("cifar-resnet", "gpt")}
    assert having == MODELS.keys() - without - {"efficientnet-b6", "efficientnet-b7"}
    assert hub_repository("resnet50").startswith("timm/resnet50.")
    assert hub_repository("vit-tiny").startswith("timm/vit_tiny_patch16_224.")
    assert hub_repository("efficientnet-b3").startswith("timm/efficientnet_b3.")


def test_a_cached_file_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def cached(repository: str, file: str) -> str:
        asked.append((repository.partition(".")[0], file))
        return str(tmp_path / "weights")

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_: pytest.fail("asked the network"))
    assert pretrained_file("resnet50") == tmp_path / "weights"
    assert asked == [("timm/resnet50", "model.safetensors")]


@pytest.mark.usefixtures("empty_cache")
def test_it_is_downloaded_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repository, file: str(tmp_path / file))
    assert pretrained_file("vit-small") == tmp_path / "model.safetensors"


@pytest.mark.usefixtures("empty_cache")
def test_offline_one_line_says_what_was_tried_and_what_helps(monkeypatch: pytest.MonkeyPatch, logged) -> None:
    def offline(repository: str, file: str) -> str:
        logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s [Retry 1/5].")
        raise LocalEntryNotFoundError("not found\nin any cache") from OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(BadInput) as caught:
        pretrained_file("resnet18")
    message = str(caught.value)
    assert message.startswith("--pretrained: model.safetensors of timm/resnet18.")
    words = ("huggingface.co", "Name or service not known", "`hf download timm/resnet18.", "HF_HOME", "--init-from")
    assert [word for word in words if word not in message] == []
    assert logged == []
    assert "\n" not in message


@pytest.mark.parametrize(("name", "near"), [("efficientnet-b7", "efficientnet-b5"), ("resnet56", "resnet50")])
def test_a_model_without_weights_is_told_of_the_nearest_with_some(name: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"timm has no weights for {name}; the nearest model with weights is {near}"):
        pretrained_file(name)
