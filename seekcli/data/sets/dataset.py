"""What was read of a data set: its images and labels, or windows of a text, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seekcli.data.images.image_files import ImageFiles
from seekcli.data.sets.kind import DataFacts
from seekcli.data.splitting.splits import first_few
from seekcli.errors import counted

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, C, H, W] and labels int64 [N] of both splits, in the host's memory (streamed ones: on disk).

    `mean` and `std` are per channel, of all training images before any limit or split, at the size trained on, scaled
    to 0..1.
    `split` says who chose the test images, and what was left out. `holdout.hold_out` takes the held-out images, which a
    run's seed chooses, from the training images. A run over a fold (`data.fold`) has an empty test split.
    `fingerprint` is a folder's identity by `rules`, which are those of `data.rules`; `contents` is that by contents
    where the fingerprint is not. `test_paths` are those of a folder's test images below it; None where images have no
    file each.

    Of a text, images are windows int32 [N, T] and labels the tokens that follow, int32 [N, T]; there is no mean, and
    `token_bytes` are the bytes that each token of the vocabulary stands for. Rows of numbers are float32 [N, ...] with
    targets [N, ...], without a mean. `words` replace the summary.
    """

    facts: DataFacts
    train_images: Tensor | ImageFiles
    train_labels: Tensor
    test_images: Tensor | ImageFiles
    test_labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    split: str
    rules: int = 1
    fingerprint: str | None = None
    contents: str | None = None
    holdout_images: Tensor | ImageFiles | None = None
    holdout_labels: Tensor | None = None
    validation_images: Tensor | ImageFiles | None = None
    validation_labels: Tensor | None = None
    test_paths: tuple[str, ...] | None = None
    token_bytes: tuple[int, ...] | None = None
    words: str | None = None

    @property
    def is_rows(self) -> bool:
        """Whether it is rows of numbers, for a task of somebody's own."""
        return self.facts.input_shape is not None

    @property
    def examples(self) -> str:
        """What there are of it: images, windows of a text, or rows."""
        return "windows" if self.token_bytes is not None else "rows" if self.is_rows else "images"

    @property
    def summary(self) -> str:
        """How many images there are, and who chose which is which."""
        if self.words is not None:
            return self.words
        validation = 0 if self.validation_labels is None else len(self.validation_labels)
        counts = {"training": len(self.train_labels), "validation": validation, "test": len(self.test_labels)}
        return f"{self.facts.name}: {counts_in_words(counts, self.class_names)}; {self.split}"


def counts_in_words(counts: dict[str, int], class_names: Sequence[str], classes: int | None = None) -> str:
    """`120 training and 30 test images of 3 classes (cat, dog, frog)`; without names their number, `classes`, is said.

    Splits without images are left out.
    """
    named = f" ({first_few(class_names)})" if class_names else ""
    *words, last = [f"{count:,} {split}" for split, count in counts.items() if count]
    both = f"{', '.join(words)} and {last}" if words else last
    noun = "image" if last.startswith("1 ") else "images"
    return f"{both} {noun} of {counted(classes or len(class_names), 'class', 'classes')}{named}"
