"""CIFAR-10 and CIFAR-100: fetched and checked by torchvision, kept as plain arrays after the first time."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.data.images.arrays import Arrays
from seekcli.data.images.cache import cache_folder, cached
from seekcli.data.sets.downloads import Published, data_folder, fetch, unpacked
from seekcli.data.sets.kind import DataFacts, NamedSet
from seekcli.errors import BadInput

if TYPE_CHECKING:
    import torch

    from seekcli.config.settings import DataConfig

CLASS_COUNTS = {"cifar10": 10, "cifar100": 100}
TRAIN_IMAGES, TEST_IMAGES, IMAGE_SIZE, CHANNELS = 50_000, 10_000, 32, 3
# Of the cached arrays: another number makes older caches be left alone.
CACHE_FORMAT = 1


def read_cifar(name: str, folder: Path | None) -> Arrays:
    """Both splits as published.

    The archive, or the folder that it unpacks to, is looked for in `folder` (the cache folder's data/ when None) and
    downloaded when missing. Raises BadInput, one line that says which file to put where, when it cannot be had.
    """
    root = folder if folder is not None else cache_folder() / "data"
    tensors = cached(f"{name}-{CACHE_FORMAT}", lambda: read_by_torchvision(name, root))
    names = json.loads(bytes(tensors["class_names"].tolist()))
    return Arrays(
        tensors["train_images"], tensors["train_labels"], tensors["test_images"], tensors["test_labels"],
        tuple(names), "as published",
    )  # fmt: skip


def read_by_torchvision(name: str, root: Path) -> dict[str, torch.Tensor]:
    """The arrays from torchvision's reader, which unpickles a file only after its checksum was right."""
    from torchvision import datasets

    reader = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    # torchvision's own warnings (of tarfile's filters, of NumPy's old pickles) are nothing that a user can act on.
    with warnings.catch_warnings(action="ignore"):
        try:
            return both_splits(reader(str(root), train=True), reader(str(root), train=False))
        except RuntimeError:  # "Dataset not found or corrupted"
            found = fetch(name, root, [Published(reader.filename, reader.tgz_md5, reader.url)])
        except OSError as error:
            raise BadInput(f"--data {name}: cannot read {error.filename or root}: {error.strerror or error}") from error
        with unpacked(found) as staging:
            return both_splits(reader(staging, train=True), reader(staging, train=False))


def both_splits(train: Any, test: Any) -> dict[str, torch.Tensor]:
    import torch

    tensors = {"class_names": torch.tensor(list(json.dumps(train.classes).encode()), dtype=torch.uint8)}
    for split, data in (("train", train), ("test", test)):
        tensors[f"{split}_images"] = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        tensors[f"{split}_labels"] = torch.tensor(data.targets, dtype=torch.int64)
    return tensors


def cifar_facts(data: DataConfig) -> DataFacts:
    return DataFacts(data.name, CLASS_COUNTS[data.name], CHANNELS, IMAGE_SIZE, TRAIN_IMAGES, TEST_IMAGES)


CIFAR10, CIFAR100 = (
    NamedSet(
        form=name,
        about="photographs; downloaded once, or read from --data-dir",
        facts=cifar_facts,
        read=lambda data, size, watcher: read_cifar(data.name, data_folder(data)),
        places=places,
    )
    for name, places in (
        ("cifar10", ("cifar-10-batches-py", "cifar-10-python.tar.gz")),
        ("cifar100", ("cifar-100-python", "cifar-100-python.tar.gz")),
    )
)
