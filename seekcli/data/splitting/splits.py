"""Choosing images for a split: per class, in proportion, and equal on every machine and library version."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from seekcli.data.keys import key_of
from seekcli.errors import BadInput


class AtLeast(NamedTuple):
    """How many images of each class a choice has to take, and to leave."""

    given: int = 0
    kept: int = 0


# By `data.rules` 1 a class may be rounded away; by 2 it keeps an image on the side that matters, or on both.
ANY, ONE_EACH, BOTH_SIDES = AtLeast(), AtLeast(given=1), AtLeast(given=1, kept=1)
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


def first_few(names: Sequence[str], shown: int = 3) -> str:
    """`cat, dog, emu and 7 more`"""
    words = ", ".join(names[:shown])
    return f"{words} and {len(names) - shown} more" if len(names) > shown else words


def by_rules(rules: int, at_least: AtLeast) -> AtLeast:
    return at_least if rules >= 2 else ANY


def chosen_per_class(
    labels: Sequence[int],
    count: int,
    purpose: str,
    names: Sequence[str] | None = None,
    at_least: AtLeast = ANY,
) -> list[int]:
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
    for label, quota in quotas(sizes, count, at_least).items():
        ranked = sorted(members[label], key=lambda index: key_of(purpose, SPLIT_SEED, names[index] if names else index))
        chosen += ranked[:quota]
    return sorted(chosen)


def quotas(sizes: Mapping[int, int], count: int, at_least: AtLeast = ANY) -> dict[int, int]:
    """`count` shared out in proportion to `sizes` by largest remainder; equal remainders go to the first label.

    With `at_least` no class is rounded away: each gives and keeps so many images, as far as it has them and `count`
    reaches for all.
    """
    found = dict(by_largest_remainder(tuple(sizes.items()), count))
    return found if at_least == ANY else with_every_class(found, sizes, count, at_least)


@lru_cache(maxsize=256)
def by_largest_remainder(sizes: tuple[tuple[int, int], ...], count: int) -> tuple[tuple[int, int], ...]:
    """(label, share) pairs in the order of `sizes`. Kept: all runs of a grid share out the same few data sets."""
    total = sum(size for _, size in sizes)
    shares = {label: divmod(size * count, total) for label, size in sizes}
    left = count - sum(whole for whole, _ in shares.values())
    more = set(sorted(shares, key=lambda label: (-shares[label][1], label))[:left])
    return tuple((label, whole + (label in more)) for label, (whole, _) in shares.items())


def with_every_class(
    found: Mapping[int, int], sizes: Mapping[int, int], count: int, at_least: AtLeast
) -> dict[int, int]:
    """Shares `found` by largest remainder, moved as little as possible so that no class is rounded away.

    Where `count` is too small for one of each, none is owed; what a class has to keep it keeps even then.
    """
    most = {label: max(size - at_least.kept, 0) for label, size in sizes.items()}
    least = {label: min(at_least.given, most[label]) for label in sizes}
    if sum(least.values()) > count:
        least = dict.fromkeys(sizes, 0)
    bounded = {label: min(max(found[label], least[label]), most[label]) for label in sizes}
    excess = sum(bounded.values()) - count
    step, total = (-1 if excess > 0 else 1), sum(sizes.values())

    def distance(label: int) -> tuple[int, int]:
        """How far the next step brings the class from its exact share, in whole numbers; then the label."""
        return step * (bounded[label] * total - sizes[label] * count), label

    def movable(label: int) -> bool:
        return least[label] <= bounded[label] + step <= most[label]

    queue = [distance(label) for label in sizes if movable(label)]
    heapq.heapify(queue)
    for _ in range(abs(excess)):
        if not queue:  # more were asked for than all classes may give
            break
        _, label = heapq.heappop(queue)
        bounded[label] += step
        if movable(label):
            heapq.heappush(queue, distance(label))
    return bounded


def lost_classes(names: Sequence[str], held: Mapping[int, int]) -> str:
    """The classes that a held-out batch has no image of, in words: it is too small, or they are.

    Without names, which are not known before the data of a named set is read, it is said how many.
    """
    lost = [label for label, count in held.items() if not count]
    if not lost:
        return ""
    return f" (none of {first_few([names[label] for label in lost]) if names else f'{len(lost):,} of the classes'})"
