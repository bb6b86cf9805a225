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


def data_sets(incomplete: str) -> list[str]:
    from seekcli.cli.list import ABOUT_DATA

    ends = {"folder": "folder:", "imagenet": "imagenet:", "synthetic": "synthetic:"}
    return starting_with(incomplete, [ends.get(name, name) for name in ABOUT_DATA])


def recipes(incomplete: str) -> list[str]:
    from seekcli.config.layers import recipe_names

    return starting_with(incomplete, ["auto", *recipe_names()])


def conditions(incomplete: str) -> list[str]:
    from seekcli.method.condition import CONDITIONS

    return starting_with(incomplete, list(CONDITIONS))
