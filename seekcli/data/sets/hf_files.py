"""Which files hold the splits of a Hugging Face data set on disk, and a table of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.data.sets.layout import split_in_path
from seekcli.data.sets.system_files import is_hidden
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, MissingData
from seekcli.plain_data import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

STATE = "state.json"  # beside the tables of one split that `save_to_disk` wrote
TABLE_SUFFIXES = (".parquet", ".arrow")
HOW_TO_HAVE = "nothing is fetched: `hf download --repo-type dataset NAME --local-dir DIR` first, or save_to_disk(DIR)"


def find_tables(root: Path, what: str) -> dict[str, list[Path]]:
    """The files of each split, by its name; "" where no split is named. `what` begins the message of a BadInput."""
    if not root.exists():
        folder, colon, _ = str(root).rpartition(":")
        if colon and Path(folder).exists():
            raise BadInput(f"{what}: two columns are named, the images and their labels: hf:{folder}:IMAGE,LABEL")
        raise MissingData(f"{what}: no such folder; {HOW_TO_HAVE}")
    if root.is_file():
        return {"": [root]}
    if (root / STATE).is_file():
        return {"": saved_tables(root, what)}
    saved = sorted(folder for folder in root.iterdir() if (folder / STATE).is_file())
    if saved:
        return {folder.name: saved_tables(folder, what) for folder in saved}
    found: dict[str, list[Path]] = {}
    for file in sorted(root.rglob("*")):
        if file.suffix in TABLE_SUFFIXES and file.is_file() and not any(map(is_hidden, file.relative_to(root).parts)):
            found.setdefault(split_in_path(file, root, what), []).append(file)
    if not found:
        raise BadInput(f"{what}: no tables in it ({' or '.join(TABLE_SUFFIXES)}); {HOW_TO_HAVE}")
    for split, files in found.items():
        places = sorted({file.parent.relative_to(root).as_posix() for file in files})
        if len(places) > 1:
            raise BadInput(
                f"{what}: tables of {split or 'one split'} lie in several folders ({first_few(places)}); name one of "
                f"them, as in hf:{root / places[0]}"
            )
    return found


def saved_tables(folder: Path, what: str) -> list[Path]:
    """The tables of one split in their order: other files beside them are what the library left."""
    try:
        tree: Any = parse_json((folder / STATE).read_bytes())
        files = [folder / entry["filename"] for entry in tree["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{what}: {folder / STATE} is damaged ({error})") from error
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise BadInput(f"{what}: tables of {folder.name}/ are missing ({first_few(missing) or STATE + ' names none'})")
    return files


def open_table(file: Path, what: str) -> pa.Table:
    """A table of arrow, mapped into memory, or of parquet, read into it. Raises BadInput for one that is damaged."""
    import pyarrow as pa

    try:
        table = read_parquet(file) if file.suffix == ".parquet" else map_arrow(file)
        table.validate(full=True)  # an offset that is wrong would end the process where a row is read
        return table
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{what}: {file.name} is damaged, or no table: {reason}") from error


def read_parquet(file: Path) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).read()


def map_arrow(file: Path) -> pa.Table:
    """Of both forms of an arrow file: a stream, as the library writes it, or one with a table of contents."""
    import pyarrow as pa

    with pa.memory_map(str(file)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(source).read_all()
