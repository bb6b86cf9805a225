"""Every data set there is, by the word that `--data` begins with. Imports no torch: a shell completes from it."""

from __future__ import annotations

from seekcli.data.sets import cifar, digits, folders, hf, imagenet, npz, photo_sets, synthetic, text, wds
from seekcli.data.sets.kind import DataKind
from seekcli.data.sets.own_data import own_set
from seekcli.own_code.paths import is_path

KINDS: dict[str, DataKind] = {}


def register(kind: DataKind) -> None:
    """Make a data set known. Raises ValueError for a word that is taken."""
    if kind.word in KINDS:
        raise ValueError(f"the name {kind.word} is taken")
    KINDS[kind.word] = kind


# The order of `seek list data`.
for _shipped in (
    digits.DIGITS,
    cifar.CIFAR10,
    cifar.CIFAR100,
    photo_sets.FLOWERS102,
    photo_sets.PETS,
    folders.FOLDER,
    imagenet.IMAGENET,
    npz.NPZ,
    hf.HF,
    wds.WDS,
    synthetic.SYNTHETIC,
    text.TEXT,
):
    register(_shipped)


def kind_named(name: str) -> DataKind | None:
    """The object of what `--data` says, an import path included; None for no data set, `digits:8` among them."""
    kind = KINDS.get(name.partition(":")[0])
    if kind is None and is_path(name):
        return own_set(name)
    return kind if kind is not None and (kind.takes_more or name == kind.form) else None
