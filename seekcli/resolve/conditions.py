"""From a condition's name to the object: shipped, by entry point, or `package.module:Class`; and what is asked of it.

Anybody's condition is run behind a guard: whatever it does wrong becomes one line that names it and the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.config.condition_settings import SCHEDULE_OPTIONS, settings_read
from seekcli.config.expected_share import condition_settings as settings_of_length, expected_share_in
from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, RunFailed, counted, unknown
from seekcli.method.condition import (
    CONDITIONS,
    MEASURED_ON_DEMAND,
    Condition,
    ConditionSettings,
    needs_of,
)
from seekcli.method.observation import Observation
from seekcli.own_code.installed import CONDITIONS as GROUP, installed, installed_path
from seekcli.own_code.paths import imported, is_path, line_of
from seekcli.own_code.sources import digest_of_sources

if TYPE_CHECKING:
    from seekcli.train.length import RunLength

METHODS = ("observe", "state_dict", "load_state_dict")


def full_name(name: str) -> str:
    """A shipped name as it is, an installed one as its import path (which is what the run id holds).

    Raises BadInput for a name that nobody brings, or that two packages bring.
    """
    if name in CONDITIONS or ":" in name:
        return name
    path = installed_path(GROUP, CONDITIONS, name, f"--condition {name}")
    if path is None:
        raise unknown("--condition", name, [*CONDITIONS, *installed(GROUP, CONDITIONS)])
    return path


def resolve_condition(resolved: Resolved, results: Path) -> Resolved:
    """Names, paths and what is not set become what the run id holds. The condition is made once, to see.

    Raises BadInput as `build_condition` does, and where the runs of `motivation.counts_from` will not do.
    """
    said = resolved.config.motivation.condition
    if (name := full_name(said)) != said:
        resolved = resolved.updated({"motivation.condition": name}, f"entry point {said}")
    if resolved.config.schedule != "alternating":
        return resolved
    from seekcli.resolve.length import planned_length

    if name == "matched-count":
        from seekcli.resolve.matched_counts import with_counts

        resolved = with_counts(resolved, results)
    motivation = resolved.config.motivation
    not_set = [key for key in settings_read(name) if key in SCHEDULE_OPTIONS and getattr(motivation, key) is None]
    if not_set:
        resolved = resolved.updated({f"motivation.{key}": getattr(ConditionSettings(), key) for key in not_set}, "auto")
    build_condition(resolved.config, planned_length(resolved.config))
    return resolved if name in CONDITIONS else with_source(resolved, name)


def condition_settings(config: RunConfig, length: RunLength) -> ConditionSettings:
    """What a shipped condition is made from, given the length of the run."""
    return settings_of_length(config, length.steps, length.steps_per_epoch)


def expected_share_of(config: RunConfig, length: RunLength) -> float | None:
    """Of a run of both models, by chance or by its schedule; None where no expectation is known."""
    return expected_share_in(config, length.steps, length.steps_per_epoch)


def with_source(resolved: Resolved, path: str) -> Resolved:
    """The sha256 of the source of a condition of somebody's own, so that other code is another run.

    Set by name to none it stays out of the run id, as it did in earlier versions; another one than that of the code is
    refused. That of its file alone, as earlier versions had it, may be set.
    """
    found = digest_of_sources(import_class(path))
    said = resolved.config.motivation.source_sha256
    if resolved.origins["motivation.source_sha256"] == "default":
        return resolved.updated({"motivation.source_sha256": found[0]}, "source files") if found else resolved
    if said is not None and said not in (found or ()):
        raise BadInput(f"motivation.source_sha256: the source of {path} is not the one that it was ({said[:12]}...)")
    return resolved


def build_condition(config: RunConfig, length: RunLength) -> Condition:
    """The condition of an alternating run. Raises BadInput when it cannot be made, or cannot run on this config."""
    motivation = config.motivation
    name = motivation.condition
    if name not in CONDITIONS:
        condition: Condition = Guarded(name, make_foreign(name, motivation.k, motivation.options), length)
    else:
        if name == "matched-count":
            check_counts(motivation.counts, length)
        settings = condition_settings(config, length)
        if name == "window":
            check_window(settings.window_start, settings.window_stop)
        condition = CONDITIONS[name].make(settings)
    if "validation_loss" in needs_of(condition) and not config.data.holdout_images:
        raise BadInput(
            f"--condition {name} needs a held-out batch: --set data.holdout_images=256, for the baselines too"
        )
    return condition


def check_counts(counts: list[int] | None, length: RunLength) -> None:
    """Raise BadInput unless there is a count for each epoch, and each leaves the epoch's first batch to the base."""
    if counts is None:
        raise BadInput("--condition matched-count needs motivation.counts_from: the `loss` runs that it matches")
    if len(counts) != length.epochs:
        have = f"{counted(len(counts), 'count')} for {counted(length.epochs, 'epoch')}"
        raise BadInput(f"motivation.counts: {have}; one for each is needed")
    for epoch, count in enumerate(counts):
        if count >= length.steps_in(epoch):
            raise BadInput(
                f"motivation.counts: {count} motivated batches in an epoch of {length.steps_in(epoch)} "
                f"(epoch {epoch + 1}), whose first is the base's"
            )


