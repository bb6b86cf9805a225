"""`--where key=value`: which runs are compared. A baseline is kept for every alternating run that is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from seekcli.analysis.equal_compute import LENGTH, baselines_of_equal_compute
from seekcli.analysis.left_out import LeftOut
from seekcli.analysis.runs import ArmSettings, Run
from seekcli.config.identity import CLASSIC_NOT_HASHED, NOT_HASHED, OLD_BEHAVIOUR, unread_settings
from seekcli.config.layers import DEFAULTS
from seekcli.config.settings import CLASSIC
from seekcli.errors import BadInput, unknown

SETTINGS = [key for key in DEFAULTS if key not in NOT_HASHED]
LAST_WORDS = Counter(key.rpartition(".")[2] for key in SETTINGS)
# Flags and columns whose name is another than that of the setting, and then `lr` for `optimizer.lr` where it is clear.
WHERE_SHORT_NAMES = {
    "data": "data.name",
    "optimizer": "optimizer.name",
    "lr_schedule": "lr_schedule.name",
    "at": "motivation.grow_at",
    "model": "pair",
    "device_type": "runtime.device",
} | {word: key for key in SETTINGS if LAST_WORDS[word := key.rpartition(".")[2]] == 1 and word != key}
WHERE_KEYS = sorted({"pair", *WHERE_SHORT_NAMES, *SETTINGS})
Where = Mapping[str, tuple[str, ...]]


def parse_where(conditions: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`["k=2", "k=3", "data=digits"]` -> values by full key; one key's values are alternatives.

    Raises BadInput for a missing `=` and for an unknown key (with the nearest valid one).
    """
    values: dict[str, list[str]] = defaultdict(list)
    for condition in conditions:
        key, separator, value = (part.strip() for part in condition.partition("="))
        if not separator or not value:
            raise BadInput(f"--where {condition!r}: expected key=value, such as k=2")
        key = key.replace("-", "_")
        if key not in WHERE_KEYS:
            raise unknown("--where key", key, WHERE_KEYS)
        values[WHERE_SHORT_NAMES.get(key, key)].append(value)
    return {key: tuple(listed) for key, listed in values.items()}


def select(runs: Sequence[Run], left_out: Sequence[LeftOut], where: Where) -> tuple[list[Run], list[LeftOut]]:
    """The runs that meet every condition, with the baselines of the alternating ones among them.

    Conditions on the pair, the motivation condition, k, init, map or another schedule than its own say nothing about a
    classic run: it is kept when it is a baseline of a run that is kept. Runs whose settings nobody can read stay among
    those left out.
    Raises BadInput when no run at all meets the conditions.
    """
    if not where:
        return list(runs), list(left_out)
    arm_only = any(_concerns_arm(key) for key in where)
    alternating = {run.run_id for run in runs if not run.classic and _meets(run.settings, run.seed, where)}
    wanted = {(m, r.settings.common_key) for r in runs if r.run_id in alternating for m in r.models.values()}

    candidates = [run for run in runs if run.classic or run.run_id in alternating]
    equal_compute = {run.run_id for run in baselines_of_equal_compute(candidates)}
    but_length = {key: values for key, values in where.items() if key not in LENGTH}

    def keep(run: Run) -> bool:
        if not run.classic:
            return run.run_id in alternating
        (model,) = run.models.values()
        if run.run_id in equal_compute and _meets(run.settings, run.seed, but_length):
            return True
        is_baseline = (
            not arm_only or (model, run.settings.common_key) in wanted or _asked_for_itself(where, run.settings)
        )
        return is_baseline and _meets(run.settings, run.seed, where)

    kept = [run for run in runs if keep(run)]
    others = [entry for entry in left_out if entry.settings is None or _meets(entry.settings, entry.seed, where)]
    if not kept and not any(entry.settings for entry in others):
        _refuse(runs, where)
    return kept, others


def _asked_for_itself(where: Where, settings: ArmSettings) -> bool:
    """Whether a classic run has the schedule that was asked for, or the pair, where that is all that was asked."""
    asked = [key for key in where if _concerns_arm(key)]
    of_pair = "pair" not in where or settings.own_pair_name in where["pair"]
    return of_pair and (asked == ["pair"] or settings.schedule in where.get("schedule", ()))


def _concerns_arm(key: str) -> bool:
    return key.partition(".")[0] in CLASSIC_NOT_HASHED


def setting_value(settings: ArmSettings, seed: int | None, key: str) -> Any:
    if key == "seed":
        return seed
    if key == "pair":
        return settings.own_pair_name
    if key in ("pair.base", "pair.motivated"):
        return settings.own_pair[key == "pair.motivated"] if settings.own_pair else None
    if key == "data.name":
        return settings.data
    if key == "schedule":
        return settings.schedule
    known = {**settings.common, **settings.arm}
    return known[key] if key in known else _left_out_value(settings, key, known)


def _left_out_value(settings: ArmSettings, key: str, known: Mapping[str, Any]) -> Any:
    """Settings that tell runs apart lack those that stand at their old behaviour, and those that nothing reads."""
    if not settings.from_config or key not in OLD_BEHAVIOUR:
        return None
    flat = {"schedule": settings.schedule, key: None, **known}
    return None if key in unread_settings(flat) else OLD_BEHAVIOUR[key]


def _meets(settings: ArmSettings, seed: int | None, where: Where) -> bool:
    classic = settings.schedule in CLASSIC
    asked = {key: values for key, values in where.items() if not (classic and _concerns_arm(key))}
    return all(any(_equal(setting_value(settings, seed, key), v) for v in values) for key, values in asked.items())


def _equal(value: Any, text: str) -> bool:
    if value is None or isinstance(value, bool):
        return str(value).lower() == text.lower()
    if isinstance(value, int | float):
        try:
            return float(text) == float(value)
        except ValueError:
            return False
    return str(value) == text


def _refuse(runs: Sequence[Run], where: Where) -> None:
    for key, values in where.items():
        asked = [run for run in runs if key == "schedule" or not (run.classic and _concerns_arm(key))]
        present = sorted({str(setting_value(run.settings, run.seed, key)) for run in asked}, key=lambda v: (len(v), v))
        if not set(values) & set(present):
            listing = f"; here it is {', '.join(present[:12])}{', ...' if len(present) > 12 else ''}" if present else ""
            raise BadInput(f"--where {key}={values[0]}: no run has it{listing}")
    raise BadInput(f"--where {' '.join(f'{k}={v[0]}' for k, v in where.items())}: no run meets all of it")
