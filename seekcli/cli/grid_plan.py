"""`seek grid plan`: every point of a grid, where it stands, what it waits for, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seekcli.cli.output import say, say_json, terminal_width
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import counted, human_bytes, human_flops, human_hours, visible
from seekcli.grid.plan_rows import COSTS, Row, fold_rows, rows_of
from seekcli.grid.standing import NOT_TO_DO, standings_of
from seekcli.plain_data import json_text

if TYPE_CHECKING:
    from seekcli.config.layers import Resolved
    from seekcli.grid.plan import GridPlan
    from seekcli.grid.standing import Standing

FORMATS = ("table", "json", "csv")
NOT_KNOWN = "not known"


def show_plan(plan: GridPlan, format_name: str) -> None:
    with listings_kept():
        standings = standings_of(plan.points, plan)
        rows = rows_of(plan, standings)
        folds = fold_rows(plan, standings)
    if format_name == "json":
        say_json(json_text(rows))
    elif format_name == "csv":
        from seekcli.report.columns import csv_of

        say(csv_of([flat_row(row) for row in rows]), nl=False)
    else:
        with listings_kept():
            show_table(plan, standings, rows, folds)


def flat_row(row: Row) -> Row:
    """For a table of cells: settings in words, lists joined."""
    joined = {name: "; ".join(row[name]) for name in ("arms", "needs")}
    return {**row, **joined, "settings": settings_words(row["settings"])}


def settings_words(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items() if value is not None)


def show_table(plan: GridPlan, standings: Sequence[Standing], rows: Sequence[Row], folds: Sequence[Row]) -> None:
    from seekcli.runs.older_runs import foreign_names

    others = foreign_names(plan.results, [one.label for one in standings])
    for row, one in zip(rows, standings, strict=True):
        words = "; ".join(filter(None, (settings_words(row["settings"]), cost_words(row))))
        notes = [one.problem, *point_notes(one.resolved, one.state, plan, others)]
        lines = [words, *(note for note in notes if note)]
        say("\n".join([f"{one.state:<11}{one.label}", *(wrapped(visible(line)) for line in lines)]))
    states = Counter(row["state"] for row in rows)
    say(f"{counted(len(rows), 'run')}: {', '.join(f'{count} {state}' for state, count in states.items())}")
    for line in (*same_run_lines(plan), *search_lines(plan), total_line(rows, folds), *data_lines(plan, standings)):
        say(wrapped(visible(line), first=""))


def wrapped(line: str, first: str = " " * 11) -> str:
    import textwrap

    return textwrap.fill(
        line, max(terminal_width(), 40), initial_indent=first, subsequent_indent=" " * 11,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def cost_words(row: Mapping[str, Any]) -> str:
    """`1.2 PFLOPs, 3 min, 20 MB`; what is not known is said once."""
    known = [words for words in (flops_words(row), time_words(row["hours"]), disk_words(row["disk_bytes"])) if words]
    missing = [name for name, key in (("cost", "train_flops"), ("time", "hours")) if row[key] is None]
    return ", ".join([*known, *([f"{' and '.join(missing)} {NOT_KNOWN}"] if missing else [])])


def flops_words(row: Mapping[str, Any]) -> str | None:
    return None if row["train_flops"] is None else human_flops(row["train_flops"])


def time_words(hours: float | None) -> str | None:
    return None if hours is None else human_hours(hours)


def disk_words(count: float | None) -> str | None:
    return None if count is None else human_bytes(count)


def total_line(rows: Sequence[Row], folds: Sequence[Row]) -> str:
    """What is left to do: sums over what is known, and of how many runs it is not."""
    left = [row for row in (*rows, *folds) if row["state"] not in NOT_TO_DO]
    sums = {name: sum((row[name] or 0.0) * (1 - row["done"]) for row in left) for name in COSTS}
    unknown = {name: sum(row[name] is None for row in left) for name in COSTS}
    if not left:
        counts = Counter(row["state"] for row in rows if row["state"] != "finished")
        if counts:
            but = " and ".join(f"{counted(count, 'run')} {state}" for state, count in counts.items())
            return f"left       nothing but {but}"
        return f"left       nothing: all of it took {human_hours(sum(row['hours'] or 0.0 for row in rows))}"
    shown = (
        ("train_flops", f"{human_flops(sums['train_flops'])} of training (expected)", "cost"),
        ("hours", f"{human_hours(sums['hours'])}, one run after the other", "time"),
        ("disk_bytes", f"{human_bytes(sums['disk_bytes'])} of disk", "disk"),
    )
    words = []
    for name, known, what in shown:
        some = f" ({NOT_KNOWN} of {unknown[name]} of {len(left)})" if unknown[name] else ""
        words.append(f"{what} {NOT_KNOWN}" if unknown[name] == len(left) else f"{known}{some}")
    return f"left       {'; '.join(words)}"


def same_run_lines(plan: GridPlan) -> list[str]:
    """Where several arms, or several values of one, are one run."""
    together = Counter(" and ".join(arm.label for arm in arms) for arms in plan.arms_of.values() if len(arms) > 1)
    lines = [f"same       {arms} are one run in {counted(count, 'case')}" for arms, count in together.items()]
    for label, count in plan.repeated.items():
        again = "is a run" if count == 1 else "are runs"
        what = f"{counted(count, 'combination')} of {label} {again} that it has already"
        lines.append(f"same       {what}: a setting in it changes nothing there")
    return lines


def search_lines(plan: GridPlan) -> list[str]:
    searches = {point.tuning.name: point.tuning for point in plan.points if point.tuning}
    return [f"before     to choose k for {name}: {tuning.describe()}" for name, tuning in searches.items()]


def data_lines(plan: GridPlan, standings: Sequence[Standing]) -> list[str]:
    from seekcli.data.sets.summary import summary_ahead
    from seekcli.data.splitting.overlap import overlap_ahead

    known = [one for one, point in zip(standings, plan.points, strict=True) if not point.no_data]
    data = {repr(one.resolved.config.data): one.resolved.config.data for one in known}
    found = dict.fromkeys(line for one in data.values() for line in (summary_ahead(one), overlap_ahead(one)) if line)
    return [f"data       {line}" for line in found]


def point_notes(resolved: Resolved, state: str, plan: GridPlan, others: Sequence[str]) -> list[str]:
    from seekcli.models.catalog import same_start_note
    from seekcli.runs.older_runs import may_have_older_twin, old_rules_note, older_twin_note

    is_asked = state == "new" and may_have_older_twin(resolved.config, others)
    older = older_twin_note(plan.results, resolved) if is_asked else None
    return [note for note in (old_rules_note(resolved, plan.results), older, same_start_note(resolved.config)) if note]
