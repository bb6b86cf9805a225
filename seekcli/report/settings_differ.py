"""Which settings differ: between the groups of one pair, and between the parts of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seekcli.analysis.arm_labels import value_of, value_text
from seekcli.analysis.comparison import Cell, Comparison
from seekcli.report.tables import Column, Table, TableRow, cell_title, ways_of

# Of a model alone, which has no pair and no condition.
NOT_READ = "-"


def groups_table(cell: Cell) -> Table | None:
    """A row for each way of training, a column for each setting that is not the same in all of them.

    None where none differs but which models are trained. Settings of the pair and of the condition are compared between
    arms alone.
    """
    rows = ways_of(cell)
    common = _differing([group.settings.common for _, group in rows])
    own = _differing([arm.base.settings.arm for arm in cell.arms])
    if not common and not own:
        return None
    cells = [
        TableRow((
            name,
            *(_shown(group.settings.arm, key) if group.settings.arm else NOT_READ for key in own),
            *(_shown(group.settings.common, key) for key in common),
        ))
        for name, group in rows
    ]  # fmt: skip
    columns = (Column("trained", numeric=False), *(Column(key, numeric=False) for key in (*own, *common)))
    return Table(f"Settings that differ between the groups of {cell_title(cell)}", columns, tuple(cells))


def cells_table(comparison: Comparison) -> Table | None:
    """A row for each part of the report, a column for each setting that is named in one of them; None for one part."""
    cells = comparison.cells
    keys = list(dict.fromkeys(key for cell in cells for key in cell.marks))
    keys = [key for key in keys if len({_shown(cell.settings.common, key) for cell in cells}) > 1]
    if len(cells) < 2 or not keys:
        return None
    columns = (Column("part", numeric=False), *(Column(key, numeric=False) for key in keys))
    rows = [TableRow((cell_title(cell), *(_shown(cell.settings.common, key) for key in keys))) for cell in cells]
    return Table("Settings that differ between the parts of this report", columns, tuple(rows))


def _differing(listed: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for settings in listed for key in settings))
    return [key for key in keys if len({repr(value_of(settings, key)) for settings in listed}) > 1]


def _shown(settings: Mapping[str, Any], key: str) -> str:
    value = value_of(settings, key)
    if value is None or isinstance(value, bool):
        return "not set" if value is None else str(value).lower()
    return value_text(value, is_digest=key.endswith(("sha256", "fingerprint")))
