"""The image whose cost `seek flops` counts: as the flags describe it, or as `seek train` would resolve it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seekcli.config.layers import Layers, merge
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput


@dataclass(frozen=True)
class Image:
    """What is fed to the models; `data` is None where the flags alone say it."""

    data: str | None
    channels: int
    image_size: int
    classes: int
    train_size: int
    recipe: str | None = None  # where it says the size

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.image_size, self.image_size

    @property
    def train_shape(self) -> tuple[int, int, int]:
        """Of a training image, which some recipes make smaller."""
        return self.channels, self.train_size, self.train_size

    def __str__(self) -> str:
        return f"{self.channels}x{self.image_size}x{self.image_size}"


def image_of(layers: Layers) -> tuple[RunConfig, Image]:
    """What `seek train` would train with these words, and on which image; or the image that the flags describe.

    Only a folder without `--classes` is looked at on disk.
    """
    from seekcli.data.sets.kept_listings import listings_kept
    from seekcli.resolve.conditions import resolve_condition
    from seekcli.resolve.recipes import check_settings
    from seekcli.resolve.resolve import resolve_images
    from seekcli.resolve.transfer import check_request

    given = {flag for flag, _ in layers}
    if "--classes" in given:
        return described_image(layers, given)
    if "--channels" in given:
        raise BadInput("--channels goes with --image-size and --classes: a data set knows its own")
    with listings_kept():
        resolved = resolve_images(layers)
        check_request(resolved.config)
        check_settings(resolved.config)
        resolved = resolve_condition(resolved, Path("results"))
    data = resolved.config.data
    assert data.channels and data.image_size and data.classes, "the data is not resolved"
    by_recipe = resolved.origins["data.image_size"].startswith("recipe ")
    return resolved.config, Image(
        data=data.name, channels=data.channels, image_size=data.image_size, classes=data.classes,
        train_size=data.train_size or data.image_size, recipe=resolved.config.recipe if by_recipe else None,
    )  # fmt: skip


def described_image(layers: Layers, given: set[str]) -> tuple[RunConfig, Image]:
    from seekcli.data.sets.sources import folder_of, is_folder, kind_of, label_of
    from seekcli.resolve.resolve import check_models

    draft = merge(layers)
    check_models(draft)
    data, folder = draft.config.data, is_folder(draft.config.data)
    if "--data" in given and not folder:
        raise BadInput(f"--classes: {data.name} knows its own number of classes; give one of --data and --classes")
    if data.image_size is None or data.classes is None:
        raise BadInput("--classes without a data set to look at needs --image-size, such as --image-size 32")
    label = f"{kind_of(data)}:{label_of(folder_of(data))}" if folder else None
    size = data.train_size or data.image_size
    return draft.config, Image(label, data.channels or 3, data.image_size, data.classes, size)
