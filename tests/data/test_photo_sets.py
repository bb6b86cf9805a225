"""Flowers-102 and Pets: small stand-ins in torchvision's layout, from folders, archives and the network (a double)."""

from __future__ import annotations

import hashlib
import socket
import tarfile
import urllib.error
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets
from torchvision.datasets import utils

from seekcli.config.settings import DataConfig
from seekcli.data.sets import photo_sets, sources
from seekcli.data.sets.sources import DataFacts
from seekcli.errors import BadInput
from seekcli.resolve.resolve import resolve


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def photograph(path: Path, level: int) -> None:
    """32 x 48 pixels: its centre square has the level, its two ends are white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((32, 48, 3), 255, dtype=np.uint8)
    pixels[:, 8:40] = level
    Image.fromarray(pixels).save(path, quality=100, subsampling=0)


def make_flowers(root: Path) -> Path:
    """8 photographs of levels 10, 20, ...: 2 to train on, 2 to validate, 4 to test; classes 1, 2, 1, 2, ..."""
    folder = root / "flowers-102"
    for number in range(1, 9):
        photograph(folder / "jpg" / f"image_{number:05d}.jpg", 10 * number)
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1, 2] * 4], dtype=np.uint8)})
    savemat(folder / "setid.mat", {"trnid": [[1, 2]], "valid": [[7, 8]], "tstid": [[3, 4, 5, 6]]})
    return folder


def make_pets(root: Path) -> Path:
    folder = root / "oxford-iiit-pet"
    names = ["Abyssinian_1", "Abyssinian_2", "basset_hound_3", "basset_hound_4"]
    for number, name in enumerate(names, 1):
        photograph(folder / "images" / f"{name}.jpg", 10 * number)
    lines = [f"{name} {1 + number // 2} {1 + number // 2} 1\n" for number, name in enumerate(names)]
    (folder / "annotations").mkdir()
    (folder / "annotations" / "trainval.txt").write_text(lines[0] + lines[2])
    (folder / "annotations" / "test.txt").write_text(lines[3] + lines[1])
    return folder


@pytest.fixture
def small_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both sets unpacked below one folder; what is said of the real ones is made to fit."""
    root = tmp_path / "data"
    flowers = make_flowers(root)
    make_pets(root)
    listed = {key: (name, md5(flowers / name)) for key, name in (("label", "imagelabels.mat"), ("setid", "setid.mat"))}
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", datasets.Flowers102._file_dict | listed)
    small = {"flowers102": (4, 4), "pets": (2, 2)}
    for name, (train, test) in small.items():
        fewer = {**vars(photo_sets.SETS[name]), "classes": 2, "train_images": train, "test_images": test}
        monkeypatch.setitem(photo_sets.SETS, name, photo_sets.PhotoSet(**fewer))
    monkeypatch.setattr(datasets.Flowers102, "classes", ["pink primrose", "canterbury bells"])
    return root


