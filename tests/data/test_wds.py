"""Shards of webdataset: what is listed, in which order it is read, and what is refused in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_sets import CLASSES, as_folder, as_shards, both_splits, write_tar
from PIL import Image
from tiny import tiny

from seekcli.config.settings import DataConfig
from seekcli.data.images.cache import cache_folder
from seekcli.data.images.image_files import ImageFiles
from seekcli.data.loading.streaming import Streamed
from seekcli.data.sets import identity, shard_index
from seekcli.data.sets.kind import FolderSet
from seekcli.data.sets.kinds import KINDS
from seekcli.data.sets.shard_patterns import expanded
from seekcli.data.sets.sources import fingerprint_of, load
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.every_image import load_every_image
from seekcli.errors import BadInput

SPLITS = both_splits()
PNG = SPLITS["train"][0].png


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return as_shards(tmp_path / "shards", SPLITS)


def data_of(path: Path | str, **settings: object) -> DataConfig:
    return DataConfig(name=f"wds:{path}", rules=2, image_size=8).model_copy(update=settings)


def streamed(images: torch.Tensor | ImageFiles) -> torch.Tensor:
    assert isinstance(images, ImageFiles)
    whole = Streamed(images, torch.device("cpu"))
    return torch.cat(list(whole.unaugmented(images, 4)))


def refused(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        load(data_of(path))
    message = str(caught.value)
    assert message.startswith(f"--data wds:{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"--data wds:{path}: ")


def test_images_come_from_their_places_in_the_order_of_the_shards(shards: Path) -> None:
    dataset = load(data_of(shards, test_crop=1.0))
    for split, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        seen = streamed(images).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(seen, np.stack([picture.pixels for picture in SPLITS[split]]))
        assert labels.tolist() == [picture.label for picture in SPLITS[split]]
    assert dataset.class_names == CLASSES
    assert dataset.summary == (
        "wds:shards: 12 training and 6 test images of 3 classes (cat, dog, emu); train and test as given; 5 shards"
    )
    assert summary_ahead(data_of(shards)) == dataset.summary
    assert dataset.test_paths is not None
    assert dataset.test_paths[-1] == "test-001.tar/0005.png"


def test_a_pattern_means_the_shards_that_a_shell_would_name(shards: Path) -> None:
    whole = load(data_of(shards))
    by_pattern = load(data_of(f"{shards}/{{train-{{000..002}},test-{{000..001}}}}.tar"))
    assert by_pattern.facts.name == "wds:{train-{000..002},test-{000..001}}.tar"
    assert by_pattern.fingerprint == whole.fingerprint
    assert by_pattern.summary.partition(": ")[2] == whole.summary.partition(": ")[2]
    part = load(data_of(f"{shards}/train-{{000..002}}.tar"))
    assert part.split.startswith("stratified 80/20 split, seed 0 of train; 3 shards")
    assert (len(part.train_labels), len(part.test_labels)) == (9, 3)
    alone = load(data_of(shards / "train-001.tar"))
    assert len(alone.train_labels) == 3
    assert alone.split.endswith("; 1 shard")
    for pattern, names in {
        "a{0..2}.tar": ["a0.tar", "a1.tar", "a2.tar"],
        "a{08..10}": ["a08", "a09", "a10"],
        "{8..10}": ["8", "9", "10"],
        "{a,b{1,2}}{3..4}": ["a3", "a4", "b13", "b14", "b23", "b24"],
        "x{,y}": ["x", "xy"],
    }.items():
        assert list(expanded(pattern, "it")) == names


def test_splits_are_told_by_shards_or_by_their_folders(tmp_path: Path) -> None:
    for split, word in (("train", "train"), ("test", "val")):
        as_shards(tmp_path / "sets" / word / "tars", {"shard": SPLITS[split]})
    assert load(data_of(tmp_path / "sets")).split == "train and validation as given; 5 shards"
    write_tar(tmp_path / "sets" / "train_val.tar", [("a.png", PNG), ("a.cls", b"cat")])
    assert refused(tmp_path / "sets") == "train_val has words for two splits (train, val)"


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({"cls": [b"0", b"2\n"]}, ("0", "2")),
        ({"cls": [b"dog", "köter".encode()]}, ("dog", "köter")),
        ({"json": [b'{"label": 1}', b'{"label": 10}']}, ("1", "10")),
        ({"json": [b'{"class_name": "dog", "url": "x"}', b'{"cls": "cat"}']}, ("cat", "dog")),
        ({"json": [b'{"caption": "x"}'] * 2, "cls": [b"1", b"0"]}, ("0", "1")),
    ],
)
def test_labels_are_numbers_or_names(tmp_path: Path, members: dict[str, list[bytes]], names: tuple[str, ...]) -> None:
    inside = [(f"{index:03}.png", PNG) for index in range(8)]
    inside += [(f"{index:03}.{suffix}", two[index % 2]) for suffix, two in members.items() for index in range(8)]
    write_tar(tmp_path / "it.tar", inside)
    dataset = load(data_of(tmp_path / "it.tar"))
    assert dataset.class_names == names
    assert sorted(dataset.train_labels.tolist()) == [0, 0, 0, 1, 1, 1]


def test_what_is_no_image_and_no_label_is_counted_and_a_set_without_labels_left_alone(shards: Path) -> None:
    write_tar(shards / "val-000.tar", [("a/0.jpg", PNG), ("a/0.txt", b"words"), ("a/._0.jpg", b""), ("b", b"")])
    assert load(data_of(shards)).split == (
        "train and test as given; validation (no labels) left alone; 6 shards; files that are no images and no labels "
        "left out: 1 .txt, 1 without suffix"
    )


def test_a_test_split_that_is_labelled_by_minus_ones_is_left_alone(shards: Path) -> None:
    members = [("0.jpg", PNG), ("0.cls", b"-1\n"), ("1.jpg", PNG), ("1.json", b'{"label": -1}')]
    write_tar(shards / "val-000.tar", members)
    assert load(data_of(shards)).split == "train and test as given; validation (no labels) left alone; 6 shards"


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_damage_is_told_in_one_line_that_names_the_shard(shards: Path, tmp_path: Path) -> None:
    shard = shards / "train-001.tar"
    whole = shard.read_bytes()
    for size in (100, 700, 1024, 2000, len(whole) // 2, 512 * 20):
        cut(shard, size)
        assert "train-001.tar is damaged" in refused(shards)
        shard.write_bytes(whole)
    shard.write_bytes(b"no tar at all" * 100)
    assert "train-001.tar is damaged, or no tar" in refused(shards)
    shard.write_bytes(b"")
    assert "train-001.tar is damaged, or no tar: empty file" in refused(shards)
    shard.write_bytes(whole[:2048] + b"\xff" * 512 + whole[2560:])  # a header in the middle
    assert "train-001.tar is damaged or cut short: behind " in refused(shards)
    shard.write_bytes(whole + (shards / "test-000.tar").read_bytes())
    assert "goes on behind the end of a tar: several that were joined?" in refused(shards)
    shard.write_bytes(whole)
    (shards / "more.tar.gz").write_bytes(gzip.compress(whole))
    assert refused(shards).startswith("more.tar.gz is compressed, and images are read from any place in a shard")
    assert "is compressed" in refused(shards / "more.tar.gz")
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        shard.write_bytes(pack(whole))
        assert "train-001.tar is compressed, and images are read" in refused(shard)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            [("a.png", PNG), ("b.png", PNG), ("a.cls", b"1")],
            "1 of 2 images in it.tar have no label beside them (b.png)",
        ),
        ([("a.png", PNG)], "its training images have no labels"),
        ([("a.png", PNG), ("a.jpg", PNG), ("a.cls", b"1")], "two images of one sample, a.png and a.jpg"),
        ([("a.png", PNG), ("a.cls", b"")], "it.tar: a.cls holds no label: a number or a name"),
        ([("a.png", PNG), ("a.cls", b"\xff\xfe")], "a.cls holds no label"),
        ([("a.png", PNG), ("a.json", b"{")], "it.tar: a.json: no JSON ("),
        ([("a.png", PNG), ("a.json", b"[1]")], "a.json: a list and no object with a label"),
        (
            [("a.png", PNG), ("a.json", b'{"text": 1}')],
            'expected one of the keys label, cls, class, class_name, target; there is "text"',
        ),
        ([("a.png", PNG), ("a.json", b'{"label": 1.5}')], "a.json: label is 1.5: a number or a text is needed"),
        ([("a.png", PNG), ("a.cls", b"-1"), ("b.png", PNG), ("b.cls", b"0")], "label -1 of image 0"),
        (
            [("a.npy", b""), ("a.cls", b"1")],
            "no images in the shards of it; files that are no images and no labels left",
        ),
        ([], "no images in the shards of it"),
        ([("a.png", PNG), ("a.cls", b"cat"), ("b.png", PNG), ("b.cls", b"cat")], "one class only (cat)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, members: list[tuple[str, bytes]], words: str) -> None:
    write_tar(tmp_path / "it.tar", members)
    assert words in refused(tmp_path / "it.tar")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("train-{000..004}.tar", "2 of its 5 shards are missing (train-003.tar, train-004.tar)"),
        ("none-{0..1}.tar", "2 of its 2 shards are missing"),
        ("none.tar", "no such file or folder"),
        ("train-{000..002.tar", "its braces do not match; patterns are as shards-{000..009}.tar or {train,val}.tar"),
        ("train-{000}.tar", "{000} is no range of numbers, as {000..009}, and no list"),
        ("train-{9..0}.tar", "{9..0} counts from 9 to 0"),
        ("train-{0..9999999999}.tar", "expected up to 1,000,000 numbers"),
        ("train-{000,000}.tar", "the pattern names "),
        ("train-*.tar", "patterns are as shards-{000..009}.tar, and a folder means all shards in it"),
        ("https://some.host/train-{0..1}.tar", "train-1.tar); nothing is fetched: download the shards and name their"),
        ("pipe:cat train-000.tar", "no such file or folder; nothing is fetched: download the shards"),
    ],
)
def test_patterns_that_name_no_shards_are_refused(shards: Path, pattern: str, words: str) -> None:
    assert words in refused(shards / pattern)


def test_it_is_known_by_samples_and_labels_and_not_by_its_place(shards: Path, tmp_path: Path) -> None:
    before = fingerprint_of(data_of(shards))
    assert fingerprint_of(data_of(shutil.copytree(shards, tmp_path / "moved"))) == before
    first = SPLITS["train"][0]
    others = {
        "label": [first._replace(label=1), *SPLITS["train"][1:]],
        "pixel": [first._replace(png=SPLITS["train"][1].png), *SPLITS["train"][1:]],
    }
    for name, changed in others.items():
        assert fingerprint_of(data_of(as_shards(tmp_path / name, SPLITS | {"train": changed}))) != before


def test_of_many_a_sample_is_read_for_the_identity_and_all_sizes(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SAMPLE_FILES", 4)
    read: list[str] = []
    hash_held = identity.hash_held
    monkeypatch.setattr(identity, "hash_held", lambda path, held: read.append(path) or hash_held(path, held))
    assert load(data_of(shards)).split.endswith(
        "by the sizes of all files and the bytes of a fixed sample of 4 of 18 files (data.whole_digest=true: of all)"
    )
    assert len(set(read)) == 4
    load(data_of(shards, whole_digest=True))
    assert len(set(read)) == 18


def test_a_shard_is_read_once_while_it_stays_the_same(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTLED_NS", -(10**18))
    before = load(data_of(shards))
    read: list[str] = []
    read_shard = shard_index.read_shard
    monkeypatch.setattr(shard_index, "read_shard", lambda path, what: read.append(path.name) or read_shard(path, what))
    again = load(data_of(shards))
    assert read == []
    assert (again.fingerprint, again.summary) == (before.fingerprint, before.summary)
    write_tar(shards / "test-001.tar", [("0.png", PNG), ("0.cls", b"emu")])
    assert len(load(data_of(shards)).test_labels) == 6
    assert read == ["test-001.tar"]
    for kept in (cache_folder() / "shards").iterdir():
        kept.write_bytes(b"{")
    assert len(load(data_of(shards)).test_labels) == 6
    assert len(read) == 6


def test_a_shard_that_changes_while_a_run_goes_on_ends_it(shards: Path) -> None:
    images = load(data_of(shards)).train_images
    cut(shards / "train-002.tar", 600)
    with pytest.raises(
        Exception, match=r"train-002\.tar/0010\.png: the shard is cut short: it changed since it was li"
    ):
        streamed(images)


def test_a_model_is_tested_on_every_image(shards: Path) -> None:
    dataset = load_every_image(data_of(shards, test_crop=1.0), (*CLASSES, "fox"))
    assert dataset.split == "all images of test and train; none of 1 of the 4 classes (fox); 5 shards"
    assert len(streamed(dataset.test_images)) == 18
    only = load_every_image(data_of(f"{shards}/test-{{000..001}}.tar"), CLASSES)
    assert only.test_labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_a_plan_records_the_pattern_and_where_it_begins(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shards.parent)
    data = tiny(data__name="wds:shards/{train-{000..002},test-{000..001}}.tar", data__image_size=8).config.data
    assert data.name == "wds:{train-{000..002},test-{000..001}}.tar"
    assert data.dir == str(shards / "{train-{000..002},test-{000..001}}.tar")
    monkeypatch.chdir("/")
    assert load(data).fingerprint == data.fingerprint
    with pytest.raises(BadInput, match=r"data\.rules 1 is how earlier versions read folders, and this is wds:"):
        tiny(data__name=f"wds:{shards}", data__image_size=8, data__rules=1)


def test_streamed_sets_are_those_that_ids_and_cards_take_for_streamed() -> None:
    kinds = [kind for kind in KINDS.values() if isinstance(kind, FolderSet)]
    assert len(kinds) == 5
    for kind in kinds:
        assert DataConfig(name=f"{kind.word}:x").is_streamed == kind.streamed


def test_deep_grey_images_keep_their_bits(tmp_path: Path) -> None:
    values = np.linspace(0, 1023, 64).astype(np.uint16).reshape(8, 8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    pairs = [
        (f"{index}.{suffix}", data)
        for index in range(6)
        for suffix, data in (("png", file.getvalue()), ("cls", b"%d" % (index % 2)))
    ]
    write_tar(tmp_path / "it.tar", pairs)
    data = tiny(data__name=f"wds:{tmp_path / 'it.tar'}", data__image_size=8, data__test_crop=1.0).config.data
    assert data.grey_bits == 10
    assert np.array_equal(streamed(load(data).train_images)[0, 0].numpy(), (values * (255 / 1023)).round())


def test_the_library_s_own_shards_are_read(tmp_path: Path) -> None:
    """Where it is installed: it writes headers of its own, and numbers as texts."""
    webdataset = pytest.importorskip("webdataset")
    for split, found in SPLITS.items():
        with webdataset.ShardWriter(str(tmp_path / f"{split}-%04d.tar"), maxcount=5, verbose=0) as writer:
            for index, picture in enumerate(found):
                writer.write({"__key__": f"n{picture.label}/ä{index:04}", "png": picture.png, "cls": picture.label})
    dataset = load(data_of(tmp_path, test_crop=1.0))
    seen = streamed(dataset.train_images).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(seen, np.stack([picture.pixels for picture in SPLITS["train"]]))
    assert (dataset.class_names, dataset.train_labels.tolist()) == (("0", "1", "2"), [0] * 4 + [1] * 4 + [2] * 4)


def test_json_of_many_keys_names_the_first_few(tmp_path: Path) -> None:
    keys = {f"key{index}": 0 for index in range(20)}
    write_tar(tmp_path / "it.tar", [("a.png", PNG), ("a.json", json.dumps(keys).encode())])
    assert refused(tmp_path / "it.tar").endswith('"key4" and 15 more')


def test_the_fold_of_classes_is_that_of_the_same_folder(tmp_path: Path) -> None:
    """A validation split takes the same images, however they are stored: it is of labels and their order alone."""
    folder, shards = as_folder(tmp_path / "folder", SPLITS), as_shards(tmp_path / "shards", SPLITS)
    taken = []
    for name in (f"imagenet:{folder}", f"wds:{shards}"):
        dataset = load(DataConfig(name=name, rules=2, image_size=8, test_crop=1.0, validation_fraction=0.25))
        assert dataset.validation_images is not None
        taken.append(streamed(dataset.validation_images))
    assert torch.equal(*taken)
