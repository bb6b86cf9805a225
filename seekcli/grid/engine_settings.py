"""What may be said to an engine: tables of a grid file, `[engine.slurm]`, and words such as `--slurm time=60`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seekcli.config.settings import flatten
from seekcli.errors import BadInput, shown_value, unknown

ENGINES = ("local", "slurm", "ray")
# Those of sbatch that submitit passes on, by its names.
SBATCH: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("partition", "account", "qos", "constraint", "gres", "dependency", "comment", "job_name"), (str,)),
    **dict.fromkeys(("exclude", "nodelist", "mail_type", "mail_user", "wckey"), (str,)),
    **dict.fromkeys(("mem", "mem_per_cpu", "mem_per_gpu", "time"), (str, int)),
    **dict.fromkeys(("cpus_per_task", "cpus_per_gpu", "gpus_per_task", "gpus_per_node"), (int,)),
    **dict.fromkeys(("signal_delay_s", "array_parallelism"), (int,)),
    **dict.fromkeys(("exclusive", "use_srun"), (bool,)),
    **dict.fromkeys(("setup", "teardown", "srun_args"), (list,)),
}
# `elements` is the size of the array; `cluster` slurm, or without one local (processes here) or debug (this process).
SLURM = {**SBATCH, "elements": (int,), "cluster": (str,)}
CLUSTERS = ("slurm", "local", "debug")
RAY: dict[str, tuple[type, ...]] = {
    "address": (str,),
    "tasks": (int,),
    "cpus_per_task": (int,),
    "gpus_per_task": (int, float),
}
KEYS: dict[str, dict[str, tuple[type, ...]]] = {"slurm": SLURM, "ray": RAY}
# How long ahead of the limit Slurm signals where nobody says so (submitit's number), and by how much it may be early.
SIGNAL_AHEAD_SECONDS, SIGNAL_EARLY_SECONDS = 90, 60
MOST_ELEMENTS, MOST_TASKS = 100_000, 10_000
NAMES = {int: "a whole number", str: "text", bool: "true or false", list: "a list of text", float: "a number"}
Settings = dict[str, Any]


def read_engines(tree: Mapping[str, Any], add: Callable[[str, str], None]) -> dict[str, Settings]:
    """The `[engine]` table of a grid file: engine -> settings. `add` is told the path and words of each problem."""
    table = tree.get("engine", {})
    if not isinstance(table, dict) or not all(isinstance(value, dict) for value in table.values()):
        add("engine", f"engine must hold tables, such as [engine.slurm], got {shown_value(table)}")
        return {}
    found: dict[str, Settings] = {}
    for name, settings in table.items():
        if name not in KEYS:
            add(f"engine.{name}", str(unknown("table in engine:", name, KEYS)))
            continue
        found[name] = {}
        for key, value in flatten(settings):
            try:
                found[name][key] = checked(name, key, value, f"key in engine.{name}:", f"engine.{name}.{key}")
            except BadInput as error:
                add(f"engine.{name}.{key}", str(error))
    return found


def read_words(engine: str, texts: Sequence[str]) -> Settings:
    """`["partition=gpu time=60", "mem=8GB"]` -> settings; later ones win. Raises BadInput."""
    found: Settings = {}
    for word in (word for text in texts for word in text.split()):
        key, sign, value = word.partition("=")
        if not sign or not value:
            raise BadInput(f"--{engine} {shown_value(word)}: expected KEY=VALUE, such as time=60")
        found[key] = checked(engine, key, typed(value), f"key of --{engine}:", f"--{engine} {key}")
    return found


def require_time_for_work(settings: Settings, where: str) -> None:
    """Raise BadInput for a time limit within which Slurm would signal each element as it begins, again and again.

    `where` is what the limit was said by.
    """
    seconds, ahead = limit_seconds(settings.get("time", "")), settings.get("signal_delay_s", SIGNAL_AHEAD_SECONDS)
    if seconds is not None and seconds <= ahead + SIGNAL_EARLY_SECONDS:
        least = math.floor((ahead + SIGNAL_EARLY_SECONDS) / 60) + 1
        said = f"Slurm asks elements to stop {ahead} s (signal_delay_s) before, or {SIGNAL_EARLY_SECONDS} s sooner"
        raise BadInput(f"{where} time={settings['time']}: {said}: {least} minutes at least")


def limit_seconds(time: str | int) -> int | None:
    """Of sbatch's 60, 60:00, 1:00:00, 1-0, 1-0:00 and 1-0:00:00; None for words that sbatch has to read."""
    found = re.fullmatch(r"(?:(\d{1,6})-)?(\d{1,6})(?::(\d{1,6}))?(?::(\d{1,6}))?", str(time))
    if found is None:
        return None
    days, *rest = (int(part) if part else None for part in found.groups())
    parts = [part for part in rest if part is not None]
    if days is None and len(parts) < 3:
        parts = [0, *parts]  # the first one is minutes
    hours, minutes, seconds = [*parts, 0, 0][:3]
    return (24 * (days or 0) + hours) * 3600 + 60 * minutes + seconds or None  # 0 is no limit


def typed(word: str) -> Any:
    if re.fullmatch(r"\d{1,9}", word):
        return int(word)
    if re.fullmatch(r"\d{0,9}\.\d{1,9}", word):
        return float(word)
    return {"true": True, "false": False}.get(word, word)


def checked(engine: str, key: str, value: Any, what: str, path: str) -> Any:
    """The value, where the engine has that key and it is of its kind. Raises BadInput with the nearest key."""
    if key not in KEYS[engine]:
        raise unknown(what, key, KEYS[engine])
    kinds = KEYS[engine][key]
    if str in kinds and type(value) is int:
        value = value if int in kinds else str(value)
    fits = isinstance(value, kinds) and (type(value) is not bool or bool in kinds)
    if not fits or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
        raise BadInput(f"{path}: expected {' or '.join(NAMES[kind] for kind in kinds)}, got {shown_value(value)}")
    if type(value) in (int, float) and not 0 < value <= 10**6:
        raise BadInput(f"{path}: expected a number above 0, at most 1,000,000, got {shown_value(value)}")
    if key == "cluster" and value not in CLUSTERS:
        raise unknown(f"{path}:", value, CLUSTERS)
    return value
