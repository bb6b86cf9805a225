"""Images that stay on disk, in the place of a tensor of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.config.value_types import Fit
from seekcli.data.images.places import Place

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageFiles:
    """Image files that are indexed as a tensor of images is, by a slice, a mask or indices; none is read by that.

    `index` int64 [N] picks from `paths`, which are relative to `root` or lie inside other files. Unaugmented the images
    are `size` pixels a side and show the middle: `centre` of the shorter side (all of it where `fit` is not crop).
    `grey_bits` is that of `depth.to_8_bits`.
    """

    root: Path
    paths: Sequence[Place]
    index: Tensor
    size: int
    centre: float
    grey_bits: int | None = None
    fit: Fit = "crop"

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: Tensor | Sequence[int] | slice) -> ImageFiles:
        return replace(self, index=self.index[key])

    def located(self) -> list[Place]:
        """Where each image is; a path is whole."""
        places = [self.paths[index] for index in self.index.tolist()]
        return [os.path.join(self.root, place) if isinstance(place, str) else place for place in places]
