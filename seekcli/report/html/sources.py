"""Where the numbers of a report come from: the commands, the machines, and what failed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from seekcli.analysis.comparison import Comparison
from seekcli.analysis.history import Places
from seekcli.errors import BadInput, visible
from seekcli.report.tables import Column, Table, TableRow
from seekcli.runs.folder import RunFolder

SHOWN = ("seekcli", "git", "python", "torch", "numpy", "platform", "cpu", "device", "cuda", "cudnn", "threads")


def commands_of(places: Places) -> list[str]:
    """As they were typed, each once: a grid is one command of many runs."""
    commands = []
    for found in _environments(places):
        words = found.get("command")
        if isinstance(words, list) and words:
            commands.append(shlex.join(["seek", *(str(word) for word in words[1:])]))
    return sorted(set(commands))


def environment_table(places: Places) -> Table:
    """One row a fact, with all the values that the runs have of it."""
    values: dict[str, dict[str, int]] = {name: {} for name in SHOWN}
    for found in _environments(places):
        for name in SHOWN:
            shown = "-" if found.get(name) is None else str(found[name])
            values[name][shown] = values[name].get(shown, 0) + 1
    rows = tuple(TableRow((name, _counted(counts))) for name, counts in values.items() if counts)
    return Table("What the runs ran on", (Column("fact", numeric=False), Column("value", numeric=False)), rows)


def _counted(counts: dict[str, int]) -> str:
    if len(counts) == 1:
        return visible(next(iter(counts)))
    return "; ".join(f"{visible(value)} ({count} runs)" for value, count in sorted(counts.items()))


def _environments(places: Places) -> Iterator[dict[str, Any]]:
    """Published tables have none, and a damaged one is no reason to show no report."""
    for path in dict.fromkeys(places.values()):
        with suppress(BadInput):
            if found := RunFolder(path).environment():
                yield found


def failures_table(comparison: Comparison) -> Table:
    rows = tuple(TableRow((one.state, visible(one.run_id), visible(one.reason))) for one in comparison.left_out)
    columns = (Column("state", numeric=False), Column("run", numeric=False), Column("why", numeric=False))
    return Table("Not counted", columns, rows)
