"""How far a watched grid is, as plain data, and how long the rest will take."""

from __future__ import annotations

from typing import Any

from seekcli.grid.forecast import Forecast
from seekcli.grid.standing import STATES, Watch

# What is listed one by one; of the others their number is enough.
LISTED = ("running", "unfinished", "dead", "failed", "damaged")


def summary_of(watch: Watch) -> dict[str, Any]:
    states = {state: watch.count(state) for state in STATES if watch.count(state)}
    runs = [
        {"label": one.label, "state": one.state, "done": round(one.fraction_done, 4), "problem": one.problem}
        for one in watch.standings.values()
        if one.state in LISTED
    ]
    return {"states": states, "hours_left": hours_left(watch), "runs": runs}


def hours_left(watch: Watch) -> float | None:
    """Of the whole grid, as many runs at a time as there are now; None where the time of one of them is not known."""
    standings = list(watch.standings.values())
    finished = [one for one in standings if one.state == "finished"]
    left = [one for one in standings if one.state != "finished"]
    forecast = Forecast(watch.plan.results, finished, ())
    hours = [forecast.of(one).hours for one in left]
    if not left or not finished or None in hours:
        return None
    work = sum((each or 0.0) * (1 - one.fraction_done) for each, one in zip(hours, left, strict=True))
    return work / max(1, watch.count("running"))
