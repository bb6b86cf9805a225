"""What a data set says of itself: one object, in the file that reads it. It is read without torch.

Three sorts: a set that its name says all of (`cifar10`, `synthetic:3x32x32:10`), files of the user's that the name says
the place of, and a text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from seekcli.config.settings import DataConfig
    from seekcli.data.images.arrays import Arrays, Watcher
    from seekcli.data.sets.dataset import Dataset


@dataclass(frozen=True)
class DataFacts:
    """What is known of a data set before an image is read; `train_images` is what a run trains on.

    That is without what `--limit-train`, the validation split and `data.holdout_images` take away.

    `name` is a label for records (never a path), `image_size` is in pixels a side. Of a text `classes` are the tokens
    of its vocabulary, images are windows, and `image_size` is their length in tokens. Of rows of numbers of somebody's
    own `input_shape` is that of one.
    """

    name: str
    classes: int
    channels: int
    image_size: int
    train_images: int
    test_images: int
    input_shape: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class DataKind:
    """What both sorts say: the form that `--data` takes, what it is, and which recipe fits."""

    form: str  # "cifar10", or a word before a colon and what follows it: "folder:DIR"
    about: str
    recipe: str | None = None  # for every family; of small images for those that have none of their own for such
    small_images: bool = False  # they are trained on at their own few pixels
    like_imagenet: bool = False  # the recipe that a family has for ImageNet fits

    @property
    def word(self) -> str:
        """What comes before the colon: the whole name of a set without one."""
        return self.form.partition(":")[0]

    @property
    def takes_more(self) -> bool:
        """Whether a name goes on after the word."""
        return ":" in self.form


@dataclass(frozen=True, kw_only=True)
class NamedSet(DataKind):
    """A set that its name says all of."""

    facts: Callable[[DataConfig], DataFacts]
    # Settings, pixels a side, who is told how far it is -> both splits. Only photographs need the size, to be decoded
    # at it: what comes in another size is resized by the caller.
    read: Callable[[DataConfig, int, Watcher], Arrays]
    one_size: bool = True  # all its images are squares of one size; photographs have each their own shape
    test_images: bool = False  # `data.test_images` says how many of its images are test images
    bundled: bool = False  # it comes with a library that is installed anyway
    places: tuple[str, ...] = ()  # what it may be called in the data folder


@dataclass(frozen=True, kw_only=True)
class OwnSet(NamedSet):
    """Data of somebody's own, whose name is an import path: it is known by what it is."""

    by_contents: Callable[[], str]  # sha256 of all that is in it
    load_rows: Callable[[DataConfig], Dataset | None]  # rows of numbers; None where it gives images


class NamedPlace(NamedTuple):
    """Where the files of a set are, and what is said of them behind that: the columns of a table."""

    path: str
    more: str = ""


@dataclass(frozen=True, kw_only=True)
class FolderSet(DataKind):
    """Files in a folder, or a file, that the name says. `list_files` and `read` share a listing of the kind's own."""

    list_files: Callable[[Path, DataConfig], Any]
    read: Callable[[Any, DataConfig, int, Watcher], Arrays]  # listing, settings, pixels a side, watcher -> both splits
    # Every image, by the names of a trained model's classes, for the test split; not set: those of class folders.
    list_all: Callable[[Path, DataConfig, Sequence[str]], Any] | None = None
    streamed: bool = False  # its images stay on disk, and its identity may be of a sample of them
    keeps_size: bool = False  # its images have one size, and keep it where nothing else is asked for
    place: Callable[[str], NamedPlace] = NamedPlace  # what stands behind the colon
    label: Callable[[Path], str] | None = None  # what it is called in records; not set: the last word of the path


@dataclass(frozen=True, kw_only=True)
class TextSet(DataKind):
    """One text. A window of its tokens stands where an image does, a token of the vocabulary where a class does."""
