"""Images for `seek train --data my_data:load`: scikit-learn's digits, of which two classes are enough here."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Images uint8 [N, 1, 8, 8] and labels [N] for training, the same for testing, and the names of the classes."""
    digits = load_digits(n_class=2)
    images = (digits.images * (255 / 16)).round().astype(np.uint8)[:, None]
    return images[:300], digits.target[:300], images[300:], digits.target[300:], ["zero", "one"]
