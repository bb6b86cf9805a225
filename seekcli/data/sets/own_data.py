"""Data of somebody's own: a callable by its import path (`--data my_data:load`), which gives both splits as arrays.

It is called without arguments and gives four things, or five with the names of the classes:

    training images, training labels, test images, test labels[, class names]

Images are uint8 [N, C, H, W] with H = W, numpy arrays or torch tensors; labels are whole numbers [N] from 0 on. Where
the first thing holds floats they are rows of numbers (own_rows.py), for a task of one's own. The
identity of the data is the sha256 of all of it, so that other images are another run.
"""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from seekcli.data.images.arrays import Arrays
from seekcli.data.sets.kept_listings import kept
from seekcli.data.sets.kind import DataFacts, OwnSet
from seekcli.data.sets.own_rows import Rows, load_rows, row_facts, rows_of
from seekcli.errors import BadInput, shown_value
from seekcli.own_code.paths import imported, line_of

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.config.settings import DataConfig
    from seekcli.data.sets.dataset import Dataset

CONTRACT = "(training images, training labels, test images, test labels[, class names])"
SPLIT = "split by its own code"
TRAIN, TEST = "training", "test"


def own_set(path: str) -> OwnSet:
    """The data set that an import path names. Nothing is imported before its facts are asked for."""
    return OwnSet(
        form=path,
        about="data of your own: a callable by its import path",
        small_images=True,
        facts=partial(own_facts, path),
        read=lambda data, size, watcher: own_arrays(path),
        by_contents=partial(own_digest, path),
        load_rows=partial(own_rows, path),
    )


def own_facts(path: str, data: DataConfig) -> DataFacts:
    """Raises BadInput, naming the path, where the callable gives anything else than is asked of it."""
    if data.dir is not None:
        raise BadInput(f"--data-dir {data.dir}: {path} is called without a folder; leave it out")
    given = given_by(path)
    if isinstance(given, Rows):
        return row_facts(path, given, data)
    images, channels, side, _ = given.train_images.shape
    return DataFacts(path, len(given.class_names), channels, side, images, len(given.test_labels))


def own_arrays(path: str) -> Arrays:
    given = given_by(path)
    assert isinstance(given, Given), "rows are loaded by load_rows"
    return Arrays(*given, SPLIT)


def own_rows(path: str, data: DataConfig) -> Dataset | None:
    """The rows that it gives; None where it gives images."""
    given = given_by(path)
    return load_rows(path, given, data, own_digest(path)) if isinstance(given, Rows) else None


def own_digest(path: str) -> str:
    return kept(("digest of own data", path), lambda: digest_of(given_by(path)))


