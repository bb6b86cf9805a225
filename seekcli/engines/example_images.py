"""The images or windows that an exported graph is compared on: some of the run's own for test, or random ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seekcli.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.config.schema import RunConfig
    from seekcli.data.sets.sources import Dataset
    from seekcli.export.formats import Taken
    from seekcli.export.graphs import Example
    from seekcli.train.progress import Progress

COUNT = 8
RANDOM_SEED = 20260221


def example_images(
    taken: Taken, run: RunConfig, data: str | None, data_dir: str | None, progress: Progress
) -> Example:
    """The first test images of `data`, which is the run's own where it is not named.

    Random pixels where the run's own data is not at its place any more, and `progress` is told why. Raises BadInput
    where data that was named cannot be read.
    """
    from pathlib import Path

    from seekcli.engines.evaluation_data import Candidate, load_for_card
    from seekcli.engines.text_evaluation import load_text_for_card
    from seekcli.export.formats import parity_tokens
    from seekcli.export.graphs import Example

    candidate = Candidate(taken.card, taken.model, Path(taken.card.weights.file), run)
    text = taken.card.text is not None
    try:
        dataset = (load_text_for_card if text else load_for_card)(candidate, data, data_dir)
    except BadInput as error:
        if data is not None or data_dir is not None:
            raise
        drawn, what = (parity_tokens(taken.card), "tokens") if text else (random_pixels(taken), "pixels")
        # The reason names places of this machine, and a card names none.
        progress.note(f"{taken.card.name} is compared on random {what}: the data of the run cannot be read ({error})")
        return Example(drawn, f"random {what} (the data of the run was not to be read)")
    if text:
        return Example(first_windows(dataset), f"test windows of {dataset.facts.name}")
    return Example(first_images(taken, dataset), f"test images of {dataset.facts.name}")


def random_pixels(taken: Taken) -> Tensor:
    import torch

    size = taken.card.input
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    shape = (COUNT, size.channels, size.image_size, size.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def first_windows(dataset: Dataset) -> Tensor:
    """int64 [8, T], the first test windows; one is repeated where there are fewer."""
    import torch

    windows = dataset.test_images
    assert isinstance(windows, torch.Tensor)
    return windows[torch.arange(COUNT) % len(windows)].to(torch.int64)


def first_images(taken: Taken, dataset: Dataset) -> Tensor:
    """uint8 [8, C, S, S], the first test images as they are evaluated on; one is repeated where there are fewer."""
    import torch

    from seekcli.engines.evaluation import batches_to_evaluate

    first = torch.arange(COUNT) % len(dataset.test_labels)
    few = replace(dataset, test_images=dataset.test_images[first], test_labels=dataset.test_labels[first])
    normalised, _ = next(iter(batches_to_evaluate(taken.card, few, "cpu").test()))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (taken.card.input.mean, taken.card.input.std))
    return (255.0 * (normalised[:COUNT] * std + mean)).round().clamp(0, 255).to(torch.uint8).contiguous()
