"""The settings of the data: which it is, how it is split, and in which size models see it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seekcli.config.section import Section
from seekcli.config.value_types import Count, Fit, Fraction, Positive

STREAMED = ("imagenet", "wds")  # the words of data sets whose images are cut while they are read from disk


class DataConfig(Section):
    name: str = Field(
        "digits",
        description="a name of `seek list data`, folder:DIR, imagenet:DIR, npz:FILE, hf:DIR, wds:PATTERN, "
        "synthetic:CxHxW:CLASSES[:IMAGES], text:FILE",
    )
    dir: str | None = Field(
        None, description="where the files are; for folder:, npz:, text:, ... the folder or the file itself"
    )
    image_size: Positive | None = Field(
        None, description="resize images to this many pixels a side; not set: the data's own size"
    )
    train_size: Positive | None = Field(None, description="pixels a side while training; not set: data.image_size")
    limit_train: Positive | None = Field(None, description="train on this many images (stratified, seeded)")
    test_images: Positive | None = Field(
        None, description="digits: how many of the 1,797 images are test images; not set: a fifth (360)"
    )
    holdout_images: Count = Field(0, description="of these, take this many out as validation-loss's batch, per seed")
    validation_fraction: Fraction = Field(0.0, description="train on that much less, and validate on it (stratified)")
    folds: Annotated[int, Field(ge=2)] | None = Field(None, description="cut the training set into folds (seek tune)")
    fold: Count | None = Field(None, description="validate on this one of the folds, from 0; there is no test then")
    test_crop: Annotated[float, Field(gt=0, le=1)] = Field(
        0.875, description="imagenet:, wds: the share of the shorter side that a test image shows"
    )
    fit: Fit = Field(
        "crop", description="photographs become squares: crop takes the middle; pad (with black) and stretch show all"
    )
    rules: Literal[1, 2] = Field(
        1, description="how a data set is read and split: 2 is today's way, 1 that of earlier runs"
    )
    whole_digest: bool = Field(
        False, description="imagenet:, wds: read every file for the identity of the data, not a fixed sample of them"
    )
    grey_bits: Annotated[int, Field(ge=8, le=16)] | None = Field(
        None, description="16-bit grey images: 2^N - 1 is white; not set: their upper 8 bits are read"
    )
    fingerprint: str | None = Field(None, description="sha256 of what a folder or a text holds; resolved, never typed")
    classes: Positive | None = Field(None, description="classes, or tokens of a vocabulary; resolved, never typed")
    channels: Positive | None = Field(None, description="image channels; resolved, never typed")
    input_shape: list[Positive] | None = Field(
        None, description="rows of numbers of your own: the shape of one; resolved, never typed"
    )
    tokenizer: Literal["characters", "bytes"] | None = Field(
        None, description="text: what a token is; not set: characters (those that the text has)"
    )
    context_length: Annotated[int, Field(ge=2)] | None = Field(
        None, description="text: tokens that a model sees at once; not set: 128"
    )

    @property
    def is_streamed(self) -> bool:
        """Whether the images stay on disk while a run goes on."""
        return self.name.partition(":")[0] in STREAMED

    @property
    def examples(self) -> str:
        """What batches are made of: images, windows of a text, or rows of numbers."""
        if self.context_length is not None:
            return "windows"
        return "images" if self.input_shape is None else "rows"

    @property
    def side(self) -> int | None:
        """What a model is built for: pixels a side of an image, or tokens of a window of text."""
        return self.image_size if self.context_length is None else self.context_length
