"""Writing a model as a graph that other programs run: ONNX (`torch.onnx`, dynamo exporter) and PT2 (`torch.export`).

The batch is of any size. Each file is loaded back by the program that will run it and compared with the model on
batches of several sizes, before it gets its name.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from seekcli.errors import BadInput, RunFailed
from seekcli.export.card import Card, GraphCard
from seekcli.export.graph_errors import why_not_written

COMPARED_BATCHES = (1, 2, 5)
# Of the largest logit. Another program sums in another order: float32 rounding is some 1e-6 of it.
TOLERANCE = 1e-4
# The metadata of an ONNX file and the extra file of a PT2 archive have the same content, under this name in the latter.
EXTRA_FILE = "seekcli.json"

Answers = Callable[[Tensor], Tensor]  # images as the graph takes them -> logits [B, classes]


@dataclass(frozen=True)
class Example:
    """Images to compare on: uint8 [N, channels, image_size, image_size], N >= 5, and what they are, in words.

    Of a text windows of tokens, int64 [N, context].
    """

    images: Tensor
    what: str


class WithPreprocessing(nn.Module):
    """A model that takes pixels, uint8 [B, C, H, W] of 0..255, and normalises them as in training."""

    shift: Tensor
    scale: Tensor

    def __init__(self, model: nn.Module, card: Card) -> None:
        super().__init__()
        self.model = model
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (card.input.mean, card.input.std))
        self.register_buffer("shift", 255.0 * mean)
        self.register_buffer("scale", 1.0 / (255.0 * std))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model((pixels.to(torch.float32) - self.shift) * self.scale)


def write_graph(model: nn.Module, card: Card, format_name: str, example: Example, path: Path, pre: bool) -> GraphCard:
    """Write the graph of `model` (in eval mode, on the CPU) to `path`, read it back and compare.

    `pre` puts the normalisation inside: the graph takes pixels then. Raises RunFailed, where what was written gives
    other logits than the model, or cannot be written.
    """
    module = WithPreprocessing(model, card).eval() if pre else model
    name = input_name(card, pre)
    images = example.images if pre or card.text else card.normalise(example.images)
    metadata = {"class_names": list(card.class_names), "input": card.input.model_dump(mode="json"),
                "preprocessing_inside": pre, "model": card.model, "run_id": card.training.run_id}  # fmt: skip
    if card.text is not None:
        metadata["text"] = card.text.model_dump(mode="json")
    try:
        with quiet():
            WRITERS[format_name](module, images[:2], name, metadata, path)
            answers = LOADERS[format_name](path, name)
            found = [(answers(images[:count]), logits(module, images[:count])) for count in COMPARED_BATCHES]
    except (BadInput, RunFailed, OSError):
        raise
    except Exception as error:  # what the exporters raise has no common base
        why = why_not_written(error, model)
        raise RunFailed(f"{card.model} could not be written as {format_name}: {why}") from error
    difference = max((ours - theirs).abs().max().item() for theirs, ours in found)
    largest = max(ours.abs().max().item() for _, ours in found)
    if not difference <= TOLERANCE * max(1.0, largest):  # also where one of them is NaN
        raise RunFailed(
            f"{card.model} was not exported as {format_name}: its logits differ from the model's by up to "
            f"{difference:.3g} (the largest is {largest:.3g})"
        )
    return GraphCard(
        input_name=name,
        input_dtype="int64" if card.text else "uint8" if pre else "float32",
        preprocessing_inside=pre,
        compared_with=program(format_name),
        compared_batches=COMPARED_BATCHES,
        compared_on=example.what,
        largest_difference=difference,
        largest_logit=largest,
        weights_sha256=card.weights.sha256,
    )


def input_name(card: Card, pre: bool) -> str:
    if card.text is not None:
        return "tokens"
    return "pixels" if pre else "images"


@torch.no_grad()
def logits(module: nn.Module, images: Tensor) -> Tensor:
    return module(images)


def program(format_name: str) -> str:
    name = "onnxruntime" if format_name == "onnx" else "torch"
    return f"{name} {importlib.metadata.version(name)}"


def write_onnx(module: nn.Module, images: Tensor, name: str, metadata: Mapping[str, object], path: Path) -> None:
    written = torch.onnx.export(
        module, (images,), dynamo=True, dynamic_shapes=(any_batch(),), input_names=[name], output_names=["logits"],
        external_data=False, verbose=False,
    )  # fmt: skip
    if written is None:
        raise RunFailed("torch.onnx.export gave no program")
    written.model.metadata_props.update({key: json.dumps(value) for key, value in metadata.items()})
    written.save(str(path), external_data=False)


def write_pt2(module: nn.Module, images: Tensor, name: str, metadata: Mapping[str, object], path: Path) -> None:
    written = torch.export.export(module, (images,), dynamic_shapes=(any_batch(),))
    torch.export.save(written, str(path), extra_files={EXTRA_FILE: json.dumps(metadata)})


def any_batch() -> dict[int, object]:
    return {0: torch.export.Dim("batch", min=1)}


def load_onnx(path: Path, name: str) -> Answers:
    """On as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {name: images.numpy()})[0])


def load_pt2(path: Path, name: str) -> Answers:
    module = torch.export.load(str(path)).module()
    return lambda images: logits(module, images)


WRITERS = {"onnx": write_onnx, "pt2": write_pt2}
LOADERS = {"onnx": load_onnx, "pt2": load_pt2}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporters print and warn of their own workings, which tell a user nothing; of a failure pages of it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    unread = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(unread), contextlib.redirect_stderr(unread):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
