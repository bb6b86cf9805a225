"""Oxford's Flowers-102 and IIIT Pets: found or fetched as torchvision lays them out, decoded once to one size.

Flowers-102 is trained on its 1,020 training and 1,020 validation images together and tested on the 6,149 others, as in
the transfer experiments of DeiT (arXiv 2012.12877) and ResNet strikes back (arXiv 2110.00476); the paper does not say.
Pets are trained on `trainval` and tested on `test`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.config.value_types import Fit
from seekcli.data.images.arrays import Arrays, Watcher, require_memory, unwatched
from seekcli.data.images.cache import cache_folder, cached
from seekcli.data.sets.downloads import Published, data_folder, fetch, unpacked
from seekcli.data.sets.kind import DataFacts, NamedSet
from seekcli.errors import BadInput

if TYPE_CHECKING:
    import torch

    from seekcli.config.settings import DataConfig

IMAGE_SIZE, CHANNELS = 224, 3
# Of the cached arrays: another number makes older caches be left alone.
CACHE_FORMAT = 1


@dataclass(frozen=True)
class PhotoSet:
    """`folder` is where torchvision keeps it below the data folder; splits are torchvision's names."""

    classes: int
    train_images: int
    test_images: int
    folder: str
    train_splits: tuple[str, ...]
    test_split: str
    split: str


SETS = {
    "flowers102": PhotoSet(102, 2040, 6149, "flowers-102", ("train", "val"), "test", "train and val as published"),
    "pets": PhotoSet(37, 3680, 3669, "oxford-iiit-pet", ("trainval",), "test", "as published"),
}


def read_photo_set(
    name: str, folder: Path | None, image_size: int, watcher: Watcher = unwatched, fit: Fit = "crop"
) -> Arrays:
    """Both splits, `image_size` pixels a side: each photograph as a square.

    The files, or the folders that they unpack to, are looked for in `folder` (the cache folder's data/ when None) and
    downloaded when missing. Raises BadInput, one line that says which files to put where, when they cannot be had.
    """
    from seekcli.data.images.decoding import rule_of

    known = SETS[name]
    require_memory(f"--data {name}", known.train_images + known.test_images, CHANNELS, image_size)
    root = folder if folder is not None else cache_folder() / "data"
    rule = hashlib.sha256(rule_of(None, fit).encode()).hexdigest()[:8]
    key = f"{name}-{image_size}-{rule}-{CACHE_FORMAT}"
    tensors = cached(key, lambda: decode_set(name, root, image_size, watcher, fit))
    names = json.loads(bytes(tensors["class_names"].tolist()))
    return Arrays(
        tensors["train_images"], tensors["train_labels"], tensors["test_images"], tensors["test_labels"],
        tuple(names), known.split,
    )  # fmt: skip


def decode_set(name: str, root: Path, image_size: int, watcher: Watcher, fit: Fit) -> dict[str, torch.Tensor]:
    try:
        return decode_both_splits(name, root, image_size, watcher, fit)
    except RuntimeError:  # torchvision's "Dataset not found or corrupted"
        found = fetch(name, root / SETS[name].folder, published(name))
    with unpacked(found, SETS[name].folder) as staging:
        return decode_both_splits(name, Path(staging), image_size, watcher, fit)


def decode_both_splits(name: str, root: Path, image_size: int, watcher: Watcher, fit: Fit) -> dict[str, torch.Tensor]:
    """Raises RuntimeError when torchvision does not find the data set below `root`, BadInput when it is incomplete."""
    import torch

    from seekcli.data.images.decoding import decode_files

    known = SETS[name]
    tensors = {}
    for split, parts in (("train", known.train_splits), ("test", (known.test_split,))):
        readers = [reader(name, root, part) for part in parts]
        listed = [pair for one in readers for pair in paths_and_labels(one)]
        images = decode_files([str(path) for path, _ in listed], image_size, watcher, fit=fit)
        tensors[f"{split}_images"] = torch.from_numpy(images)
        tensors[f"{split}_labels"] = torch.tensor([label for _, label in listed], dtype=torch.int64)
        names = list(json.dumps(list(readers[0].classes)).encode())
    return tensors | {"class_names": torch.tensor(names, dtype=torch.uint8)}


def reader(name: str, root: Path, split: str) -> Any:
    """torchvision's data set; it lists the files, and reads none before it is asked for an image."""
    from torchvision import datasets

    kind = {"flowers102": datasets.Flowers102, "pets": datasets.OxfordIIITPet}[name]
    try:
        return kind(str(root), split=split)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"--data {name}: cannot read what is in {root / SETS[name].folder}: {error}") from error


def paths_and_labels(data: Any) -> list[tuple[Path, int]]:
    """torchvision's own lists: through its items each photograph would be decoded whole, one after the other."""
    paths = data._image_files if hasattr(data, "_image_files") else data._images
    return list(zip(paths, data._labels, strict=True))


def published(name: str) -> list[Published]:
    from torchvision import datasets

    if name == "pets":
        return [Published(url.rpartition("/")[2], md5, url) for url, md5 in datasets.OxfordIIITPet._RESOURCES]
    listed = datasets.Flowers102._file_dict.values()
    return [Published(file, md5, datasets.Flowers102._download_url_prefix + file) for file, md5 in listed]


def photo_facts(data: DataConfig) -> DataFacts:
    known = SETS[data.name]
    return DataFacts(data.name, known.classes, CHANNELS, IMAGE_SIZE, known.train_images, known.test_images)


FLOWERS102, PETS = (
    NamedSet(
        form=name,
        about=f"{about}; downloaded once, or read from --data-dir",
        recipe="transfer",
        facts=photo_facts,
        read=lambda data, size, watcher: read_photo_set(data.name, data_folder(data), size, watcher, data.fit),
        one_size=False,
        places=(SETS[name].folder,),
    )
    for name, about in (
        ("flowers102", "102 kinds of flowers (Oxford), trained on train and val"),
        ("pets", "37 breeds of cats and dogs (Oxford-IIIT)"),
    )
)
