"""What a shell completes words to: names that are known without torch. Each is asked for when TAB is pressed."""

from __future__ import annotations


def starting_with(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    from seekcli.models.catalog import MODELS

    return starting_with(incomplete, list(MODELS))


def pairs_and_models(incomplete: str) -> list[str]:
    from seekcli.models.catalog import pair_names

    return [*starting_with(incomplete, pair_names()), *models(incomplete)]


def data_names(incomplete: str) -> list[str]:
    from seekcli.data.sets.kinds import KINDS

    # `folder:` and not `folder:DIR`: what is to be typed ends there.
    return starting_with(incomplete, [f"{word}:" if kind.takes_more else word for word, kind in KINDS.items()])


def recipes(incomplete: str) -> list[str]:
    from seekcli.config.layers import recipe_names

    return starting_with(incomplete, ["auto", *recipe_names()])


def trackers(incomplete: str) -> list[str]:
    from seekcli.config.value_types import TRACKERS

    return starting_with(incomplete, list(TRACKERS))


def schedules(incomplete: str) -> list[str]:
    from seekcli.cli.train import SCHEDULES

    return starting_with(incomplete, list(SCHEDULES))


def conditions(incomplete: str) -> list[str]:
    from seekcli.method.condition import CONDITIONS

    return starting_with(incomplete, list(CONDITIONS))
