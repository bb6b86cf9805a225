"""CIFAR from what is there, from an archive, from the network (a stand-in), and what is said when it cannot be had."""

from __future__ import annotations

import hashlib
import http.client
import pickle
import socket
import tarfile
import urllib.error
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import utils

from seekcli.config.settings import DataConfig
from seekcli.data.sets import cifar, sources
from seekcli.errors import BadInput

ARCHIVE = "cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
NAMES = [f"class{index}" for index in range(10)]


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_pickle(path: Path, value: object) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=2))
    return [path.name, md5(path)]


@pytest.fixture
def small_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive like CIFAR-10's with 20 training and 10 test images, which torchvision takes for the real one."""
    folder = tmp_path / "made" / datasets.CIFAR10.base_folder
    rng = np.random.default_rng(0)

    def batch(count: int) -> dict[str, object]:
        return {"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), "labels": [i % 10 for i in range(count)]}

    train = write_pickle(folder / "data_batch_1", batch(20))
    test = write_pickle(folder / "test_batch", batch(10))
    meta = write_pickle(folder / "batches.meta", {"label_names": NAMES})
    archive = tmp_path / "made" / ARCHIVE
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [train])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [test])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    return archive


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], list[str]]:
    """Replace the download by a function that gets the path to fill; the URLs asked for are listed."""

    def install(fill: Callable[[Path], None]) -> list[str]:
        asked: list[str] = []

        def download_url(url: str, root: str, filename: str, md5: str) -> None:
            asked.append(url)
            fill(Path(root) / filename)
            if not utils.check_integrity(str(Path(root) / filename), md5):
                raise RuntimeError("File not found or corrupted.")

        monkeypatch.setattr(utils, "download_url", download_url)
        return asked

    return install


def no_network(path: Path) -> None:
    raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))


def check(data: sources.Arrays) -> None:
    assert data.train_images.shape == (20, 3, 32, 32)
    assert data.test_images.shape == (10, 3, 32, 32)
    assert data.train_labels.tolist() == [*range(10)] * 2
    assert data.class_names == tuple(NAMES)
    # rows of CIFAR's files are the red, green and blue planes: the first value is the red of the upper left pixel
    rng = np.random.default_rng(0)
    assert (data.train_images.flatten(1).numpy() == rng.integers(0, 256, (20, 3072), dtype=np.uint8)).all()


def test_the_archive_in_the_data_folder_is_used(small_cifar: Path, network, tmp_path: Path) -> None:
    asked = network(no_network)
    check(cifar.read_cifar("cifar10", small_cifar.parent))
    assert asked == []


def test_the_second_load_needs_neither_archive_nor_torchvision(small_cifar: Path, network, monkeypatch) -> None:
    network(no_network)
    cifar.read_cifar("cifar10", small_cifar.parent)
    monkeypatch.setattr(cifar, "read_by_torchvision", lambda *_: pytest.fail("decoded again"))
    check(cifar.read_cifar("cifar10", None))


def test_an_unpacked_archive_is_enough(small_cifar: Path, network) -> None:
    network(no_network)
    small_cifar.unlink()
    check(cifar.read_cifar("cifar10", small_cifar.parent))


def test_it_is_downloaded_into_the_cache_when_missing(small_cifar: Path, network, home: Path) -> None:
    asked = network(lambda path: path.write_bytes(small_cifar.read_bytes()) and None)
    check(cifar.read_cifar("cifar10", None))
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"]
    folder = home / ".cache" / "seekcli" / "data"
    assert [path.name for path in folder.iterdir()] == [ARCHIVE]


def cut_off(path: Path) -> None:
    path.write_bytes(b"part of it")
    raise http.client.IncompleteRead(b"part", 1000)


def reset(path: Path) -> None:
    path.write_bytes(b"part of it")
    raise ConnectionResetError(104, "Connection reset by peer")


def silent(path: Path) -> None:
    raise TimeoutError("timed out")


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (no_network, "Temporary failure in name resolution"),
        (cut_off, "IncompleteRead"),
        (reset, "Connection reset by peer"),
        (silent, "timed out"),
        (lambda path: path.write_bytes(b"<html>log in first</html>") and None, "File not found or corrupted"),
    ],
    ids=["offline", "cut off", "reset", "silent", "captive portal"],
)
def test_without_a_download_one_line_says_which_file_goes_where(network, tmp_path: Path, fill, reason: str) -> None:
    network(fill)
    with pytest.raises(BadInput) as caught:
        sources.load(DataConfig(name="cifar10", dir=str(tmp_path / "data")))
    message = str(caught.value)
    assert message.startswith(f"--data cifar10: put {ARCHIVE} (md5 {MD5}, from https://")
    assert f"in {tmp_path / 'data'}; the download failed" in message
    assert reason in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_cifar100_names_its_own_file(network, tmp_path: Path) -> None:
    network(no_network)
    with pytest.raises(BadInput, match=r"put cifar-100-python\.tar\.gz \(md5 eb9058c3a382ffc7106e4002c42a8d85, "):
        cifar.read_cifar("cifar100", tmp_path)


def test_a_damaged_archive_is_said_to_be_and_kept(network, tmp_path: Path) -> None:
    network(no_network)
    (tmp_path / ARCHIVE).write_bytes(b"half of it")
    with pytest.raises(BadInput, match="the one there is damaged and the download failed"):
        cifar.read_cifar("cifar10", tmp_path)
    assert (tmp_path / ARCHIVE).read_bytes() == b"half of it"


def test_a_damaged_archive_is_replaced_by_a_download(small_cifar: Path, network, tmp_path: Path) -> None:
    network(lambda path: path.write_bytes(small_cifar.read_bytes()) and None)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / ARCHIVE).write_bytes(b"half of it")
    check(cifar.read_cifar("cifar10", folder))


def test_a_data_folder_that_cannot_be_made_is_said_to_be(network, tmp_path: Path) -> None:
    network(no_network)
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match=r"cannot make folder \S*file/data: Not a directory; name a writable --data-dir"):
        cifar.read_cifar("cifar10", tmp_path / "file" / "data")


def test_the_network_is_not_waited_for_for_ever(network, tmp_path: Path) -> None:
    seen: list[float | None] = []

    def note_timeout(path: Path) -> None:
        seen.append(socket.getdefaulttimeout())
        no_network(path)

    network(note_timeout)
    before = socket.getdefaulttimeout()
    with pytest.raises(BadInput):
        cifar.read_cifar("cifar10", tmp_path)
    assert seen == [30.0]
    assert socket.getdefaulttimeout() == before
