"""A folder of images is known by the bytes of its files: wherever it lies, and after every change that can be made."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image

from seekcli.config.layers import merge
from seekcli.config.settings import DataConfig
from seekcli.data.sets import folders, identity, imagenet
from seekcli.data.sets.identity import reading_watched
from seekcli.data.sets.sources import fingerprint_of, load
from seekcli.errors import BadInput


def picture(path: Path, level: int) -> None:
    """A bitmap: equal in size whatever its pixels are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (level, level, level)).save(path, "BMP")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for split, images in (("train", 4), ("test", 2)):
        for number, name in enumerate(("cat", "dog")):
            for index in range(images):
                picture(tmp_path / "photos" / split / name / f"{index}.bmp", 100 * number + 10 * index + images)
    return tmp_path / "photos"


def data_of(root: Path, kind: str = "folder", **settings: object) -> DataConfig:
    given = {"data.name": f"{kind}:{root}", "data.image_size": 4, "data.rules": 2}
    return merge([("test", given | {f"data.{key}": value for key, value in settings.items()})]).config.data


def files_read(data: DataConfig) -> tuple[str | None, int]:
    """The identity, and how many files were read for it."""
    read = [0]

    def count(done: int, total: int) -> None:
        read[0] = done

    with reading_watched(count):
        return fingerprint_of(data), read[0]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had lain there for long before it was read."""
    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))


def swap(one: Path, other: Path) -> None:
    third = one.with_name("third")
    one.rename(third)
    other.rename(one)
    third.rename(other)


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_two_folders_of_the_same_names_and_sizes_are_two_data_sets(photos: Path, tmp_path: Path, kind: str) -> None:
    other = Path(shutil.copytree(photos, tmp_path / "other"))
    assert fingerprint_of(data_of(other, kind)) == fingerprint_of(data_of(photos, kind))
    swap(other / "train" / "cat", other / "train" / "dog")
    assert fingerprint_of(data_of(other, kind)) != fingerprint_of(data_of(photos, kind))
    assert fingerprint_of(data_of(other, kind, rules=1)) == fingerprint_of(data_of(photos, kind, rules=1))


def change_in_place(file: Path) -> None:
    with open(file, "r+b") as opened:
        opened.seek(-1, 2)
        opened.write(b"\x07")


def replace_by_a_copy(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] = 7
    file.with_name("new").write_bytes(data)
    file.with_name("new").rename(file)


@pytest.mark.parametrize("change", [change_in_place, replace_by_a_copy])
@pytest.mark.usefixtures("settled")
def test_a_change_that_keeps_name_size_and_times_is_noticed(photos: Path, change) -> None:
    before = fingerprint_of(data_of(photos))
    file = photos / "train" / "cat" / "1.bmp"
    status = file.stat()
    time.sleep(0.02)  # more than a tick of the file system's clock
    change(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert files_read(data_of(photos)) != (before, 0)
    assert fingerprint_of(data_of(photos)) != before


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_while_it_stays_the_same(photos: Path, home: Path) -> None:
    first, read = files_read(data_of(photos))
    assert read == 12
    assert files_read(data_of(photos)) == (first, 0)
    os.utime(photos / "test" / "dog" / "0.bmp", (9, 9))
    assert files_read(data_of(photos)) == (first, 1)
    picture(photos / "train" / "cat" / "new.bmp", 3)
    assert files_read(data_of(photos))[1] == 1


def test_a_file_that_was_written_just_now_is_read_again(photos: Path) -> None:
    """Its times cannot tell a further change within the same tick of the clock."""
    assert files_read(data_of(photos))[1] == 12
    change_in_place(photos / "train" / "cat" / "1.bmp")
    assert files_read(data_of(photos))[1] == 12


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"format": 1, "files": {"a": 3}}', b'{"format": 99, "files": {}}', b"[]"]
)
@pytest.mark.usefixtures("settled")
def test_a_damaged_store_is_made_again(photos: Path, home: Path, damage: bytes) -> None:
    first = fingerprint_of(data_of(photos))
    (store,) = home.rglob("digests/*.json")
    store.write_bytes(damage)
    assert files_read(data_of(photos)) == (first, 12)
    assert files_read(data_of(photos)) == (first, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_named(photos: Path) -> None:
    (photos / "test" / "cat" / "0.bmp").chmod(0)
    with pytest.raises(BadInput, match=r"cannot read the image .*test/cat/0.bmp: Permission denied"):
        fingerprint_of(data_of(photos))


def test_of_a_streamed_tree_a_fixed_sample_and_every_size_count(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SAMPLE_FILES", 5)
    before, read = files_read(data_of(photos, "imagenet"))
    assert read == 5
    (sampled, *_), listed = (
        imagenet.list_imagenet(photos, 2).files_to_read,
        imagenet.list_imagenet(photos, 2, whole=True).files_to_read,
    )
    change_in_place(photos / sampled.path)
    assert fingerprint_of(data_of(photos, "imagenet")) != before
    assert len(listed) == 12


def test_a_streamed_tree_may_be_read_whole(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SAMPLE_FILES", 5)
    whole = data_of(photos, "imagenet", whole_digest=True)
    before, read = files_read(whole)
    assert read == 12
    sampled = {file.path for file in imagenet.list_imagenet(photos, 2).files_to_read}
    unseen = next(
        file.path for file in imagenet.list_imagenet(photos, 2, whole=True).files_to_read if file.path not in sampled
    )
    sample = fingerprint_of(data_of(photos, "imagenet"))
    change_in_place(photos / unseen)
    assert fingerprint_of(data_of(photos, "imagenet")) == sample
    assert fingerprint_of(whole) != before


@pytest.mark.parametrize("rules", [1, 2])
def test_decoded_images_are_kept_by_contents(photos: Path, rules: int) -> None:
    """Also of a run by rules 1: the pixels that it takes are those that lie there."""
    levels = load(data_of(photos, rules=rules)).train_images[:, 0, 0, 0].tolist()
    swap(photos / "train" / "cat", photos / "train" / "dog")
    assert load(data_of(photos, rules=rules)).train_images[:, 0, 0, 0].tolist() == levels[4:] + levels[:4]


def test_an_image_that_changes_between_its_digest_and_its_decoding_is_refused(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = identity.read_digests(photos, folders.list_folder(photos).files_to_read)
    change_in_place(photos / "train" / "cat" / "1.bmp")
    monkeypatch.setattr(folders, "read_digests", lambda root, files: digests)
    with pytest.raises(BadInput, match=r"cat/1.bmp: it changed while it was read"):
        folders.read_folder(folders.list_folder(photos), 4)
    assert list(home.rglob("*.safetensors")) == []


def test_other_contents_than_those_of_the_run_are_refused(photos: Path) -> None:
    resolved = data_of(photos, fingerprint=fingerprint_of(data_of(photos)))
    load(resolved)
    change_in_place(photos / "train" / "cat" / "1.bmp")
    with pytest.raises(BadInput, match="its files are not those that this run was made for"):
        load(resolved)
