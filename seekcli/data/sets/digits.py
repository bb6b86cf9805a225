"""scikit-learn's 1,797 handwritten digits: bundled with it, so that there is something to train on offline."""

from __future__ import annotations

from seekcli.data.images.arrays import Arrays
from seekcli.data.splitting.splits import chosen_per_class, count_for_test, test_split_words

IMAGES, IMAGE_SIZE, CLASSES, LEVELS = 1797, 8, 10, 16


def read_digits(test_images: int | None = None) -> Arrays:
    """1 x 8 x 8; levels 0..16 become 0..255 (times 255/16, rounded).

    A fifth of them, or `test_images`, are test images.
    """
    import torch
    from sklearn.datasets import load_digits

    bundled = load_digits()
    levels = torch.from_numpy(bundled.images)
    images = (levels * (255 / LEVELS)).round().to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bundled.target).to(torch.int64)
    count = count_for_test(IMAGES, test_images, CLASSES)
    test = set(chosen_per_class(labels.tolist(), count, "digits test"))
    is_test = torch.tensor([index in test for index in range(IMAGES)])
    names = tuple(str(name) for name in bundled.target_names)
    words = test_split_words(IMAGES, test_images)
    return Arrays(images[~is_test], labels[~is_test], images[is_test], labels[is_test], names, words)
