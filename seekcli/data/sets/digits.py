"""scikit-learn's 1,797 handwritten digits: bundled with it, so that there is something to train on offline."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.data.images.arrays import Arrays
from seekcli.data.sets.kind import DataFacts, NamedSet
from seekcli.data.splitting.splits import chosen_per_class, count_for_test, test_split_words

if TYPE_CHECKING:
    import numpy as np

    from seekcli.config.settings import DataConfig

IMAGES, IMAGE_SIZE, CLASSES, LEVELS = 1797, 8, 10, 16


def read_digits(test_images: int | None = None) -> Arrays:
    """1 x 8 x 8; levels 0..16 become 0..255 (times 255/16, rounded).

    A fifth of them, or `test_images`, are test images.
    """
    import torch

    bundled = torch.from_numpy(bundled_values())
    levels = bundled[:, :-1].reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    images = (levels * (255 / LEVELS)).round().to(torch.uint8).unsqueeze(1)
    labels = bundled[:, -1].to(torch.int64)
    count = count_for_test(IMAGES, test_images, CLASSES)
    test = set(chosen_per_class(labels.tolist(), count, "digits test"))
    is_test = torch.tensor([index in test for index in range(IMAGES)])
    names = tuple(str(name) for name in range(CLASSES))
    words = test_split_words(IMAGES, test_images)
    return Arrays(images[~is_test], labels[~is_test], images[is_test], labels[is_test], names, words)


@cache
def bundled_values() -> np.ndarray:
    """1797 x 65: the levels of each image in rows, and its label. Not to be written to: it is read once.

    From the file that scikit-learn has them in: the package itself takes 2 s to import, and brings scipy and pandas.
    """
    import numpy as np

    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # another version may have it elsewhere

    bundled = load_digits()
    return np.column_stack([bundled.data, bundled.target])


def digits_facts(data: DataConfig) -> DataFacts:
    test = count_for_test(IMAGES, data.test_images, CLASSES)
    return DataFacts("digits", CLASSES, 1, IMAGE_SIZE, IMAGES - test, test)


DIGITS = NamedSet(
    form="digits",
    about="handwritten digits, bundled with scikit-learn: works offline",
    recipe="digits",
    small_images=True,
    facts=digits_facts,
    read=lambda data, size, watcher: read_digits(data.test_images),
    test_images=True,
    bundled=True,
)
