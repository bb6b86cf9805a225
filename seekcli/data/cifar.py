"""CIFAR-10 and CIFAR-100: fetched and checked by torchvision, kept as plain arrays after the first time."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import tarfile
import tempfile
import urllib.error
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli import files
from seekcli.data.arrays import Arrays
from seekcli.data.cache import cache_folder, cached
from seekcli.errors import BadInput, RunFailed

if TYPE_CHECKING:
    import torch

CLASSES = {"cifar10": 10, "cifar100": 100}
TRAIN_IMAGES, TEST_IMAGES, IMAGE_SIZE, CHANNELS = 50_000, 10_000, 32, 3
# Of the cached arrays: another number makes older caches be left alone.
CACHE_FORMAT = 1
TIMEOUT_SECONDS = 30.0
# RuntimeError is torchvision's, for a file with another checksum. Not OSError as a whole: a full disk is told apart.
DOWNLOAD_ERRORS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError,
                   RuntimeError)  # fmt: skip


def read(name: str, folder: Path | None) -> Arrays:
    """Both splits as published.

    The archive, or the folder that it unpacks to, is looked for in `folder` (the cache folder's data/ when None) and
    downloaded when missing. Raises BadInput, one line that says which file to put where, when it cannot be had.
    """
    root = folder if folder is not None else cache_folder() / "data"
    tensors = cached(f"{name}-{CACHE_FORMAT}", lambda: decode(name, root))
    names = json.loads(bytes(tensors["class_names"].tolist()))
    return Arrays(
        tensors["train_images"], tensors["train_labels"], tensors["test_images"], tensors["test_labels"],
        tuple(names), "as published",
    )  # fmt: skip


def decode(name: str, root: Path) -> dict[str, torch.Tensor]:
    """The arrays from torchvision's reader, which unpickles a file only after its checksum was right."""
    from torchvision import datasets

    reader = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    # torchvision's own warnings (of tarfile's filters, of NumPy's old pickles) are nothing that a user can act on.
    with warnings.catch_warnings(action="ignore"):
        try:
            return as_tensors(reader(str(root), train=True), reader(str(root), train=False))
        except RuntimeError:  # "Dataset not found or corrupted"
            archive = fetch(name, reader, root)
        except OSError as error:
            raise BadInput(f"--data {name}: cannot read {error.filename or root}: {error.strerror or error}") from error
        with unpacked(archive) as staging:
            return as_tensors(reader(staging, train=True), reader(staging, train=False))


def as_tensors(train: Any, test: Any) -> dict[str, torch.Tensor]:
    import torch

    tensors = {"class_names": torch.tensor(list(json.dumps(train.classes).encode()), dtype=torch.uint8)}
    for split, data in (("train", train), ("test", test)):
        tensors[f"{split}_images"] = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
        tensors[f"{split}_labels"] = torch.tensor(data.targets, dtype=torch.int64)
    return tensors


def fetch(name: str, reader: Any, root: Path) -> Path:
    """The path of the archive, downloaded if it is missing or damaged; it has its name only when it is whole."""
    from torchvision.datasets import utils

    archive = root / reader.filename
    if utils.check_integrity(str(archive), reader.tgz_md5):
        return archive
    advice = f"put {reader.filename} (md5 {reader.tgz_md5}, from {reader.url}) in {root}"
    failed = "the one there is damaged and the download failed" if archive.exists() else "the download failed"

    def download(temporary: Path) -> None:
        try:
            utils.download_url(reader.url, str(temporary.parent), temporary.name, reader.tgz_md5)
        except DOWNLOAD_ERRORS as error:
            reason = getattr(error, "reason", None) or error
            raise BadInput(f"--data {name}: {advice}; {failed} ({reason})".replace("\n", " ")) from error

    try:
        with network_timeout(TIMEOUT_SECONDS):
            files.write_with(archive, download)
    except RunFailed as error:
        raise BadInput(f"--data {name}: {error}; name a writable --data-dir, or {advice}") from error
    return archive


@contextmanager
def unpacked(archive: Path) -> Iterator[str]:
    """A folder of this process alone that holds what the archive holds: no other run ever sees it half-unpacked."""
    from torchvision.datasets import utils

    with tempfile.TemporaryDirectory(prefix="seekcli-") as staging:
        try:
            utils.extract_archive(str(archive), staging)
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise BadInput(f"cannot unpack {archive} in {staging}: {error}") from error
        yield staging


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    """torchvision waits for a silent network for ever; give up after this many seconds without an answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
