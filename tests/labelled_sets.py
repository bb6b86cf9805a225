"""The same few pictures in each of the forms that people have them in: class folders, arrays, tables, shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

CLASSES = ("cat", "dog", "emu")
SIDE = 8


class Picture(NamedTuple):
    """A PNG, its pixels uint8 [S, S, 3], and its label, an index of `CLASSES`."""

    png: bytes
    pixels: np.ndarray
    label: int


def pictures(split: str, each: int, side: int = SIDE) -> list[Picture]:
    """`each` pictures of each class, class after class, as a folder lists them; a class has a brighter channel."""
    noise = np.random.default_rng(len(split)).integers(0, 120, (len(CLASSES), each, side, side, 3))
    found = []
    for label in range(len(CLASSES)):
        for one in noise[label]:
            pixels = (one + 100 * np.eye(3, dtype=int)[label]).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            found.append(Picture(file.getvalue(), pixels, label))
    return found


def both_splits(train: int = 4, test: int = 2, side: int = SIDE) -> dict[str, list[Picture]]:
    return {"train": pictures("train", train, side), "test": pictures("test", test, side)}


def as_folder(root: Path, splits: dict[str, list[Picture]]) -> Path:
    for split, found in splits.items():
        for index, picture in enumerate(found):
            place = root / split / CLASSES[picture.label]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index:04}.png").write_bytes(picture.png)
    return root


def as_npz(file: Path, splits: dict[str, list[Picture]], **others: object) -> Path:
    arrays = {f"{split}_images": np.stack([picture.pixels for picture in found]) for split, found in splits.items()}
    arrays |= {f"{split}_labels": np.array([picture.label for picture in found]) for split, found in splits.items()}
    np.savez(file, **({"class_names": np.array(CLASSES)} | arrays | others))
    return file


def as_shards(root: Path, splits: dict[str, list[Picture]], each: int = 5) -> Path:
    """Shards of `each` samples, as `train-000.tar`; the label of an image is the name of its class."""
    root.mkdir(parents=True, exist_ok=True)
    for split, found in splits.items():
        for number, first in enumerate(range(0, len(found), each)):
            samples = enumerate(found[first : first + each], first)
            members = ((f"{index:04}", picture) for index, picture in samples)
            write_tar(
                root / f"{split}-{number:03}.tar",
                [pair for key, one in members for pair in ((f"{key}.png", one.png), (f"{key}.cls", named(one)))],
            )
    return root


def named(picture: Picture) -> bytes:
    return CLASSES[picture.label].encode()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def as_tables(root: Path, splits: dict[str, list[Picture]]) -> Path:
    """As `DatasetDict.save_to_disk` of the `datasets` library lays it out."""
    root.mkdir(exist_ok=True)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    for split, found in splits.items():
        save_table(root / split, table_of(found))
    return root


def save_table(folder: Path, table: pa.Table) -> None:
    folder.mkdir()
    name = "data-00000-of-00001.arrow"
    with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}], "_split": None}))


def table_of(found: Sequence[Picture], names: Sequence[str] | None = CLASSES, **columns: pa.Array) -> pa.Table:
    """Columns `image` and `label`, the latter with the names of classes where there are any, and others beside them."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": picture.png, "path": None} for picture in found], type=kind)
    table = pa.table({"image": images, "label": [picture.label for picture in found]} | columns)
    features: dict[str, object] = {"image": {"_type": "Image"}}
    features["label"] = {"_type": "Value"} if names is None else {"_type": "ClassLabel", "names": list(names)}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
