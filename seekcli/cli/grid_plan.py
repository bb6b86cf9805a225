"""`seek grid plan`: every point of a grid, what it waits for, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seekcli.cli.output import say, say_json
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import visible
from seekcli.plain_data import json_text

if TYPE_CHECKING:
    from seekcli.config.layers import Resolved
    from seekcli.grid.plan import GridPlan

FORMATS = ("table", "json", "csv")


def show_plan(plan: GridPlan, format_name: str) -> None:
    from seekcli.data.sets.summary import summary_ahead
    from seekcli.data.splitting.overlap import overlap_ahead
    from seekcli.grid.standing import standing_of
    from seekcli.runs.older_runs import foreign_names

    with listings_kept():
        standings = [standing_of(point, plan) for point in plan.points]
        others = foreign_names(plan.results, [one.label for one in standings])
        notes = [point_notes(one.resolved, one.state, plan, others) for one in standings]
        known = [one for one, point in zip(standings, plan.points, strict=True) if not point.no_data]
        data = {summary_ahead(one.resolved.config.data): one.resolved.config.data for one in known}
        overlaps = {words: overlap_ahead(one) for words, one in data.items()}
    if format_name == "json":
        rows: list[dict[str, Any]] = [
            {"run_id": point.run_id, "state": one.state, "problem": one.problem}
            for point, one in zip(plan.points, standings, strict=True)
        ]
        say_json(json_text(rows))
        return
    for one, said in zip(standings, notes, strict=True):
        lines = [note for note in (one.problem, *said) if note]
        say("\n".join([f"{one.state:<11}{one.label}", *(f"{'':<11}{visible(note)}" for note in lines)]))
    say(f"{len(standings)} runs, {sum(one.state == 'finished' for one in standings)} finished")
    for words, overlap in overlaps.items():
        say("\n".join(f"data       {visible(str(line))}" for line in (words, overlap) if line is not None))


def point_notes(resolved: Resolved, state: str, plan: GridPlan, others: list[str]) -> list[str]:
    from seekcli.models.catalog import same_start_note
    from seekcli.runs.older_runs import may_have_older_twin, old_rules_note, older_twin_note

    is_asked = state == "new" and may_have_older_twin(resolved.config, others)
    older = older_twin_note(plan.results, resolved) if is_asked else None
    return [note for note in (old_rules_note(resolved, plan.results), older, same_start_note(resolved.config)) if note]