class Given(NamedTuple):
    """What the callable gave, as tensors: images uint8 [N, C, H, W], labels int64 [N]."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]


def digest_of(given: Given | Rows) -> str:
    """sha256 of the pixels, labels and class names of both splits; of rows their inputs and targets."""
    names = given.class_names if isinstance(given, Given) else "rows"
    digest = hashlib.sha256(repr(names).encode())
    for tensor in given[:4]:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def given_by(path: str) -> Given | Rows:
    """Called once while one plan is made or one run starts, however often it is asked for there."""
    return kept(("own data", path), lambda: called(path))


def called(path: str) -> Given | Rows:
    said = f"--data {path}"
    load = what_is_named(path, said)
    if not callable(load):
        raise BadInput(f"{said}: is a {type(load).__name__}, not a callable that gives {CONTRACT}")
    try:
        given = load()
    except (Exception, SystemExit) as error:  # anybody's code
        raise BadInput(f"{said}: called without arguments it raised {line_of(error)}") from error
    if not isinstance(given, tuple | list) or len(given) not in (4, 5):
        found = f"{len(given)} things" if isinstance(given, tuple | list) else f"a {type(given).__name__}"
        raise BadInput(f"{said}: gave {found} instead of {CONTRACT}")
    if holds_floats(given[0]) and holds_floats(given[2]):
        return rows_of(said, given)
    train, test = images_of(said, TRAIN, given[0]), images_of(said, TEST, given[2])
    if train.shape[1:] != test.shape[1:]:
        shapes = [list(images.shape[1:]) for images in (train, test)]
        raise BadInput(
            f"{said}: its training images are {shapes[0]} and its test images {shapes[1]}: one shape is needed"
        )
    labels = [labels_of(said, split, *pair) for split, *pair in ((TRAIN, given[1], train), (TEST, given[3], test))]
    names = names_of(said, given[4] if len(given) == 5 else None, labels[0])
    check_range(said, labels, names)
    return Given(train, labels[0], test, labels[1], names)


def holds_floats(given: Any) -> bool:
    """Whether it is an array of floats, numpy's or torch's."""
    kind = getattr(given, "dtype", None)
    return "float" in str(kind)


def what_is_named(path: str, said: str) -> Any:
    """What the path names. Raises BadInput as `imported`, and for a word that is nearly that of a shipped data set."""
    from seekcli.data.sets.kinds import KINDS

    try:
        return imported(path, said)
    except BadInput as error:
        close = get_close_matches(path.partition(":")[0], list(KINDS), n=1, cutoff=0.75)
        if close:
            raise BadInput(f"{error}; did you mean {KINDS[close[0]].form}?") from None
        raise


def images_of(said: str, split: str, given: Any) -> Tensor:
    images = as_tensor(said, f"{split} images", given, "a uint8 array [N, C, H, W]")
    kind = str(images.dtype).removeprefix("torch.")
    if kind != "uint8":
        raise BadInput(f"{said}: its {split} images are {kind}: uint8, 0 to 255, is needed")
    if images.dim() != 4 or images.shape[2] != images.shape[3] or 0 in images.shape:
        raise BadInput(f"{said}: its {split} images are {list(images.shape)}: [N, C, H, W] with H = W is needed")
    return images.contiguous()


def labels_of(said: str, split: str, given: Any, images: Tensor) -> Tensor:
    import torch

    labels = as_tensor(said, f"{split} labels", given, "an array [N] of whole numbers")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        kind = str(labels.dtype).removeprefix("torch.")
        raise BadInput(f"{said}: its {split} labels are {kind}: whole numbers from 0 on are needed")
    if tuple(labels.shape) != (len(images),):
        raise BadInput(
            f"{said}: its {split} labels are {list(labels.shape)} for {len(images)} images: one each is needed"
        )
    return labels.to(torch.int64)


def as_tensor(said: str, what: str, given: Any, needed: str) -> Tensor:
    import numpy as np
    import torch

    if isinstance(given, torch.Tensor):
        return given.detach().cpu()
    if not isinstance(given, np.ndarray):
        raise BadInput(f"{said}: its {what} are a {type(given).__name__}: {needed} (numpy or torch) is needed")
    try:
        return torch.from_numpy(np.array(given))
    except TypeError:
        raise BadInput(f"{said}: its {what} are an array of {given.dtype}: {needed} is needed") from None


def names_of(said: str, given: Any, labels: Tensor) -> tuple[str, ...]:
    """Those that are given, else the numbers up to the largest training label."""
    if given is None:
        return tuple(str(label) for label in range(int(labels.max()) + 1))
    names = tuple(given) if isinstance(given, tuple | list) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise BadInput(f"{said}: its class names are {shown_value(given)}: a list of different texts is needed")
    return names


def check_range(said: str, labels: list[Tensor], names: tuple[str, ...]) -> None:
    for split, found in zip((TRAIN, TEST), labels, strict=True):
        low, high = int(found.min()), int(found.max())
        if low < 0 or high >= len(names):
            raise BadInput(f"{said}: its {split} labels are {low} to {high}: 0 to {len(names) - 1} are its classes")
    if len(names) < 2:
        raise BadInput(f"{said}: has one class; at least 2 are needed")
