"""A comparison as markdown (for a README or an issue), JSON and CSV (for programs: full precision)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seekcli import plain_data
from seekcli.analysis.comparison import Cell, Comparison
from seekcli.analysis.groups import X_C, X_Y_B, Y_C, Accuracy, Group
from seekcli.errors import visible
from seekcli.report import page, tables, wording
from seekcli.report.columns import csv_of, markdown
from seekcli.report.data import accuracy_of, arm_numbers, comparison_data, difference_numbers, group_data
from seekcli.report.in_words import in_words
from seekcli.report.latex import latex_document
from seekcli.report.sections import Page
from seekcli.report.tables import Table

# The differences of a group that a line of CSV holds: prefix of the columns, the other side.
CSV_DIFFERENCES = (("minus_x_c", X_C), ("minus_own_base", X_Y_B), ("minus_y_c", Y_C))


def comparison_markdown(comparison: Comparison) -> str:
    lines = [tables.counts(comparison), ""]
    for title, sentences in in_words(comparison):
        lines += [f"**In words: {visible(title)}**", "", *markdown_list("", sentences)]
    for cell in comparison.cells:
        lines += [f"## {tables.cell_title(cell)}", "", tables.cell_settings(cell), "", tables.test_set(cell), ""]
        for table in page.cell_tables(cell):
            lines += [f"**{table.title}**", "", *markdown_table(table), ""]
        lines += markdown_list("", page.cell_notes(cell))
    lines += markdown_list("## Notes", list(comparison.notes))
    lines += markdown_list("## Not counted", [tables.left_out_line(entry) for entry in comparison.left_out])
    lines += markdown_list("## How to read this", page.legend(comparison))
    return "\n".join(lines).rstrip() + "\n"


def page_markdown(page_: Page) -> str:
    lines = [page_.first, ""]
    for section in page_.sections:
        lines += [f"## {section.title}", ""] if section.title else []
        lines += [text for line in section.lines for text in (line, "")]
        for title, table, notes in section.parts:
            lines += [f"**{visible(title)}**", "", *([*markdown_table(table), ""] if table is not None else [])]
            lines += markdown_list("", list(notes))
    lines += markdown_list("## How to read this", list(page_.legend))
    return "\n".join(lines).rstrip() + "\n"


def comparison_latex(comparison: Comparison) -> str:
    """The tables of every cell; sentences and notes as comments."""
    said = [line for title, sentences in in_words(comparison) for line in (title, *sentences)]
    parts: list[tuple[Table, list[str]]] = []
    for cell in comparison.cells:
        own = page.cell_tables(cell)
        titled = [replace(table, title=f"{tables.cell_title(cell)}. {table.title}") for table in own]
        parts += [*((table, []) for table in titled[:-1]), (titled[-1], page.cell_notes(cell))]
    notes = [*comparison.notes, *(f"not counted, {tables.left_out_line(entry)}" for entry in comparison.left_out)]
    return latex_document([tables.counts(comparison), *said], parts, [*notes, *page.legend(comparison)])


def page_latex(page_: Page) -> str:
    parts: list[tuple[Table | None, list[str]]] = []
    for section in page_.sections:
        before = f"{section.title}. " if section.title else ""
        for title, table, notes in section.parts:
            titled = None if table is None else replace(table, title=f"{before}{title}")
            parts.append((titled, [*([] if table is not None else [f"{before}{title}"]), *notes]))
    return latex_document([page_.first], parts, list(page_.legend))


def markdown_list(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    return [*([title, ""] if title else []), *(f"- {visible(item)}" for item in items), ""]


def markdown_table(table: Table) -> list[str]:
    rows = []
    for row in table.rows:
        first, *others = row.cells
        rows.append((f"*{first}*" if row.heading else first.strip(), *others))
    return markdown([one.header for one in table.columns], rows, [one.numeric for one in table.columns])


def comparison_json(comparison: Comparison) -> str:
    return plain_data.json_text(comparison_data(comparison), indent=2)


def comparison_csv(comparison: Comparison) -> str:
    """One line per group. Runs that are in no group do not fit here: the command names them on stderr."""
    return csv_of([_csv_row(cell, group) for cell in comparison.cells for group in cell.groups])


def _csv_row(cell: Cell, group: Group) -> dict[str, Any]:
    common = cell.settings.common
    data = group_data(group, cell.convention)
    arm = next((arm for arm in cell.arms if group in (arm.base, arm.motivated)), None)
    own = [one for one in cell.contrasts if one.arm == group.arm and one.difference.left == group.name]
    # As trained where a pair is compared so; the larger model of a run of both is compared re-estimated alone.
    found = {one.difference.right: one for one in sorted(own, key=lambda one: one.accuracy is Accuracy.AS_TRAINED)}
    differences = {
        f"{prefix}_{key}": value
        for prefix, other in CSV_DIFFERENCES
        for key, value in {
            **difference_numbers(found.get(other), cell.metric),
            "accuracy": accuracy_of(found[other]) if other in found else None,
        }.items()
    }
    return {
        "pair": cell.pair,
        "data": cell.settings.data,
        "recipe": common.get("recipe"),
        "epochs": common.get("train.epochs"),
        "steps": common.get("train.steps"),
        "batch_size": common.get("train.batch_size"),
        "precision": common.get("runtime.precision"),
        "device_type": common.get("runtime.device"),
        "settings_worth_naming": wording.settings(cell.marks),
        **{key: value for key, value in data.items() if not isinstance(value, list | dict)},
        "seeds": " ".join(map(str, group.seeds)),
        "run_ids": " ".join(group.run_ids),
        **differences,
        **arm_numbers(arm, cell.convention, cell.metric),
    }
