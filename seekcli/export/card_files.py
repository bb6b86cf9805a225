"""Which exported models a path names, from the names of its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.errors import BadInput
from seekcli.export.kinds import GRAPH_FORMATS
from seekcli.runs.folder import RunFolder

if TYPE_CHECKING:
    from seekcli.export.card import Card

OF_OWN_LOOP = "card.json"  # what own_loop/saved.py writes beside the models of a loop of somebody's own


def find_card(path: Path) -> Path:
    """The card that `path` means. Raises BadInput when there is none, or more than one."""
    if path.is_dir():
        cards = find_cards(path)
        if len(cards) > 1:
            raise BadInput(f"{path} holds several models: name one, {' or '.join(str(card) for card in cards)}")
        return cards[0]
    stem = path.with_suffix("") if path.suffix in (".json", ".safetensors") else path
    card = stem.with_name(f"{stem.name}.json")
    if not card.is_file() and (graphs := graph_cards(path)):
        return graphs[0]  # whose reader says what runs it
    if not card.is_file():
        raise BadInput(f"there is no exported model at {path} ({card} does not exist)")
    return card


def is_export(path: Path) -> bool:
    """Whether `path` names an exported model, or a folder with some, rather than a run or nothing at all."""
    if path.suffix in (".json", ".safetensors") and path.is_file():
        return path.with_suffix(".json").is_file()
    if path.is_dir():
        return not RunFolder(path).holds_run and (any(path.glob("*.safetensors")) or bool(graph_cards(path)))
    return path.with_name(f"{path.name}.json").is_file() or bool(graph_cards(path))


def graph_cards(path: Path) -> list[Path]:
    """The cards of graphs in a folder, or of those that have this common stem."""
    if path.is_dir():
        return sorted(card for kind in GRAPH_FORMATS for card in path.glob(f"*.{kind}.json"))
    named = [path.with_name(f"{path.name}.{kind}.json") for kind in GRAPH_FORMATS]
    return [card for card in named if card.is_file()]


def require_weights(card: Card, path: Path) -> None:
    """Raise BadInput for the card of a graph, which other programs run and this one does not read."""
    if card.graph is not None:
        runs = "onnxruntime" if card.weights.format == "onnx" else "torch.export.load"
        raise BadInput(f"{path} is of a graph ({card.weights.format}), which {runs} runs: it holds no weights")


def find_cards(folder: Path) -> list[Path]:
    """The cards in a folder: every JSON file with weights of its name beside it. Raises BadInput when there is none."""
    cards = sorted(path for path in folder.glob("*.json") if path.with_suffix(".safetensors").is_file())
    if not cards and (folder / OF_OWN_LOOP).is_file():
        raise BadInput(
            f"{folder} was saved by a loop of one's own, whose modules seek cannot build: make the module, and load "
            "base.safetensors or motivated.safetensors into it with safetensors.torch.load_file"
        )
    if not cards and (graphs := graph_cards(folder)):
        raise BadInput(
            f"{folder} holds graphs ({', '.join(card.stem for card in graphs)}), which onnxruntime and torch run; "
            "weights are written by seek export --format safetensors"
        )
    if not cards:
        raise BadInput(f"{folder} holds no exported model (no .json card with a .safetensors file beside it)")
    return cards
