"""Writing a model for use elsewhere: the weights, a card beside them, and the proof that they give equal logits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn

from seekcli import files
from seekcli.documents import read_document, write_document
from seekcli.errors import BadInput, RunFailed
from seekcli.export.card import Card, WeightsCard, file_stem
from seekcli.export.finished_run import FinishedRun
from seekcli.export.load import build_from_card, build_loaded
from seekcli.export.model_card import README
from seekcli.runs.weights import parse_weights, read_bytes, sha256_of_bytes

# One key only, or the bytes of the file would change from process to process. Some other readers ask for this one.
METADATA = {"format": "pt"}
PARITY_IMAGES = 8
PARITY_SEED = 20260221


@dataclass(frozen=True)
class Exported:
    """One model that was written and read back."""

    card: Card
    card_path: Path
    weights_path: Path


@dataclass(frozen=True)
class Taken:
    """One model as a run left it: its card, its tensors, and itself in eval mode."""

    card: Card
    tensors: Mapping[str, Tensor]
    model: nn.Module


def export_run(
    run: FinishedRun,
    roles: Sequence[str],
    folder: Path,
    overwrite: bool = False,
    mended: Callable[[Taken], Taken] = lambda taken: taken,
) -> list[Exported]:
    """Write `<model>-<role>.safetensors` and `.json` for each role, each checked before it gets its name.

    `mended` may change a model before it is written. The same export again is fine. Raises BadInput, with nothing
    written, for a damaged model file of the run, a folder that cannot be written to, or other files in the way (unless
    `overwrite`); RunFailed when a written model does not give the logits of the run's own.
    """
    taken = [mended(take_model(run, role)) for role in roles]
    require_writable(folder)
    files.require_free_bytes(folder, 2 * sum(one.card.weights.bytes for one in taken))
    if not overwrite:
        for one in taken:
            require_free_names(one.card, folder)
    return [write_checked(one, folder) for one in taken]


def take_model(run: FinishedRun, role: str) -> Taken:
    """The model of a role from the run's own file. Raises BadInput naming the file when it is missing or damaged."""
    model_name, facts = run.final_row(role)["model"], run.facts
    source = run.weights_path(role)
    tensors = run.weights(role)
    model = build_loaded(model_name, facts.classes, facts.channels, facts.image_size, tensors, source)
    return Taken(
        run.card(role, weights_card(f"{file_stem(model_name, role)}.safetensors", tensors, model)), tensors, model
    )


def weights_card(file: str, tensors: Mapping[str, Tensor], model: nn.Module) -> WeightsCard:
    data = save(dict(tensors), metadata=METADATA)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return WeightsCard(file=file, sha256=sha256_of_bytes(data), bytes=len(data), parameters=parameters)


def require_writable(folder: Path) -> None:
    """Raise BadInput unless files can be made in `folder`, which need not exist yet. Makes nothing."""
    standing = folder
    while not os.path.lexists(standing) and standing != standing.parent:
        standing = standing.parent
    if not standing.is_dir():
        raise BadInput(f"--to {folder}: {standing} is not a folder")
    if not os.access(standing, os.W_OK | os.X_OK):
        raise BadInput(f"--to {folder}: {standing} is not writable")
    if (card := folder / README).is_dir():
        raise BadInput(f"--to {folder}: {card} is a folder, and the model card has that name")


def require_free_names(card: Card, folder: Path) -> None:
    """Raise BadInput when a file of another export, or of something else, has one of the names."""
    weights, card_path = folder / card.weights.file, folder / card.file
    if weights.exists() and sha256_of_bytes(read_bytes(weights)) != card.weights.sha256:
        raise BadInput(f"{weights} exists and holds other weights: name another folder with --to, or add --overwrite")
    if card_path.exists() and not holds(card_path, card):
        raise BadInput(f"{card_path} exists and differs: name another folder with --to, or add --overwrite")


def holds(path: Path, card: Card) -> bool:
    try:
        return bool(read_document(path) == card.as_data())
    except BadInput:
        return False


def write_checked(taken: Taken, folder: Path) -> Exported:
    """Write, read back, compare, and only then give the files their names: the card first, the weights last.

    So weights under their name always have their card; a card whose weights never came is refused by the loader.
    """
    card = taken.card
    weights_path, card_path = folder / card.weights.file, folder / card.file

    def write(temporary: Path) -> None:
        save_file(dict(taken.tensors), temporary, metadata=METADATA)
        check_parity(taken, temporary)
        write_document(card_path, card.as_data())

    files.write_with(weights_path, write)
    return Exported(card, card_path, weights_path)


def check_parity(taken: Taken, written: Path) -> None:
    """Raise RunFailed unless the written file, in a freshly built model, gives the same bits as the run's own model."""
    card = taken.card
    data = read_bytes(written)
    if sha256_of_bytes(data) != card.weights.sha256:
        raise RunFailed(f"{card.weights.file} was not exported: what was read back differs from what was written")
    images = parity_images(card) if card.text is None else parity_tokens(card)
    with torch.no_grad():
        expected = taken.model(images)
        found = build_from_card(card, parse_weights(written, data), written)(images)
    if not torch.isfinite(expected).all():
        raise RunFailed(f"{card.weights.file} was not exported: the run's {card.role} model gives non-finite logits")
    if not torch.equal(expected, found):
        error = (expected - found).abs().max().item()
        raise RunFailed(f"{card.weights.file} was not exported: its logits differ from the run's by up to {error:.3g}")


def parity_images(card: Card) -> Tensor:
    """A fixed batch [8, channels, image_size, image_size] of unit normal noise: like normalised images in scale."""
    generator = torch.Generator().manual_seed(PARITY_SEED)
    size = card.input
    return torch.randn(PARITY_IMAGES, size.channels, size.image_size, size.image_size, generator=generator)


def parity_tokens(card: Card) -> Tensor:
    """A fixed batch of windows, int64 [8, context], of tokens drawn at random."""
    generator = torch.Generator().manual_seed(PARITY_SEED)
    return torch.randint(card.classes, (PARITY_IMAGES, card.input.image_size), generator=generator)
