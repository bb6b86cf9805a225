"""Loading an exported model, from its card and weights alone:

    from seekcli.export.load import load_model
    model, card = load_model("exports/resnet20-base")
    logits = model(card.normalise(images))  # images [B, C, H, W], uint8 0..255 or floats 0..1

Nothing is unpickled: safetensors and JSON only, and the sha256 of the weights must be that of the card.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput
from seekcli.export.card import Card, read_card
from seekcli.export.card_files import find_card, require_weights
from seekcli.models.own_models import source_digest
from seekcli.models.pairs import build_model
from seekcli.runs.weights import read_weights


def load_model(path: str | Path, device: str | torch.device = "cpu") -> tuple[nn.Module, Card]:
    """The exported model in eval mode on `device`, and its card.

    `path` is the common stem of the two files (`exports/resnet20-base`), either of them, or a folder that holds one
    model. Raises BadInput, naming the file, for what is missing, damaged, newer than this program, or does not fit.
    """
    card_path = find_card(Path(path))
    card = read_card(card_path)
    require_weights(card, card_path)
    weights = card_path.parent / card.weights.file
    model = build_from_card(card, read_weights(weights, card.weights.sha256), weights)
    warn_of_other_source(card)
    return model.to(device), card


def warn_of_other_source(card: Card) -> None:
    """Warn where the module of one's own was another one when it was trained: its tensors fit, its forward may not."""
    trained = card.architecture and card.architecture.source_sha256
    if trained and source_digest(card.model) != trained:
        warnings.warn(f"the source of {card.model} is not the one that it was trained with", stacklevel=3)


def build_from_card(card: Card, tensors: Mapping[str, Tensor], source: Path) -> nn.Module:
    """A freshly built model of the card's kind with `tensors` in it: `build_loaded` with what the card says."""
    size = card.input
    return build_loaded(card.model, card.classes, size.channels, size.image_size, tensors, source)


def build_loaded(
    name: str, classes: int, channels: int, image_size: int, tensors: Mapping[str, Tensor], source: Path
) -> nn.Module:
    """The named model with `tensors` in it, in eval mode on the CPU; torch's random state is left as it was.

    Raises BadInput, naming `source`, when the tensors do not fit the model.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(name, classes, channels, image_size)
    own = model.state_dict()
    if own.keys() != tensors.keys():
        odd = sorted(own.keys() ^ tensors.keys())
        where = "is missing from it" if odd[0] in own else f"is not in {name}"
        raise BadInput(f"{source} does not fit {name}: {odd[0]} {where} ({len(odd)} tensors differ)")
    for key, tensor in own.items():
        found = tensors[key]
        if (tensor.shape, tensor.dtype) != (found.shape, found.dtype):
            shapes = f"{key} is {shape_and_type(found)}, not {shape_and_type(tensor)}"
            raise BadInput(f"{source} does not fit {name} with {classes} classes: {shapes}")
    model.load_state_dict(dict(tensors))
    return model.eval()


def shape_and_type(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
