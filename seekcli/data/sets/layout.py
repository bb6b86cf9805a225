"""Which folders of a data set are its splits: the usual words in any case, or a clear refusal. (`data.rules` 2.)"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from seekcli.data.sets.identity import printable
from seekcli.data.sets.system_files import is_hidden, is_system
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput

SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "test": ("test", "testing", "tst"),
    "validation": ("val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation"),
}
SPLIT_OF = {word: split for split, words in SPLIT_WORDS.items() for word in words}
# Other words for a split, which do not say for what: a folder of such a name and with folders alone is no class.
LIKELY = frozenset(
    {
        *("holdout", "heldout", "unseen", "query", "gallery", "probe", "devel", "trainval", "traintest"),
        *("fold", "folds", "split", "splits", "subset", "labeled", "unlabeled", "labelled", "unlabelled"),
    }
)
# A word for a split with something attached, trainA or Xtest: a split where all folders hold the same classes.
ATTACHED = re.compile(r"^(train|test|val)|(train|test|val)$", re.IGNORECASE)
# What may follow a word: train_set, Test Images, valdata.
ENDINGS = ("set", "data", "images", "split")


@dataclass(frozen=True)
class Layout:
    """Names of the folders of the splits, None where there is none; `left_alone` are other folders beside them."""

    train: str | None
    test: str | None
    left_alone: tuple[str, ...] = ()


def split_word(name: str) -> str | None:
    """`Training`, `train_set`, `TRAIN` -> "train"; None for a name that is no usual word of a split."""
    word = re.sub(r"[\s_.-]+", "", name.casefold())
    endings = [word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending)]
    return next((SPLIT_OF[each] for each in (word, *endings) if each in SPLIT_OF), None)


def split_in_path(path: Path, below: Path, what: str) -> str:
    """The split that a word in a file's name says, else one in the names of the folders that it is in; "" without one.

    `shards-train-000.tar` -> "train". Raises BadInput, beginning with `what`, for a name with words for two splits.
    """
    for name in reversed(path.relative_to(below).with_suffix("").parts):
        words = {word for word in re.split(r"[^a-z]+", name.casefold()) if word in SPLIT_OF}
        splits = {SPLIT_OF[word] for word in words}
        if len(splits) > 1:
            raise BadInput(f"{what}: {printable(name)} has words for two splits ({', '.join(sorted(words))})")
        if splits:
            return splits.pop()
    return ""


def names_a_split(name: str) -> bool:
    """Whether a word for a split is a part of the name, as in `seg_train`, `train2017` or `fold_1`."""
    return any(part in SPLIT_OF or part in LIKELY for part in re.split(r"[^a-z]+", name.casefold()))


def visible_subfolders(folder: Path) -> list[str]:
    """Without hidden and system folders."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return sorted(name for name in names if not is_hidden(name) and not is_system(name))


def holds_folders_only(folder: Path) -> bool:
    """Whether it has folders, as a split has, and no file beside them, as a class has."""
    with os.scandir(folder) as entries:
        files = any(entry.is_file() and not is_hidden(entry.name) and not is_system(entry.name) for entry in entries)
    return bool(visible_subfolders(folder)) and not files


def find_layout(root: Path, what: str, first: str = "test") -> Layout:
    """The splits in `root`; both None where its folders are classes. `what` begins the message of a BadInput.

    Where there is a test/ and a val/, `first` ("test" or "validation") says which of them the test images are in.
    """
    names = visible_subfolders(root)
    found: dict[str, list[str]] = {split: [] for split in SPLIT_WORDS}
    for name in names:
        if (split := split_word(name)) is not None and visible_subfolders(root / name):
            found[split].append(name)
    for split, same in found.items():
        if len(same) > 1:
            raise BadInput(f"{what}: {same[0]}/ and {same[1]}/ may both be the {split} split; rename one of them")
    train = next(iter(found["train"]), None)
    tests = [*found[first], *found["validation" if first == "test" else "test"]]
    if train is None and not tests:
        require_classes(root, names, what)
        return Layout(None, None)
    test = choose_test(root, train, tests)
    return Layout(train, test, tuple(name for name in names if name not in (train, test)))


def require_no_other_split(root: Path, train: str, others: tuple[str, ...], what: str) -> None:
    """Raise BadInput where a folder beside train/ has its classes, and a test split would be cut from train/."""
    known = set(visible_subfolders(root / train))
    for name in others:
        if shared := sorted(known.intersection(visible_subfolders(root / name))):
            raise BadInput(
                f"{what}: {printable(name)}/ holds classes of {printable(train)}/ ({few_of(shared)}), and no folder is "
                "a test split by its name; rename it test/, or move it elsewhere to have a fifth of "
                f"{printable(train)}/ set aside"
            )


def few_of(names: list[str]) -> str:
    return first_few([printable(name) for name in names])


def choose_test(root: Path, train: str | None, tests: list[str]) -> str | None:
    """The first of `tests`, unless it has none of the classes of train/ and a later one has."""
    if train is not None:
        known = set(visible_subfolders(root / train))
        tests = sorted(tests, key=lambda name: known.isdisjoint(visible_subfolders(root / name)))
    return next(iter(tests), None)


def require_classes(root: Path, names: list[str], what: str) -> None:
    """Raise BadInput where folders that look like classes are splits by another name, or have the splits inside."""
    for name in names:
        if names_a_split(name) and holds_folders_only(root / name):
            raise BadInput(f"{what}: {name}/ looks like a split and not like a class; rename it train/, val/ or test/")
    if parts_note(root) and (likely := [name for name in names if ATTACHED.search(name)]):
        raise BadInput(
            f"{what}: {few_of(likely)} and the folders beside hold folders of the same names: they look like splits "
            "and not like classes; rename them train/, val/ or test/"
        )
    for name in names:
        if beside := sorted(set(names).intersection(visible_subfolders(root / name)) - {name}):
            raise BadInput(
                f"{what}: {printable(name)}/ holds folders of the names of those beside it ({few_of(beside)}): it "
                "looks like a split and not like a class; name it test/ and put the others into train/, or move it "
                "elsewhere"
            )
    for name in names:
        inside = {split_word(inner) for inner in visible_subfolders(root / name)}
        if "train" in inside and inside & {"test", "validation"}:
            where = f"name {name}/ itself" if len(names) == 1 else "put the splits outside, as in train/CLASS/"
            raise BadInput(f"{what}: the splits are inside {name}/; {where}")


def parts_note(root: Path) -> str:
    """That all class folders of `root` hold folders of the same names: classes by parts, or splits by other words."""
    inside = {name: set(visible_subfolders(root / name)) for name in visible_subfolders(root)}
    same = set.intersection(*inside.values()) if len(inside) > 1 else set()
    if len(same) < 2:
        return ""
    said = f"every class folder holds folders of the same names ({few_of(sorted(same))})"
    return f"; {said}, read as parts of the classes and not as splits"
