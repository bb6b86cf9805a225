"""Labels of images that lie in arrays, tables and shards: the class of each image, by its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput, shown_value, unknown

if TYPE_CHECKING:
    import numpy as np

WHOLE = re.compile(r"-?\d{1,18}")
UNLABELLED = -1  # what published test splits have instead of labels


def no_label_in(values: Iterable[Any]) -> bool:
    """Whether no image of a split has a label: each value is None or -1, as a number or a text."""
    return all(
        value is None or value == UNLABELLED or (isinstance(value, str) and value.strip() == str(UNLABELLED))
        for value in values
    )


def class_of_each(what: str, given: np.ndarray, names: Sequence[str] | None = None) -> list[str]:
    """The class of each image, by its name; a number is its own name where there are no `names` for it to index.

    `given` is [N] or [N, 1] of whole numbers (floats that are whole too), booleans or texts, or [N, K] with a single 1
    in each row. `what` begins the message of the BadInput that is raised for anything else.
    """
    labels = one_each(what, given)
    if labels.dtype.kind in "US":
        return named_by_text(what, labels, names)
    numbers = as_numbers(what, labels).tolist()
    for image, number in enumerate(numbers):
        if number < 0:
            raise BadInput(f"{what}: label {number} of image {image}: classes are counted from 0")
        if names is not None and number >= len(names):
            raise BadInput(f"{what}: label {number} of image {image}: the names are of labels 0 to {len(names) - 1}")
    return [str(number) if names is None else names[number] for number in numbers]


def one_each(what: str, given: np.ndarray) -> np.ndarray:
    """[N] of one label each, of [N], [N, 1] or rows with a single 1."""
    if given.ndim == 1:
        return given
    if given.ndim == 2 and given.shape[1] == 1:
        return given[:, 0]
    if given.ndim == 2 and given.shape[1] > 1 and given.dtype.kind in "biuf":
        ones, zeros = given == 1, given == 0
        if (ones | zeros).all() and (ones.sum(axis=1) == 1).all():
            return ones.argmax(axis=1)
    shape = list(given.shape)
    raise BadInput(f"{what}: labels of shape {shape}: one label an image is needed, as [N] or rows with a single 1")


def as_numbers(what: str, labels: np.ndarray) -> np.ndarray:
    """int64 [N]"""
    import numpy as np

    if labels.dtype.kind == "f":
        broken = ~(np.isfinite(labels) & (labels == np.floor(labels)))
        if broken.any():
            row = int(np.argmax(broken))
            raise BadInput(f"{what}: label {labels[row]:g} of image {row}: whole numbers or texts are needed")
    elif labels.dtype.kind not in "biu":
        raise BadInput(f"{what}: labels of type {labels.dtype}: whole numbers or texts are needed")
    most = np.iinfo(np.int64).max
    if len(labels) and labels.max() > most:
        raise BadInput(f"{what}: label {labels.max()} of image {labels.argmax()}: the most that it may be is {most}")
    return labels.astype(np.int64)


def named_by_text(what: str, labels: np.ndarray, names: Sequence[str] | None) -> list[str]:
    try:
        texts = [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in labels.tolist()]
    except UnicodeDecodeError as error:
        raise BadInput(f"{what}: a label is not UTF-8 text: {shown_value(error.object)}") from None
    return texts_as_classes(what, texts, names)


def texts_as_classes(what: str, texts: Sequence[str], names: Sequence[str] | None = None) -> list[str]:
    """Texts as names of classes: without space around them, and one name where two look equal.

    Where all are whole numbers they are taken as such: 007 is 7.
    """
    found = [unicodedata.normalize("NFC", text.strip()) for text in texts]
    if "" in found:
        raise BadInput(f"{what}: the label of image {found.index('')} is empty")
    if names is None and all(WHOLE.fullmatch(text) for text in set(found)):
        import numpy as np

        return class_of_each(what, np.array([int(text) for text in found], dtype=np.int64))
    if names is not None and (strange := sorted(set(found) - set(names))):
        raise BadInput(f"{what}: {unknown('label', strange[0], list(names))}")
    return found


def in_order(classes: set[str]) -> list[str]:
    """Names of classes in the order that people expect: numbers by value, before names by their letters."""
    return sorted(classes, key=lambda name: (0, int(name), name) if WHOLE.fullmatch(name) else (1, 0, name))


def as_names(what: str, given: Any) -> tuple[str, ...]:
    """Names of classes, by label. Raises BadInput unless they are different texts."""
    names = tuple(unicodedata.normalize("NFC", str(name)) for name in given)
    if not names or len(set(names)) < len(names) or not all(isinstance(name, str) for name in given):
        raise BadInput(f"{what}: {shown_value(list(given))}: a list of different texts is needed, one a class")
    return names