def check_window(start: float, stop: float) -> None:
    if start >= stop:
        raise BadInput(f"motivation.window_start: {start:g} is not before motivation.window_stop, {stop:g}")


def make_foreign(path: str, k: int, options: Mapping[str, Any]) -> Condition:
    """An instance of the class at `package.module:Class`, checked. Raises BadInput that names it."""
    kind = import_class(path)
    try:
        condition: Condition = kind(k, dict(options))
    except (Exception, SystemExit) as error:  # anybody's code
        raise BadInput(f"--condition {path}: cannot be made with k={k}, {options}: {line_of(error)}") from error
    missing = [name for name in METHODS if not callable(getattr(condition, name, None))]
    if missing:
        raise BadInput(f"--condition {path}: has no method {' and no '.join(missing)}; see docs/conditions.md")
    for need in needs_listed(path, condition):
        if need not in MEASURED_ON_DEMAND:
            raise unknown(f"name in the needs of --condition {path}:", str(need), MEASURED_ON_DEMAND)
    try:
        Guarded(path, condition).state_dict()
    except RunFailed as error:
        raise BadInput(str(error)) from error
    return condition


def needs_listed(path: str, condition: Condition) -> list[Any]:
    needs: object = getattr(condition, "needs", ())
    if not isinstance(needs, tuple | list | set | frozenset):
        raise BadInput(f"--condition {path}: its needs are to be a tuple of {', '.join(MEASURED_ON_DEMAND)}")
    return list(needs)


def import_class(path: str) -> Any:
    """What `package.module:Class` names; modules in the current folder count, as with `python -m`."""
    if not is_path(path):
        raise BadInput(f"--condition {path}: expected package.module:Class")
    return imported(path, f"--condition {path}", "class")


class Guarded:
    """Somebody else's condition. Raises RunFailed, naming it and the step, for whatever it does wrong."""

    def __init__(self, path: str, condition: Condition, length: RunLength | None = None) -> None:
        self.path = path
        self.length = length
        self.condition = condition
        self.needs = tuple(getattr(condition, "needs", ()))
        self.steps_done = 0

    def observe(self, step: Observation) -> bool:
        before = self.length.steps_before(step.epoch) if self.length else 0  # without a run there is no step
        self.steps_done = before + step.batch + 1
        try:
            answer = self.condition.observe(step)
        except (Exception, SystemExit) as error:  # anybody's code
            raise self._failed(f"raised {line_of(error)}") from error
        if type(answer) is not bool:
            raise self._failed(f"answered with a {type_name(answer)} instead of True or False")
        return answer

    def state_dict(self) -> dict[str, Any]:
        try:
            state = self.condition.state_dict()
        except (Exception, SystemExit) as error:  # anybody's code
            raise self._failed(f"state_dict() raised {line_of(error)}") from error
        if not isinstance(state, dict) or not survives_json(state):
            raise self._failed(f"its state is not a dict that JSON gives back as it was: {short_repr(state)}")
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        try:
            self.condition.load_state_dict(state)
        except (Exception, SystemExit) as error:  # anybody's code
            raise self._failed(f"load_state_dict({short_repr(state)}) raised {line_of(error)}") from error

    def _failed(self, what: str) -> RunFailed:
        when = f" at step {self.steps_done}" if self.steps_done else ""
        return RunFailed(f"condition {self.path}{when}: {what}")


def type_name(value: object) -> str:
    """`int`, `numpy.bool`"""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def survives_json(state: dict[str, Any]) -> bool:
    """Whether a resumed run would get an equal state: no infinities, no tuples, no keys that are not text."""
    try:
        return bool(json.loads(json.dumps(state, allow_nan=False)) == state)
    except (TypeError, ValueError, RecursionError):
        return False


def short_repr(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
