"""The models of somebody's own loop as files: weights, and a card that says what they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from seekcli import __version__, files
from seekcli.documents import write_document
from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seekcli.own_loop.loop import OwnLoop

CARD = "card.json"


def save_models(loop: OwnLoop, folder: Path) -> list[Path]:
    """Write `base.safetensors`, `motivated.safetensors` (those that the loop has) and `card.json`; the paths written.

    Raises BadInput."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file; name a folder")
    models = loop.models_to_keep()
    data = {role: weights_of(model) for role, model in models.items()}
    files.make_folder(folder)
    paths = {role: folder / f"{role}.safetensors" for role in data}
    for role, path in paths.items():
        files.write_bytes(path, data[role])
    write_document(folder / CARD, card_of(loop, models, data))
    return [*paths.values(), folder / CARD]


def weights_of(model: nn.Module) -> bytes:
    """Every tensor by each of its names, so that a strict `load_state_dict` takes it: tied weights stand twice."""
    return save(tensors_of(model))


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in model.state_dict().items()}


def card_of(loop: OwnLoop, models: dict[str, nn.Module], data: dict[str, bytes]) -> dict[str, Any]:
    return {
        "card_format": 1,
        "made_by": f"seekcli {__version__}, in a loop of one's own",
        "models": {
            role: {
                "class": f"{type(model).__module__}:{type(model).__qualname__}",
                "file": f"{role}.safetensors",
                "sha256": hashlib.sha256(data[role]).hexdigest(),
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
                "metrics": loop.metrics.get(role, {}),
            }
            for role, model in models.items()
        },
        "coverage": loop.coverage,
        "epochs": loop.epoch,
        "steps": loop.steps_done,
        "motivated_steps": loop.motivated_steps,
        "statistics_estimated_anew": loop.recalibrate is not None,
    }
