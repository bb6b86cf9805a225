"""What an arm is called: its motivation, its start, and whatever of its settings is not the default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seekcli.analysis.runs import ArmSettings
from seekcli.config.condition_settings import SCHEDULE_OPTIONS
from seekcli.config.identity import OLD_BEHAVIOUR
from seekcli.config.layers import DEFAULTS
from seekcli.config.pair_settings import DIGESTS, LINKING
from seekcli.config.settings import RECALIBRATE_BATCHES
from seekcli.method.roles import ROLES

CONDITION, K, INIT, GROW_AT = "motivation.condition", "motivation.k", "pair.init", "motivation.grow_at"
BUFFERS, RECALIBRATE = "pair.buffers", "pair.recalibrate_batches"
START_OPTIONS = ("pair.added_scale", "pair.differential_lr_factor")
OPTIONS = tuple(f"motivation.{name}" for name in SCHEDULE_OPTIONS)
# Each has its own place at the front of a label.
IN_FRONT = ("schedule", CONDITION, K, INIT, GROW_AT, *OPTIONS)
# Long, or decided by what the models are: said only where the arms of a table differ in them.
WHERE_VARIED = frozenset((
    *(BUFFERS, RECALIBRATE, "motivation.counts"),
    *("motivation.source_sha256", "transfer.sha256"),
    *(f"pair.{name}" for name in LINKING),
    *(f"pair.{role}_{name}" for role in ROLES for name in DIGESTS),
))  # fmt: skip
USUAL = DEFAULTS | {"pair.recalibrate_batches": RECALIBRATE_BATCHES}
LONGEST_LIST = 4


def arm_labels(arms: Iterable[ArmSettings]) -> list[str]:
    """`loss k=2 identity` for each arm, and what of it is not the default; no two are the same."""
    listed = [dict(settings.arm) for settings in arms]
    others = sorted({key for arm in listed for key in arm} - set(IN_FRONT))
    varied = [key for key in (*IN_FRONT, *others) if len({str(value_of(arm, key)) for arm in listed}) > 1]
    labels = [_label(arm, [key for key in others if _is_told(arm, key, varied)]) for arm in listed]
    twice = {label for label, count in Counter(labels).items() if count > 1}
    return [
        f"{label} {_in_full(arm, varied)}" if label in twice else label
        for label, arm in zip(labels, listed, strict=True)
    ]


def _in_full(arm: Mapping[str, Any], keys: Sequence[str]) -> str:
    """For arms that a label of rounded values does not tell apart."""
    return " ".join(f"{key}={arm[key]!r}" for key in keys if key in arm)


def value_of(settings: Mapping[str, Any], key: str) -> Any:
    """The value of a setting among those that tell runs apart; one that stands at its old behaviour is not there."""
    return settings.get(key, OLD_BEHAVIOUR.get(key))


def words_of_difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[str, str] | None:
    """`("k=2", "k=3")` of two arms that differ in one respect, else None.

    A condition counts with its own settings, a start with what makes its added parts learn sooner, and running
    statistics that travel with whether they are estimated again: accuracies as trained do not depend on that.
    """
    keys = {key for key in left.keys() | right.keys() if value_of(left, key) != value_of(right, key)}
    if CONDITION in keys:
        keys = {key for key in keys if not key.startswith("motivation.")} | {CONDITION}
    if keys == {BUFFERS, RECALIBRATE}:
        keys = {BUFFERS}
    if INIT in keys and keys <= {INIT, *START_OPTIONS}:
        return _start(left, keys), _start(right, keys)
    if len(keys) != 1:
        return None
    (key,) = keys
    return _word(left, key), _word(right, key)


def _start(arm: Mapping[str, Any], keys: set[str]) -> str:
    """`paper`, `identity added_scale=0.3`."""
    told = [_word(arm, key) for key in START_OPTIONS if key in keys and value_of(arm, key) != USUAL.get(key)]
    return " ".join([str(arm[INIT]), *told])


def _is_told(arm: Mapping[str, Any], key: str, varied: Sequence[str]) -> bool:
    known = key in arm or key in OLD_BEHAVIOUR
    return known and value_of(arm, key) != USUAL.get(key) and (key in varied or key not in WHERE_VARIED)


def _label(arm: Mapping[str, Any], told: Sequence[str]) -> str:
    return " ".join([_way(arm), *([str(arm[INIT])] if arm.get(INIT) else []), *(_word(arm, key) for key in told)])


def _way(arm: Mapping[str, Any]) -> str:
    """`loss k=2`, `periodic every_steps=6`, `grow at=0.8`."""
    if "schedule" in arm:
        return f"grow {_word(arm, GROW_AT)}"
    options = [_word(arm, key) for key in (K, *OPTIONS) if arm.get(key) is not None]
    return " ".join([str(arm.get(CONDITION)), *options])


def _word(arm: Mapping[str, Any], key: str) -> str:
    """`added_scale=0.3`; a start and a condition have no name before them."""
    value = value_of(arm, key)
    if key == CONDITION:
        return _way(arm)
    if key == INIT:
        return str(value)
    name = "at" if key == GROW_AT else key.partition(".")[2]
    return f"{name}={value_text(value, is_digest=key.endswith('sha256'))}"


def value_text(value: Any, is_digest: bool) -> str:
    """A value as people read it: short, where it is a list or a digest."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | dict) and len(value) > LONGEST_LIST:
        counts = isinstance(value, list) and all(isinstance(each, int) for each in value)
        return f"{sum(value)}-in-{len(value)}-epochs" if counts else f"{len(value)}-values"
    return str(value)[:8] if is_digest else str(value)
