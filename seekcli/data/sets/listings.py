"""From the name of a folder's data to what lies in it, and to its identity."""

from __future__ import annotations

import os
from pathlib import Path

from seekcli.config.settings import DataConfig
from seekcli.data.sets import folders, imagenet, npz
from seekcli.data.sets.identity import printable
from seekcli.data.sets.kept_listings import kept
from seekcli.data.sets.kind import FolderSet, OwnSet
from seekcli.data.sets.kinds import kind_named
from seekcli.data.sets.shard_patterns import fixed_part
from seekcli.data.text.reading import is_text, text_of
from seekcli.errors import BadInput

Listing = folders.FolderListing | imagenet.ImageNetListing | npz.ArrayListing


def is_folder(data: DataConfig) -> bool:
    """Whether the data is files whose place the name says: `folder:DIR`, `imagenet:DIR`, `npz:FILE`, ..."""
    return folder_set(data) is not None


def folder_set(data: DataConfig) -> FolderSet | None:
    """What is known of folders of this kind; None for data without a folder."""
    kind = kind_named(data.name)
    return kind if isinstance(kind, FolderSet) else None


def own_set(data: DataConfig) -> OwnSet | None:
    """What is known of data of one's own, an import path; None for other data."""
    kind = kind_named(data.name)
    return kind if isinstance(kind, OwnSet) else None


def kind_of(data: DataConfig) -> str:
    """The word before the colon."""
    return data.name.partition(":")[0]


def listing_of(data: DataConfig) -> Listing | None:
    """What lies in the data's folder; None for data without one."""
    kind = folder_set(data)
    if kind is None:
        return None
    return kept(listing_key(data), lambda: kind.list_files(folder_of(data), data))


def listing_key(data: DataConfig) -> tuple[str, str, str, int, bool]:
    """All that a listing is of."""
    kind = folder_set(data)
    assert kind is not None
    more = kind.place(data.name.partition(":")[2]).more
    return kind.word, str(folder_of(data)), more, data.rules, data.whole_digest


def fingerprint_of(data: DataConfig, listing: Listing | None = None) -> str | None:
    """The identity of a folder's data under `data.rules`, and of data of one's own; None where the name says all of it.

    By rules 2 it is of the contents: the sha256 of every file, or of a fixed sample and every size for a streamed tree.
    By rules 1 it is of names and sizes alone. Files that were not read before are read now. That of a text is the
    sha256 of its bytes.
    """
    if is_text(data):
        return text_of(data).sha256
    if listing is not None:
        return identity_of(data, listing)
    listing = listing_of(data)
    if listing is None:
        kind = own_set(data)
        return None if kind is None else kind.by_contents()
    return kept(("fingerprint", *listing_key(data)), lambda: identity_of(data, listing))


def identity_of(data: DataConfig, listing: Listing) -> str:
    return listing.sizes if data.rules == 1 else contents_of(listing)


def contents_of(listing: Listing) -> str:
    """The identity by contents of the files that were listed, by whichever rules."""
    return listing.contents()


def known_by(data: DataConfig) -> str:
    """What the data is known by, in a word or two: "contents", "names and sizes" or "name"."""
    if is_text(data):
        return "contents"
    if not is_folder(data):
        return "name" if own_set(data) is None else "contents"
    return "names and sizes" if data.rules == 1 else "contents"


def folder_of(data: DataConfig) -> Path:
    """The path of the folder, or of the file or the pattern that is named instead.

    A resolved config has it in `dir`, and in `name` no more than its label.
    """
    kind = folder_set(data)
    assert kind is not None
    named = kind.place(data.name.partition(":")[2]).path
    if data.dir is None:
        if not named:
            what = "folder" if kind.form.endswith("DIR") else "files"
            raise BadInput(f"--data {kind.word}: name the {what}, as in --data {kind.form}")
        return with_printable_name(Path(os.path.expanduser(named)))
    folder = with_printable_name(Path(os.path.expanduser(data.dir)))
    same = named in ("", data.dir, label_of(folder), kind.label and kind.label(folder))
    if not same and data.fingerprint is None:
        raise BadInput(f"--data-dir {data.dir}: a folder is named once, as in --data {kind_of(data)}:{folder / named}")
    return folder


def recorded_name(data: DataConfig) -> str:
    """`folder:photos`: the kind, the last word of the path, and what was said behind it."""
    kind = folder_set(data)
    assert kind is not None
    more = kind.place(data.name.partition(":")[2]).more
    label = (kind.label or label_of)(folder_of(data))
    return f"{kind.word}:{label}{f':{more}' if more else ''}"


def is_gone(data: DataConfig) -> bool:
    """Whether nothing is left where the files were: a pattern is looked for by the folder that it begins in."""
    folder = folder_of(data)
    return not folder.exists() and not (fixed_part(folder) != folder and fixed_part(folder).exists())


def with_printable_name(folder: Path) -> Path:
    """The folder. Raises BadInput for a path that cannot be recorded, because it is no text."""
    for part in (str(folder), label_of(folder)):
        if printable(part) != part:
            raise BadInput(f"--data folder {printable(part)}: its name is not UTF-8; rename it")
    return folder


def label_of(folder: Path) -> str:
    """`.` and `photos/` have names too."""
    return Path(os.path.realpath(folder)).name