def packed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as archives, which is what the authors publish."""
    flowers, pets = root / "flowers-102", root / "oxford-iiit-pet"
    pack(flowers / "102flowers.tgz", flowers / "jpg")
    listed = {"image": ("102flowers.tgz", md5(flowers / "102flowers.tgz"))}
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", datasets.Flowers102._file_dict | listed)
    for part in ("images", "annotations"):
        pack(pets / f"{part}.tar.gz", pets / part)
    urls = [url for url, _ in datasets.OxfordIIITPet._RESOURCES]
    monkeypatch.setattr(
        datasets.OxfordIIITPet, "_RESOURCES", [(url, md5(pets / url.rpartition("/")[2])) for url in urls]
    )


def pack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, Path], None]], list[str]]:
    """Replace the download by a function of the URL and the path to fill; the URLs asked for are listed."""

    def install(fill: Callable[[str, Path], None]) -> list[str]:
        asked: list[str] = []

        def download_url(url: str, root: str, filename: str, md5: str) -> None:
            asked.append(url)
            fill(url, Path(root) / filename)

        monkeypatch.setattr(utils, "download_url", download_url)
        return asked

    return install


def offline(url: str, path: Path) -> None:
    raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))


def load(name: str, root: Path, image_size: int = 16) -> sources.Dataset:
    return sources.load(DataConfig(name=name, dir=str(root), image_size=image_size))


def check_flowers(data: sources.Dataset) -> None:
    assert data.train_images.shape == (4, 3, 16, 16)
    # train, then val; the centre square alone is seen (a JPEG's levels are near, not equal)
    assert [round(float(image.float().mean()) / 10) for image in data.train_images] == [1, 2, 7, 8]
    assert [round(float(image.float().mean()) / 10) for image in data.test_images] == [3, 4, 5, 6]
    assert data.train_labels.tolist() == [0, 1, 0, 1]
    assert data.test_labels.tolist() == [0, 1, 0, 1]
    assert data.class_names == ("pink primrose", "canterbury bells")
    assert data.split == "train and val as published"


def check_pets(data: sources.Dataset) -> None:
    assert [round(float(image.float().mean()) / 10) for image in data.train_images] == [1, 3]
    assert [round(float(image.float().mean()) / 10) for image in data.test_images] == [4, 2]
    assert data.train_labels.tolist() == [0, 1]
    assert data.test_labels.tolist() == [1, 0]
    assert data.class_names == ("Abyssinian", "Basset Hound")
    assert data.split == "as published"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("flowers102", DataFacts("flowers102", 102, 3, 224, 2040, 6149)),
        ("pets", DataFacts("pets", 37, 3, 224, 3680, 3669)),
    ],
)
def test_facts_are_known_without_the_data(name: str, facts: DataFacts) -> None:
    assert sources.data_facts(DataConfig(name=name)) == facts
    assert sources.data_facts(DataConfig(name=name, image_size=64)).image_size == 64


def test_photographs_get_the_size_that_the_model_was_designed_for() -> None:
    settings = {"pair.base": "resnet8", "pair.motivated": "resnet14", "data.name": "pets", "runtime.device": "cpu"}
    assert resolve([("test", settings | {"recipe": "cifar-resnet"})]).config.data.image_size == 32
    assert resolve([("test", settings | {"recipe": "transfer"})]).config.data.image_size == 224


def test_names_that_are_nearly_right_are_helped() -> None:
    for wrong, right in (("flowers", "flowers102"), ("pet", "pets")):
        with pytest.raises(BadInput, match=f"did you mean '{right}'"):
            sources.data_facts(DataConfig(name=wrong))


def test_unpacked_folders_are_read(small_sets: Path, network) -> None:
    asked = network(offline)
    check_flowers(load("flowers102", small_sets))
    check_pets(load("pets", small_sets))
    assert asked == []


def test_archives_are_unpacked_aside_and_read(small_sets: Path, network, monkeypatch) -> None:
    network(offline)
    packed(small_sets, monkeypatch)
    before = sorted(small_sets.rglob("*"))
    check_flowers(load("flowers102", small_sets))
    check_pets(load("pets", small_sets))
    assert sorted(small_sets.rglob("*")) == before


def test_the_second_load_needs_nothing_but_the_cache_and_another_size_is_another_one(
    small_sets: Path, monkeypatch
) -> None:
    load("pets", small_sets)
    assert load("pets", small_sets, 8).train_images.shape[-1] == 8
    monkeypatch.setattr(photo_sets, "decode_set", lambda *_: pytest.fail("decoded again"))
    check_pets(load("pets", small_sets))
    assert load("pets", small_sets, 8).train_images.shape[-1] == 8


def test_what_is_missing_is_downloaded_into_torchvisions_folders(
    small_sets: Path, network, monkeypatch, tmp_path: Path
) -> None:
    packed(small_sets, monkeypatch)

    def serve(url: str, path: Path) -> None:
        (source,) = small_sets.rglob(url.rpartition("/")[2])
        path.write_bytes(source.read_bytes())

    asked = network(serve)
    check_flowers(load("flowers102", tmp_path / "empty"))
    prefix = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    assert asked == [prefix + name for name in ("102flowers.tgz", "imagelabels.mat", "setid.mat")]
    names = sorted(path.name for path in (tmp_path / "empty" / "flowers-102").iterdir())
    assert names == ["102flowers.tgz", "imagelabels.mat", "setid.mat"]


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("flowers102", "flowers-102", ["102flowers.tgz (md5 52808999861908f626f3c1f4e79d11fa, from https://www.robots",
                                       "imagelabels.mat (md5 e0620be6f572b9609742df49c70aed4d", "setid.mat (md5 a535"]),
        ("pets", "oxford-iiit-pet", ["images.tar.gz (md5 5c4f3ee8e5d25df40f4fd59a7f44e54c, from https://www.robots",
                                     "annotations.tar.gz (md5 95a8c909bbe2e81eed6a22bccdf3f68f"]),
    ],
)  # fmt: skip
def test_offline_one_line_says_which_files_go_where(network, tmp_path: Path, name: str, folder: str, words) -> None:
    network(offline)
    with pytest.raises(BadInput) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"--data {name}: put {words[0]}")
    assert all(word in message for word in words)
    assert f"in {tmp_path / folder}; the download failed (" in message
    assert "Temporary failure in name resolution" in message
    assert "\n" not in message


def test_a_missing_photograph_is_named(small_sets: Path) -> None:
    (small_sets / "oxford-iiit-pet" / "images" / "basset_hound_3.jpg").unlink()
    with pytest.raises(BadInput, match=r"cannot read the image .*basset_hound_3\.jpg"):
        load("pets", small_sets)


def test_a_damaged_list_is_named(small_sets: Path) -> None:
    (small_sets / "oxford-iiit-pet" / "annotations" / "test.txt").write_text("a line with too many words in it\n")
    with pytest.raises(BadInput, match=r"--data pets: cannot read what is in .*oxford-iiit-pet"):
        load("pets", small_sets)


def test_more_than_the_memory_is_refused_before_a_file_is_looked_for(tmp_path: Path, network) -> None:
    asked = network(offline)
    with pytest.raises(BadInput, match="a smaller --image-size helps"):
        load("flowers102", tmp_path, 1_000_000)
    assert asked == []
