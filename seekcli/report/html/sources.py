"""Where the numbers of a report come from: the machines, what failed, and the commands that repeat it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.groups import Group
from seekcli.analysis.history import Places
from seekcli.config.identity import flat_config
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, counted, visible
from seekcli.report.repeat import SOURCES, command_of_config
from seekcli.report.tables import Column, Table, TableRow, cell_title, ways_of
from seekcli.runs.config_file import published_config
from seekcli.runs.folder import RunFolder

SHOWN = ("seekcli", "git", "python", "torch", "numpy", "platform", "cpu", "device", "cuda", "cudnn", "threads")
# Of runs that are not counted, and of commands: more than this are told by their number.
MOST_ROWS = 200
Environment = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A line to copy, and what it trains."""

    what: str
    words: str


def compared_places(comparison: Comparison, places: Places) -> Places:
    """Of the runs that the report is of."""
    counted_ids = {run_id for cell in comparison.cells for group in cell.groups for run_id in group.run_ids}
    return {run_id: path for run_id, path in places.items() if run_id in counted_ids}


def environments_of(places: Places) -> list[Environment]:
    """Published tables have none, and a damaged one is no reason to show no report."""
    found = []
    for path in dict.fromkeys(places.values()):
        with suppress(BadInput):
            found.append(RunFolder(path).environment() or {})
    return [one for one in found if one]


def started_by(environments: Sequence[Environment]) -> list[Command]:
    """The commands as they were typed, each once: a grid is one command of many runs."""
    counts = Counter(typed(found["command"]) for found in environments if is_words(found.get("command")))
    return [Command(counted(count, "run"), visible(words)) for words, count in sorted(counts.items())]


def is_words(command: object) -> bool:
    return isinstance(command, list) and len(command) > 1 and all(isinstance(word, str) for word in command)


def typed(command: Sequence[str]) -> str:
    """`seek grid run FILE --out results`, also of a worker, which was started by it; a script of one's own as it is."""
    program, *words = command
    if Path(program).name not in ("seek", "__main__.py"):
        return shlex.join(["python", *command])
    if words[:2] == ["grid", "work"] and "--order" in words:
        # What stands behind a worker's --order is gone with the process that started it.
        file, _, out = words[2:5]
        words = ["grid", "run", file, "--out", out]
    return shlex.join(["seek", *words])


def group_commands(cell: Cell, places: Places) -> list[Command]:
    """One command for each way of training: of an arm, and of each model alone."""
    return [
        Command(f"{cell_title(cell)}: {name}", visible(words))
        for name, group in ways_of(cell)
        for words in _commands_of(group, places)
    ]


def _commands_of(group: Group, places: Places) -> list[str]:
    """One for all seeds; of runs that start from others, each of its own source, one a run."""
    runs = list(zip(group.seeds, group.run_ids, strict=True))
    first = config_of(places[runs[0][1]], runs[0][1])
    if first is None:
        return []
    flat = flat_config(first)
    if all(flat[key] is None for key in SOURCES):
        return [command_of_config(first, group.seeds, _results_of(places[runs[0][1]]))]
    configs = [(seed, run_id, config_of(places[run_id], run_id)) for seed, run_id in runs]
    return [
        command_of_config(config, [seed], _results_of(places[run_id]))
        for seed, run_id, config in configs
        if config is not None
    ]


def config_of(path: Path, run_id: str) -> RunConfig | None:
    """None where none is recorded, or it cannot be read."""
    with suppress(BadInput):
        found = published_config(path, run_id) if path.is_file() else RunFolder(path).readable_config()
        return None if found is None else found.config
    return None


def _results_of(path: Path) -> Path:
    """The results folder that a run stands in; of a published table the default."""
    return path.parent.parent if path.is_dir() and path.parent.name == "runs" else Path("results")


def environment_table(environments: Sequence[Environment]) -> Table:
    """One row a fact, with all the values that the runs have of it."""
    values = {name: Counter(_fact(found, name) for found in environments) for name in SHOWN}
    rows = tuple(TableRow((name, _counted(counts))) for name, counts in values.items() if counts)
    return Table("What the runs ran on", (Column("fact", numeric=False), Column("value", numeric=False)), rows)


def _fact(found: Environment, name: str) -> str:
    return "-" if found.get(name) is None else str(found[name])


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return visible(next(iter(counts)))
    return "; ".join(f"{visible(value)} ({counted(count, 'run')})" for value, count in sorted(counts.items()))


def failures_table(comparison: Comparison) -> Table:
    shown = comparison.left_out[:MOST_ROWS]
    rows = tuple(TableRow((one.state, visible(one.run_id), visible(one.reason))) for one in shown)
    columns = (Column("state", numeric=False), Column("run", numeric=False), Column("why", numeric=False))
    more = len(comparison.left_out) - len(shown)
    return Table(f"Not counted{f' ({more:,} more: seek list runs)' if more else ''}", columns, rows)
