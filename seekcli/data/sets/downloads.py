"""Published archives of data sets: taken from where they lie, downloaded and checked otherwise; unpacked aside."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import tarfile
import tempfile
import urllib.error
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli import files
from seekcli.errors import BadInput, RunFailed

if TYPE_CHECKING:
    from seekcli.config.settings import DataConfig

TIMEOUT_SECONDS = 30.0
# RuntimeError is torchvision's, for a file with another checksum. Not OSError as a whole: a full disk is told apart.
DOWNLOAD_ERRORS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError,
                   RuntimeError)  # fmt: skip
ARCHIVES = (".tgz", ".tar.gz")


@dataclass(frozen=True)
class Published:
    """A file of a data set, as its authors publish it."""

    name: str
    md5: str
    url: str

    def __str__(self) -> str:
        return f"{self.name} (md5 {self.md5}, from {self.url})"


def data_folder(data: DataConfig) -> Path | None:
    """The folder that `--data-dir` names, for data that is downloaded where it is missing."""
    return Path(os.path.expanduser(data.dir)) if data.dir else None


def fetch(data: str, folder: Path, wanted: Sequence[Published]) -> list[Path]:
    """The paths of the wanted files in `folder`; those that are missing or damaged are downloaded.

    A file has its name only when it is whole. Raises BadInput, one line that says which files to put where, when they
    cannot be had.
    """
    from torchvision.datasets import utils

    missing = [file for file in wanted if not utils.check_integrity(str(folder / file.name), file.md5)]
    for number, file in enumerate(missing):
        # What is still to come is told at once: one trip to another machine is enough.
        download(data, folder, file, missing[number:])
    return [folder / file.name for file in wanted]


def download(data: str, folder: Path, file: Published, missing: Sequence[Published]) -> None:
    from torchvision.datasets import utils

    path = folder / file.name
    advice = f"put {' and '.join(map(str, missing))} in {folder}"
    failed = "the one there is damaged and the download failed" if path.exists() else "the download failed"

    def write(temporary: Path) -> None:
        try:
            utils.download_url(file.url, str(temporary.parent), temporary.name, file.md5)
        except DOWNLOAD_ERRORS as error:
            reason = getattr(error, "reason", None) or error
            raise BadInput(f"--data {data}: {advice}; {failed} ({reason})".replace("\n", " ")) from error

    try:
        with network_timeout(TIMEOUT_SECONDS), files.no_empty_folders(folder):
            files.write_with(path, write)
    except RunFailed as error:
        raise BadInput(f"--data {data}: {error}; name a writable --data-dir, or {advice}") from error


@contextmanager
def unpacked(found: Sequence[Path], below: str = "") -> Iterator[str]:
    """A folder of this process alone that holds, in its folder `below`, what the archives hold, and the other files.

    No other run ever sees it half-unpacked.
    """
    with tempfile.TemporaryDirectory(prefix="seekcli-") as staging:
        target = Path(staging) / below
        target.mkdir(exist_ok=True)
        for path in found:
            unpack(path, target)
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


def unpack(path: Path, target: Path) -> None:
    """What an archive holds, or a link to any other file, into the folder `target`."""
    from torchvision.datasets import utils

    try:
        if path.name.endswith(ARCHIVES):
            utils.extract_archive(str(path), str(target))
        else:
            (target / path.name).symlink_to(path.absolute())
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise BadInput(f"cannot unpack {path} in {target}: {error}") from error
