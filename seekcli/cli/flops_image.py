"""The image whose cost `seek flops` counts: as the flags describe it, or as `seek train` would resolve it."""

from __future__ import annotations

from dataclasses import dataclass

from seekcli.cli.options import Layers
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


def image_of(config: RunConfig, layers: Layers) -> Image:
    """The image that the flags describe, or that `seek train` would use by the same words.

    Only a folder without `--classes` is looked at on disk.
    """
    from seekcli.data.sets.sources import folder_of, is_folder, kind_of, label_of
    from seekcli.resolve.resolve import resolve_images

    given = {flag for flag, _ in layers}
    data, folder = config.data, is_folder(config.data)
    if "--classes" in given:
        if "--data" in given and not folder:
            raise BadInput(f"--classes: {data.name} knows its own number of classes; give one of --data and --classes")
        if data.image_size is None or data.classes is None:
            raise BadInput("--classes without a data set to look at needs --image-size, such as --image-size 32")
        label = f"{kind_of(data)}:{label_of(folder_of(data))}" if folder else None
        return Image(label, data.channels or 3, data.image_size, data.classes, data.image_size)
    if "--channels" in given:
        raise BadInput("--channels goes with --image-size and --classes: a data set knows its own")
    resolved = resolve_images(layers)
    data = resolved.config.data
    assert data.channels and data.image_size and data.classes, "the data is not resolved"
    by_recipe = resolved.origins["data.image_size"].startswith("recipe ")
    return Image(
        data=data.name, channels=data.channels, image_size=data.image_size, classes=data.classes,
        train_size=data.train_size or data.image_size, recipe=resolved.config.recipe if by_recipe else None,
    )  # fmt: skip
