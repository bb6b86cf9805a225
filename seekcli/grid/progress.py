"""How far a watched grid is, as plain data, and how long the rest will take."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from seekcli.errors import BadInput
from seekcli.grid.forecast import Forecast
from seekcli.grid.standing import STATES, Standing, Watch
from seekcli.grid.submission import Submissions, Submitted
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import NEWER

# What is listed one by one; of the others their number is enough.
LISTED = ("running", "unfinished", "dead", "failed", "damaged", NEWER, "refused")
NOWHERE: dict[str, str | None] = {"node": None, "job": None}


def summary_of(watch: Watch) -> dict[str, Any]:
    """Runs that nobody has begun are queued while an array of workers for them is."""
    submitted, problems = submitted_for(watch)
    new = "queued" if any(one.is_live for one in submitted) else "new"
    states = {new if state == "new" else state: watch.count(state) for state in STATES if watch.count(state)}
    runs = [
        {"label": one.label, "state": one.state, "done": round(one.fraction_done, 4), "problem": one.problem}
        | (where_it_runs(watch, one) if one.state == "running" else NOWHERE)
        for one in watch.standings.values()
        if one.state in LISTED
    ]
    engines = [one.as_data() for one in submitted]
    engine, others = engines[-1] if engines else None, engines[:-1]
    return {
        "states": states, "hours_left": hours_left(watch), "engine": engine, "other_engines": others,
        "engine_problems": problems, "runs": runs,
    }  # fmt: skip


def submitted_for(watch: Watch) -> tuple[list[Submitted], list[str]]:
    """The arrays of the grid that have not ended; where none is left the last one that has, and where none was none.

    Also what is wrong with those that cannot be read.
    """
    found, problems = Submissions.of(watch.plan.results, watch.plan.grid).read()
    return [one for one in found if one.is_live] or found[-1:], problems


def submitted_words(watch: Watch) -> list[str]:
    """A line for each array that has not ended."""
    return [one.in_words() for one in submitted_for(watch)[0] if one.is_live]


def is_under_way(watch: Watch) -> bool:
    """Whether anything runs, or waits in the queue of a scheduler and has anything left to do."""
    left = any(one.state != "finished" for one in watch.standings.values())
    return bool(watch.count("running")) or (left and bool(submitted_words(watch)))


def where_it_runs(watch: Watch, one: Standing) -> dict[str, str | None]:
    """The node and job of a scheduler, as the run recorded them when it began."""
    with suppress(BadInput):
        found = RunFolder.of(watch.plan.results, one.resolved.config).environment() or {}
        return {name: found.get(name) for name in NOWHERE}
    return NOWHERE


def hours_left(watch: Watch) -> float | None:
    """Of what this seek can do of the grid, as many runs at a time as there are now; None where the time of one of
    them is not known."""
    standings = [one for one in watch.standings.values() if one.state not in ("refused", NEWER)]
    finished = [one for one in standings if one.state == "finished"]
    left = [one for one in standings if one.state != "finished"]
    forecast = Forecast(watch.plan.results, finished, ())
    hours = [forecast.of(one).hours for one in left]
    if not left or not finished or None in hours:
        return None
    work = sum((each or 0.0) * (1 - one.fraction_done) for each, one in zip(hours, left, strict=True))
    return work / max(1, watch.count("running"))
