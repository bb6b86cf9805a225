"""The paper's own rows as a page: terminal, markdown, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from seekcli import plain_data
from seekcli.analysis.published import PaperRow, paper_rows
from seekcli.analysis.published_costs import NEAR_CHANCE, PaperCost, misprints, paper_costs
from seekcli.report import wording
from seekcli.report.columns import csv_of, markdown
from seekcli.report.latex import latex_document
from seekcli.report.sections import Page, Section
from seekcli.report.tables import Column, Table, TableRow

PAPER_COLUMNS = ("table", "model", "pair", "data", "trained", "points", "n", "p", "also in table")
COST_COLUMNS = ("table", "pair", "data", "F_Y / F_XY", "share", "nearest k", "1/(k+1)!")
SCREEN_COLUMNS = (
    ("pair", "data", "trained", "table", "points", "n", "p", "also in table"),
    ("pair", "data", "table", "F_Y / F_XY", "share", "nearest k", "1/(k+1)!"),
)
NUMBERS = ("table", "points", "n", "p", "also in table", "F_Y / F_XY", "share", "nearest k", "1/(k+1)!")
SOURCE = "M. Acheli, W. Gaaloul, Motivation Is Something You Need, arXiv 2602.21064v1"


def published_notes(rows: list[PaperRow]) -> list[str]:
    tested = [row for row in rows if row.table not in ("2", "3") and row.p_value is not None]
    p_values = [row.p_value for row in tested if row.p_value is not None]
    transfer = [row.p_value for row in rows if row.table == "3" and row.p_value is not None]
    cifar = {
        data: max(row.gain_points for row in tested if row.data == data and row.trained.startswith("base"))
        for data in ("cifar10", "cifar100")
    }
    below = sum(p < 0.05 for p in p_values)
    return [
        f"Tables 1, 4, 5, 6 and 7: {len(tested)} rows against their classic counterpart, {below} "
        f"with p below 0.05 before any correction (smallest {min(p_values):.2f}). {_in_two_tables(rows)}",
        f"Table 3: {len(transfer)} comparisons, all with p < 1e-4 (largest {max(transfer):.1e}), but over 3 transfers "
        "from one source run each: the noise between source runs is not in them.",
        "Table 2 has one run of each: no test.",
        f"The largest gains of a base model are {cifar['cifar10']:+.2f} points (CIFAR-10) and {cifar['cifar100']:+.2f} "
        "(CIFAR-100), where the text says 0.3 and 0.5.",
        "p is two-sided Welch's test from the printed means, standard deviations and numbers of runs. A large p is no "
        "proof that there is no effect: 3 to 5 unpaired runs find only large ones.",
    ]


def _in_two_tables(rows: list[PaperRow]) -> str:
    """The rows that are printed twice, each named once."""
    twice = [
        f"{row.pair} on {row.data} (tables {row.table} and {row.also_in_table})"
        for row in rows
        if row.also_in_table is not None and int(row.table) < int(row.also_in_table)
    ]
    return f"{len(twice)} of them stand in two tables: {', '.join(twice)}.{_under_two_costs(rows)}"


def _under_two_costs(rows: list[PaperRow]) -> str:
    """Of a row that is printed twice: whether its tables give it different forward costs, that is another k."""
    shares = {(one.table, one.pair, one.data): one for one in paper_costs()}
    found = []
    for row in rows:
        here, there = (shares.get((table or "", row.pair, row.data)) for table in (row.table, row.also_in_table))
        if here and there and int(here.table) < int(there.table) and here.nearest_k != there.nearest_k:
            found.append(
                f" {row.pair} has there one accuracy with two forward costs, k={here.nearest_k} (table {here.table}) "
                f"and k={there.nearest_k} (table {there.table})."
            )
    return "".join(found)


def cost_notes(costs: list[PaperCost]) -> list[str]:
    far = [f"{one.pair} (table {one.table})" for one in costs if not one.near_chance]
    vit, others = (
        sorted(one.f_y_over_f_xy for one in costs if (one.family == "vit") is is_vit) for is_vit in (True, False)
    )
    return [
        f"F_Y / F_XY, the larger model's forward cost over that of the run's average step, is {others[0]:.2f} to "
        f"{others[-1]:.2f}, and {vit[0]:.2f} to {vit[-1]:.2f} for ViT. It is of forwards, not of training time.",
        f"The share of motivated steps that the labels imply, (F_XY - F_X) / (F_Y - F_X), is within {NEAR_CHANCE:.0%} "
        f"of 1/(k+1)!, what chance gives, for the nearest k in {len(costs) - len(far)} of {len(costs)} rows; not in "
        f"{' and '.join(far)}. The paper does not print k: it is inferred from this share, so the agreement is partly "
        "circular. The labels are rounded.",
        *(
            f"Does not follow from its own row: table {one.table}, {one.pair} on {one.data}, {one.figure}: printed "
            f"{one.printed:.3g}, recomputed {one.recomputed:.3g} (as transcribed in seekcli/analysis/paper)."
            for one in misprints()
        ),
    ]


def cost_cells(one: PaperCost) -> tuple[str, ...]:
    ratio, share, chance = f"{one.f_y_over_f_xy:.2f}", f"{one.share:.2%}", f"{one.share_by_chance:.2%}"
    return one.table, one.pair, one.data, ratio, share, str(one.nearest_k), chance


def cells(row: PaperRow) -> tuple[str, ...]:
    p_value = wording.p_value(row.p_value) if row.p_value is None or row.p_value >= 0.001 else f"{row.p_value:.0e}"
    points = wording.points(row.gain_points)
    also = row.also_in_table or ""
    return row.table, row.model, row.pair, row.data, row.trained, points, str(row.runs), p_value, also


def published_page() -> Page:
    """For a terminal: the names first, which wrap; without the model, which `trained` says of the pair."""
    notes = (published_notes(paper_rows()), cost_notes(paper_costs()))
    tables = [with_columns(table, names) for table, names in zip(paper_tables(), SCREEN_COLUMNS, strict=True)]
    parts = [(table.title, table, said) for table, said in zip(tables, notes, strict=True)]
    return Page("The paper's own rows: no run of this machine is in them", [Section("", [], parts)], [])


def with_columns(table: Table, names: Sequence[str]) -> Table:
    """These of its columns, in this order."""
    places = [[column.header for column in table.columns].index(name) for name in names]
    rows = [TableRow(tuple(row.cells[place] for place in places)) for row in table.rows]
    return Table(table.title, tuple(table.columns[place] for place in places), tuple(rows))


def published_markdown() -> str:
    rows, costs = paper_rows(), paper_costs()
    lines = ["# The paper's own rows", "", f"{SOURCE}. Printed by `seek compare --paper --format markdown`.", ""]
    lines += [
        *(f"- {note}" for note in published_notes(rows)),
        "",
        *_markdown(PAPER_COLUMNS, [cells(row) for row in rows]),
        "",
    ]
    lines += ["## Its forward costs", "", *(f"- {note}" for note in cost_notes(costs)), ""]
    return "\n".join([*lines, *_markdown(COST_COLUMNS, [cost_cells(one) for one in costs])]) + "\n"


def _markdown(header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return markdown(header, rows, [name in NUMBERS for name in header])


def paper_tables() -> list[Table]:
    """Its rows and its forward costs, each with its source in the title."""
    found = (
        (PAPER_COLUMNS, [cells(row) for row in paper_rows()], "Rows"),
        (COST_COLUMNS, [cost_cells(one) for one in paper_costs()], "Forward costs"),
    )
    return [
        Table(
            f"{name} of {SOURCE}",
            tuple(Column(one, numeric=one in NUMBERS) for one in header),
            tuple(TableRow(row) for row in rows),
        )
        for header, rows, name in found
    ]


def published_json() -> str:
    rows, costs = paper_rows(), paper_costs()
    tree = {
        "source": SOURCE,
        "rows": [asdict(row) for row in rows],
        "costs": [asdict(one) | {"near_chance": one.near_chance} for one in costs],
        "figures_that_do_not_follow": [asdict(one) for one in misprints()],
        "notes": [*published_notes(rows), *cost_notes(costs)],
    }
    return plain_data.json_text(tree, indent=2)


def published_csv() -> str:
    return csv_of([asdict(row) for row in paper_rows()])


def published_latex() -> str:
    rows_table, costs_table = paper_tables()
    notes = (published_notes(paper_rows()), cost_notes(paper_costs()))
    return latex_document([], list(zip((rows_table, costs_table), notes, strict=True)))
