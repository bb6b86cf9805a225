"""How far a watched grid is, as plain data, and how long the rest will take."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from seekcli.errors import BadInput
from seekcli.grid.forecast import Forecast
from seekcli.grid.standing import STATES, Standing, Watch
from seekcli.grid.submission import Element, Submission, SubmissionFolder, as_data, in_words, is_live
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import NEWER

# What is listed one by one; of the others their number is enough.
LISTED = ("running", "unfinished", "dead", "failed", "damaged", NEWER, "refused")
NOWHERE: dict[str, str | None] = {"node": None, "job": None}


def summary_of(watch: Watch) -> dict[str, Any]:
    """Runs that nobody has begun are queued while an array of workers for them is."""
    submitted = submitted_for(watch)
    new = "queued" if submitted is not None and is_live(*submitted) else "new"
    states = {new if state == "new" else state: watch.count(state) for state in STATES if watch.count(state)}
    runs = [
        {"label": one.label, "state": one.state, "done": round(one.fraction_done, 4), "problem": one.problem}
        | (where_it_runs(watch, one) if one.state == "running" else NOWHERE)
        for one in watch.standings.values()
        if one.state in LISTED
    ]
    engine = None if submitted is None else as_data(*submitted)
    return {"states": states, "hours_left": hours_left(watch), "engine": engine, "runs": runs}


def submitted_for(watch: Watch) -> tuple[Submission, list[Element]] | None:
    """The last submission of the grid, and its elements that have begun."""
    folder = SubmissionFolder.of(watch.plan.results, watch.plan.grid)
    submission = folder.read()
    return None if submission is None else (submission, folder.elements(submission))


def submitted_words(watch: Watch) -> str | None:
    """Of an array that has not ended."""
    found = submitted_for(watch)
    return in_words(*found) if found is not None and is_live(*found) else None


def is_under_way(watch: Watch) -> bool:
    """Whether anything runs, or waits in the queue of a scheduler."""
    return bool(watch.count("running")) or submitted_words(watch) is not None


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
