"""How long one image takes on this CPU, of several models side by side. It is printed and kept nowhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from seekcli.export.card import Card
from seekcli.export.formats import Exported
from seekcli.export.graphs import LOADERS, Answers, logits
from seekcli.export.load import load_model

ROUNDS, WARM_UP, SECONDS = 50, 3, 10.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds for a batch of one image on one thread: median and quartiles of `rounds` forwards."""

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.3g} ms [{self.low:.3g}, {self.high:.3g}]"


def latencies(exported: Sequence[Exported]) -> list[Latency]:
    """Of each file as its program runs it, on one thread. The models take turns: what disturbs one disturbs all.

    Ends after `ROUNDS` forwards of each, or a few seconds. Torch's thread count is as before afterwards.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        running = [(answers_of(one), one_image(one.card)) for one in exported]
        for answers, image in running * WARM_UP:
            answers(image)
        return measured(running)
    finally:
        torch.set_num_threads(threads)


def measured(running: Sequence[tuple[Answers, Tensor]]) -> list[Latency]:
    taken: list[list[float]] = [[] for _ in running]
    until = time.monotonic() + SECONDS
    while len(taken[0]) < ROUNDS and (time.monotonic() < until or len(taken[0]) < WARM_UP):
        for (answers, image), times in zip(running, taken, strict=True):
            begun = time.perf_counter()
            answers(image)
            times.append(1000 * (time.perf_counter() - begun))
    return [latency_of(times) for times in taken]


def latency_of(times: Sequence[float]) -> Latency:
    median, low, high = map(float, numpy.percentile(times, (50, 25, 75)))
    return Latency(median, low, high, len(times))


def answers_of(one: Exported) -> Answers:
    graph = one.card.graph
    if graph is not None:
        return LOADERS[one.card.weights.format](one.weights_path, graph.input_name)
    model, _ = load_model(one.card_path)
    return lambda images: logits(model, images)


def one_image(card: Card) -> Tensor:
    if card.text is not None:
        return torch.zeros(1, card.text.context_length, dtype=torch.int64)
    shape = (1, card.input.channels, card.input.image_size, card.input.image_size)
    if card.graph is not None and card.graph.preprocessing_inside:
        return torch.full(shape, 128, dtype=torch.uint8)
    return torch.zeros(shape)
