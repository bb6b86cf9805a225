"""Which seeds are asked for: how many from 0 on, or a list of them."""

from __future__ import annotations

from seekcli.config.value_types import MOST_SEEDS
from seekcli.errors import BadInput, shown_value

LARGEST = 2**63 - 1


def seeds_asked(value: object, key: str) -> list[int]:
    """`3` is 0, 1, 2; `[3, 4]` is itself, each seed once. Raises BadInput that begins with the key."""
    if isinstance(value, list):
        return listed(value, key)
    if not is_whole(value):
        raise BadInput(f"{key}: a count such as 3 (seeds 0, 1, 2) or a list such as 3,4; got {shown_value(value)}")
    assert isinstance(value, int)
    if value < 1:
        raise BadInput(f"{key}: at least 1, got {shown_value(value)}")
    require_few(value, key)
    return list(range(value))


def listed(values: list[object], key: str) -> list[int]:
    if not values:
        raise BadInput(f"{key}: the list names no seed")
    seeds = [value for value in values if isinstance(value, int) and is_whole(value) and 0 <= value <= LARGEST]
    if len(seeds) < len(values):
        odd = next(value for value in values if value not in seeds or isinstance(value, bool))
        raise BadInput(f"{key}: a seed is a whole number from 0 to {LARGEST}, got {shown_value(odd)}")
    require_few(len(values), key)
    return list(dict.fromkeys(seeds))


def seeds_in(text: str, key: str) -> list[int]:
    """As `seeds_asked`, of the words of a flag: `3`, or `3,4` (`3,` is a list of one)."""
    if "," in text:
        return listed([number_or_text(word) for word in filter(None, map(str.strip, text.split(",")))], key)
    return seeds_asked(number_or_text(text), key)


def number_or_text(word: str) -> object:
    try:
        return int(word)
    except ValueError:  # no number, or one of more digits than Python reads
        return word


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def require_few(count: int, key: str) -> None:
    if count > MOST_SEEDS:
        raise BadInput(f"{key}: at most {MOST_SEEDS:,}, got {shown_value(count)}")
