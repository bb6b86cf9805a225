"""Data sets of Hugging Face on disk: both ways they are stored, which columns are read, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from labelled_sets import CLASSES, as_folder, as_tables, both_splits, save_table, table_of
from PIL import Image
from tiny import tiny

from seekcli.config.settings import DataConfig
from seekcli.data.sets.sources import fingerprint_of, load
from seekcli.data.sets.summary import summary_ahead
from seekcli.data.splitting.every_image import load_every_image
from seekcli.data.splitting.overlap import overlap_note
from seekcli.errors import BadInput

SPLITS = both_splits()
WORDS = "12 training and 6 test images of 3 classes (cat, dog, emu); train and test as given"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return as_tables(tmp_path / "set", SPLITS)


def data_of(path: Path | str, **settings: object) -> DataConfig:
    return DataConfig(name=f"hf:{path}", rules=2, image_size=8).model_copy(update=settings)


def refused(path: Path | str) -> str:
    with pytest.raises(BadInput) as caught:
        load(data_of(path))
    message = str(caught.value)
    assert message.startswith("--data hf:")
    assert "\n" not in message
    return message


def check_images(data: DataConfig) -> None:
    dataset = load(data)
    for split, images, labels in (
        ("train", dataset.train_images, dataset.train_labels),
        ("test", dataset.test_images, dataset.test_labels),
    ):
        assert isinstance(images, torch.Tensor)
        expected = np.stack([picture.pixels for picture in SPLITS[split]])
        assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), expected)
        assert labels.tolist() == [picture.label for picture in SPLITS[split]]
    assert dataset.class_names == CLASSES


def test_what_save_to_disk_wrote_is_read(tables: Path) -> None:
    data = data_of(tables)
    check_images(data)
    assert load(data).summary == summary_ahead(data) == f"hf:set: {WORDS}"
    (tables / "train" / "cache-0123.arrow").write_bytes(b"what the library left")
    check_images(data)


def as_parquet(file: Path, table: pa.Table) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file)


@pytest.mark.parametrize("place", ["data/{}-0000{}-of-00002", "{}/000{}", "plain/set-{}-0000{}-of-00002"])
def test_the_parquet_files_of_a_repository_are_read(tmp_path: Path, place: str) -> None:
    for split, found in SPLITS.items():
        half = len(found) // 2
        for number, part in enumerate((found[:half], found[half:])):
            as_parquet(tmp_path / "set" / f"{place.format(split, number)}.parquet", table_of(part))
    check_images(data_of(tmp_path / "set"))
    assert load(data_of(tmp_path / "set")).summary == f"hf:set: {WORDS}"


def test_it_is_the_same_data_however_it_is_stored(tables: Path, tmp_path: Path) -> None:
    before = fingerprint_of(data_of(tables))
    assert fingerprint_of(data_of(shutil.copytree(tables, tmp_path / "moved"))) == before
    for split, found in SPLITS.items():
        as_parquet(tmp_path / "repository" / f"{split}.parquet", table_of(found))
    assert fingerprint_of(data_of(tmp_path / "repository")) == before
    assert fingerprint_of(data_of(f"{tables}:image,label")) == before
    first, *others = SPLITS["train"]
    for name, changed in {"label": first._replace(label=2), "image": first._replace(png=others[0].png)}.items():
        other = as_tables(tmp_path / name, SPLITS | {"train": [changed, *others]})
        assert fingerprint_of(data_of(other)) != before


def test_one_split_is_divided_and_a_folder_of_one_split_may_be_named(tables: Path) -> None:
    dataset = load(data_of(tables / "train"))
    assert dataset.split == "stratified 80/20 split, seed 0"
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (9, 3)
    shutil.rmtree(tables / "test")
    assert load(data_of(tables)).split == "stratified 80/20 split, seed 0 of train"


def test_other_splits_are_left_alone_and_an_unlabelled_test_split_too(tables: Path) -> None:
    unlabelled = table_of(SPLITS["test"]).set_column(1, "label", pa.array([-1] * 6))
    save_table(tables / "unsupervised", table_of(SPLITS["test"]))
    shutil.rmtree(tables / "test")
    save_table(tables / "test", unlabelled)
    save_table(tables / "validation", table_of(SPLITS["test"]))
    assert load(data_of(tables)).split == "train and validation as given; test (no labels), unsupervised left alone"


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        (pa.array(["dog", "cat", "emu"] * 4), None, ("cat", "dog", "emu")),
        (pa.array([5, 9, 10] * 4, pa.int8()), None, ("5", "9", "10")),
        (pa.array([2.0, 0.0, 2.0] * 4), None, ("0", "2")),
        (pa.array([0, 2, 2] * 4), ("ape", "bat", "cat"), ("ape", "cat")),
        (pa.array([True, False, True] * 4), None, ("0", "1")),
    ],
)
def test_labels_are_names_or_numbers(tmp_path: Path, labels: pa.Array, names: tuple[str, ...], expected: tuple) -> None:
    table = (
        table_of(SPLITS["train"], names)
        .set_column(1, "label", labels)
        .replace_schema_metadata(table_of(SPLITS["train"], names).schema.metadata)
    )
    save_table(tmp_path / "set", table)
    dataset = load(data_of(tmp_path / "set"))
    assert dataset.class_names == expected
    assert ("1 class (bat) without a training image left out" in dataset.split) == (names is not None)


def test_columns_are_named_where_they_are_not_plain(tmp_path: Path) -> None:
    coarse = pa.array([picture.label // 2 for picture in SPLITS["train"]])
    table = table_of(SPLITS["train"], None, coarse=coarse, thumb=pa.array([b"x"] * 12))
    save_table(tmp_path / "set", table)
    assert refused(tmp_path / "set").endswith(
        "several columns may hold the images (image, thumb); name two, as in hf:DIR:IMAGE,LABEL"
    )
    assert load(data_of(f"{tmp_path / 'set'}:image,coarse")).class_names == ("0", "1")
    assert len(load(data_of(f"{tmp_path / 'set'}:image,label")).class_names) == 3
    assert "unknown column 'coars'; did you mean 'coarse'?" in refused(f"{tmp_path / 'set'}:image,coars")
    assert "column label holds no images, but int64" in refused(f"{tmp_path / 'set'}:label,image")
    data = tiny(data__name=f"hf:{tmp_path / 'set'}:image,coarse", data__image_size=8).config.data
    assert (data.name, data.dir, data.classes) == ("hf:set:image,coarse", str(tmp_path / "set"), 2)
    assert load(data).class_names == ("0", "1")


def test_a_column_of_bytes_is_a_column_of_images(tmp_path: Path) -> None:
    found = SPLITS["train"]
    plain = pa.table({"img": pa.array([one.png for one in found]), "kind": [CLASSES[one.label] for one in found]})
    as_parquet(tmp_path / "set" / "all.parquet", plain)
    dataset = load(data_of(tmp_path / "set"))
    assert dataset.class_names == CLASSES
    assert len(dataset.train_labels) == 9


def test_what_cannot_be_read_is_refused(tables: Path, tmp_path: Path) -> None:
    assert "none: no such folder; nothing is fetched: `hf download --repo-type dataset" in refused(tmp_path / "none")
    assert refused(f"{tables}:image").endswith(f"the images and their labels: hf:{tables}:IMAGE,LABEL")
    (tmp_path / "empty").mkdir()
    assert "no tables in it (.parquet or .arrow)" in refused(tmp_path / "empty")
    arrow = tables / "train" / "data-00000-of-00001.arrow"
    whole = arrow.read_bytes()
    for size in (0, 10, 300, len(whole) // 2):
        arrow.write_bytes(whole[:size])
        assert "data-00000-of-00001.arrow is damaged, or no table: " in refused(tables)
    offsets = whole.index((len(SPLITS["train"][0].png)).to_bytes(4, "little"))
    arrow.write_bytes(whole[:offsets] + b"\xff" * 4 + whole[offsets + 4 :])
    assert "data-00000-of-00001.arrow is damaged, or no table: " in refused(tables)
    arrow.unlink()
    assert "tables of train/ are missing (data-00000-of-00001.arrow)" in refused(tables)
    (tables / "train" / "state.json").write_text("{")
    assert "state.json is damaged (" in refused(tables)
    for config in ("large", "small"):
        as_parquet(tmp_path / "repo" / config / "train-00000-of-00001.parquet", table_of(SPLITS["train"]))
    assert f"lie in several folders (large, small); name one of them, as in hf:{tmp_path}/repo/large" in refused(
        tmp_path / "repo"
    )


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        (0, [{"bytes": None, "path": "/photos/1.png"}] * 12, "row 00000000 of image has no bytes, only the path of a"),
        (1, pa.array([0, None] * 6), "label: image 1 has no label"),
        (1, pa.array([0.5, 1] * 6), "label: label 0.5 of image 0: whole numbers or texts"),
        (1, pa.array([[0, 1]] * 12), "label: labels are numbers or texts, and there is [0, 1]"),
        (1, pa.array([7, 1] * 6), "label: label 7 of image 0: the names are of labels 0 to 2"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, column: int, values: object, words: str) -> None:
    table = table_of(SPLITS["train"])
    kind = table.schema.field(0).type
    new = values if isinstance(values, pa.Array) else pa.array(values, kind)
    changed = table.set_column(column, table.column_names[column], new).replace_schema_metadata(table.schema.metadata)
    save_table(tmp_path / "set", changed)
    assert words in refused(tmp_path / "set")


def test_a_broken_image_is_named_by_its_row(tables: Path) -> None:
    found = [SPLITS["test"][0]._replace(png=b"no image"), *SPLITS["test"][1:]]
    shutil.rmtree(tables / "test")
    save_table(tables / "test", table_of(found))
    with pytest.raises(BadInput, match=r"read the image .*test/data-00000-of-00001.arrow: row 0: it is damaged, or no"):
        load(data_of(tables))


def test_photographs_become_squares_and_deep_ones_keep_their_bits_as_in_folders(tmp_path: Path) -> None:
    grey = Image.fromarray(np.linspace(0, 4095, 128).astype(np.uint16).reshape(8, 16))
    grey.save(tmp_path / "grey.png")
    one = SPLITS["train"][0]._replace(png=(tmp_path / "grey.png").read_bytes())
    splits = {split: [one._replace(label=label) for label in (0, 0, 1, 1)] for split in ("train", "test")}
    seen = []
    for kind, root in (("folder", as_folder(tmp_path / "f", splits)), ("hf", as_tables(tmp_path / "h", splits))):
        data = tiny(data__name=f"{kind}:{root}", data__image_size=8, data__fit="pad").config.data
        assert data.grey_bits == 12
        seen.append(load(data).train_images)
    assert torch.equal(*seen)


def test_images_in_both_splits_are_counted(tables: Path) -> None:
    shutil.rmtree(tables / "test")
    save_table(tables / "test", table_of(SPLITS["train"][:2]))
    note = overlap_note(data_of(tables))
    assert note is not None
    assert note.startswith("2 of 2 test images are training images too (test/00000000 is train/00000000, ")


def test_a_model_is_tested_on_every_image(tables: Path) -> None:
    dataset = load_every_image(data_of(tables), (*CLASSES, "fox"))
    assert dataset.split == "all images of test and train; none of 1 of the 4 classes (fox)"
    assert len(dataset.test_images) == 18
    assert dataset.test_paths is not None
    assert dataset.test_paths[0] == "test/00000000"
    with pytest.raises(BadInput, match="unknown class 'dog'"):
        load_every_image(data_of(tables), ("cat", "emu"))


def test_the_library_s_own_files_are_read(tmp_path: Path) -> None:
    """Where it is installed: the layouts above are written by hand."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    whole = datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict(
                {
                    "image": [Image.fromarray(picture.pixels) for picture in found],
                    "label": [picture.label for picture in found],
                },
                features=features,
            )
            for split, found in SPLITS.items()
        }
    )
    whole.save_to_disk(tmp_path / "set", num_shards={"train": 3, "test": 1})
    check_images(data_of(tmp_path / "set"))
    before = fingerprint_of(data_of(tmp_path / "set"))
    whole["train"].to_parquet(tmp_path / "repo" / "train.parquet")
    whole["test"].to_parquet(tmp_path / "repo" / "test.parquet")
    assert fingerprint_of(data_of(tmp_path / "repo")) == before
    (tmp_path / "file.png").write_bytes(SPLITS["train"][0].png)
    paths = datasets.Dataset.from_dict(
        {"image": [str(tmp_path / "file.png")] * 4, "label": [0, 1, 0, 1]}, features=features
    )
    paths.save_to_disk(tmp_path / "paths")
    assert len(load(data_of(tmp_path / "paths")).train_labels) == 2
    state = json.loads((tmp_path / "paths" / "state.json").read_text())
    assert state["_data_files"]
