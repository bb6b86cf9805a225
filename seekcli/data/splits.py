"""Choosing images for a split: per class, in proportion, and equal on every machine and library version."""

from __future__ import annotations

from collections.abc import Sequence

from seekcli.data.keys import key_of
from seekcli.errors import BadInput

SPLIT_SEED = 0
TEST_SPLIT = f"stratified 80/20 split, seed {SPLIT_SEED}"


def count_for_test(images: int, asked: int | None = None, classes: int = 1) -> int:
    """How many of `images` are test images where a data set has no split of its own: a fifth, rounded up, or `asked`.

    Raises BadInput where `asked` leaves one side of the split with fewer images than there are classes.
    """
    if asked is None:
        return -(-images // 5)
    if not classes <= asked <= images - classes:
        raise BadInput(
            f"data.test_images {asked}: between {classes} and {images - classes} of {images} images of {classes} "
            "classes can be test images"
        )
    return asked


def test_split_words(images: int, asked: int | None) -> str:
    """How the test images were chosen, as a run's data line says it."""
    if asked is None:
        return TEST_SPLIT
    return f"stratified split of {images} images, {asked} of them for test, seed {SPLIT_SEED}"


def chosen_per_class(labels: Sequence[int], count: int, purpose: str, names: Sequence[str] | None = None) -> list[int]:
    """Indices, ascending, of `count` images out of len(labels), each class in proportion to its size.

    A class ranks its images by the hash of (purpose, SPLIT_SEED, name; the index where there are no names) and gives
    its first ones. So no random number generator is involved, a smaller choice lies mostly within a larger one, and
    a named image keeps its rank when others are added.
    """
    members: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    sizes = {label: len(members[label]) for label in sorted(members)}
    chosen: list[int] = []
    for label, quota in quotas(sizes, count).items():
        ranked = sorted(members[label], key=lambda index: key_of(purpose, SPLIT_SEED, names[index] if names else index))
        chosen += ranked[:quota]
    return sorted(chosen)


def quotas(sizes: dict[int, int], count: int) -> dict[int, int]:
    """`count` shared out in proportion to `sizes` by largest remainder; equal remainders go to the first label."""
    total = sum(sizes.values())
    shares = {label: divmod(size * count, total) for label, size in sizes.items()}
    left = count - sum(whole for whole, _ in shares.values())
    by_remainder = sorted(shares, key=lambda label: (-shares[label][1], label))
    return {label: whole + (label in by_remainder[:left]) for label, (whole, _) in shares.items()}
