"""Data sets of Hugging Face on disk: what `save_to_disk` wrote, or parquet files of a repository. Nothing is fetched.

Both are tables with an image column (the bytes of image files) and a label column; pyarrow reads them. The images are
decoded once and kept in memory, as those of a folder are, and known by their bytes and classes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.config.settings import DataConfig
from seekcli.data.sets.folders import read_folder
from seekcli.data.sets.hf_columns import Columns, choose_columns, label_values
from seekcli.data.sets.hf_files import find_tables, open_table
from seekcli.data.sets.identity import ImageFile
from seekcli.data.sets.kind import FolderSet, NamedPlace
from seekcli.data.sets.samples import LabelledListing, Part, all_for_test, divide, listing_of_samples
from seekcli.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = re.compile(r"(.*):([^/:,]+,[^/:,]+)", re.DOTALL)


def place_of(named: str) -> NamedPlace:
    """The folder, and the columns where they are said behind it: `set:img,fine_label`."""
    found = COLUMNS.fullmatch(named)
    return NamedPlace(named) if found is None else NamedPlace(found[1], found[2])


@dataclass(frozen=True, eq=False)
class Cell:
    """An image file in a row of a table, `column` its bytes."""

    container: str
    name: str
    column: pa.ChunkedArray
    row: int

    def read(self) -> bytes:
        return bytes(self.column[self.row].as_py())

    def __str__(self) -> str:
        return f"{self.container}: {self.name}"


def list_tables(root: Path, data: DataConfig) -> LabelledListing:
    """Raises BadInput for a folder that is no such data set, and for columns that are not there or no images."""
    what = said(root)
    if data.rules == 1:
        raise BadInput(f"data.rules 1 is how earlier versions read folders, and this is {what.removeprefix('--data ')}")
    parts, names = parts_of(root, data, what)
    return listing_of_samples(root, divide(what, parts, names))


def list_all_tables(root: Path, data: DataConfig, class_names: Sequence[str]) -> LabelledListing:
    """Every image, whatever its split, by the classes of a trained model."""
    what = said(root)
    parts, _ = parts_of(root, data, what)
    return listing_of_samples(root, all_for_test(what, parts, class_names))


def said(root: Path) -> str:
    return f"--data hf:{root}"


def parts_of(root: Path, data: DataConfig, what: str) -> tuple[list[Part[ImageFile]], tuple[str, ...] | None]:
    """The splits by their names, and the names of the classes where the data set has them."""
    asked = place_of(data.name.partition(":")[2]).more
    parts, names = [], None
    for split, files in find_tables(root, what).items():
        images: list[ImageFile] = []
        values: list[Any] = []
        for file in files:
            table = open_table(file, what)
            columns = choose_columns(table.schema, asked, f"{what}: {split or file.name}")
            names = names or columns.names
            images += images_of(table, columns, file, split, len(images), what)
            values += table.column(columns.label).to_pylist()
        where = f"{what}: {columns.label} of {split}" if split else f"{what}: {columns.label}"
        parts.append(Part(split, images, label_values(where, values, names)))
    return parts, names


def images_of(table: pa.Table, columns: Columns, file: Path, split: str, before: int, what: str) -> list[ImageFile]:
    """The rows of a file that follow `before` others of the split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(columns.image)
    bytes_column = pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
    sizes = pc.binary_length(bytes_column).to_pylist()
    status, prefix = os.stat(file), f"{split}/" if split else ""
    images = []
    for row, size in enumerate(sizes):
        name = f"{prefix}{before + row:08}"
        if size is None:
            raise BadInput(
                f"{what}: row {name} of {columns.image} has no bytes, only the path of a file or nothing: "
                "save_to_disk(DIR) of the `datasets` library writes the images themselves"
            )
        cell = Cell(str(file), f"row {row:,}", bytes_column, row)
        images.append(ImageFile(name, size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, cell))
    return images


HF = FolderSet(
    form="hf:DIR[:IMAGE,LABEL]",
    about="a data set of Hugging Face on disk (save_to_disk, or parquet files); the columns where they are not plain",
    list_files=list_tables,
    list_all=list_all_tables,
    read=lambda listing, data, size, watcher: read_folder(listing, size, watcher, data.grey_bits, data.fit, "hf"),
    place=place_of,
)
