"""What installed packages bring by entry points, each group a mapping of names to import paths. Imports no torch."""

from __future__ import annotations

from collections.abc import Container
from importlib.metadata import EntryPoint, entry_points

from seekcli.errors import BadInput

CONDITIONS, MODELS, DATA, TASKS = "seekcli.conditions", "seekcli.models", "seekcli.data", "seekcli.tasks"


def installed(group: str, shipped: Container[str]) -> dict[str, list[EntryPoint]]:
    """What other packages bring, by name; a shipped name always means what is shipped."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        same = found.setdefault(point.name, [])
        if point.name not in shipped and point.value not in [other.value for other in same]:
            same.append(point)
    return {name: points for name, points in found.items() if points}


def installed_path(group: str, shipped: Container[str], name: str, said: str) -> str | None:
    """The import path of an installed name; None where nobody brings it. Raises BadInput where two packages do."""
    paths = [point.value for point in installed(group, shipped).get(name, ())]
    if len(paths) > 1:
        raise BadInput(f"{said}: more than one package brings it; name one of {', '.join(paths)}")
    return paths[0] if paths else None
