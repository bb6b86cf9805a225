"""The points of a planned grid as rows: where each stands, what it waits for, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from seekcli.grid.forecast import Cost, Forecast
from seekcli.grid.plan import GridPlan
from seekcli.grid.standing import Standing, standings_of_runs
from seekcli.resolve.expected_cost import train_flops_ahead
from seekcli.runs.older_runs import foreign_names

COSTS = ("train_flops", "hours", "disk_bytes")
Row = dict[str, Any]


def rows_of(plan: GridPlan, standings: Sequence[Standing]) -> list[Row]:
    """One row a point; costs are those of the whole run, null where they are not known."""
    finished = [one for one in standings if one.state == "finished"]
    forecast = Forecast(plan.results, finished, foreign_names(plan.results, [one.label for one in standings]))
    plan_differs = differing_settings(plan)
    rows = []
    for point, one in zip(plan.points, standings, strict=True):
        cost = Cost(None, None, None)  # of a stand-in for data that is not there
        if not point.no_data:
            cost = forecast.of(one, repr((point.spec.settings, point.run_id is None)))
        if point.run_id is None and plan.phase_of(point.spec) == "cost":  # it will cost what its arm does
            arm = plan.by_key[point.needs[0]]
            cost = Cost(None if arm.no_data else train_flops_ahead(arm.resolved.config), None, cost.disk_bytes)
        rows.append({
            "run_id": point.run_id, "label": one.label, "arms": [arm.label for arm in plan.arms_of[point.key]],
            "state": one.state, "problem": one.problem, "seed": one.resolved.config.seed,
            "settings": {key: point.spec.settings[key] for key in plan_differs if key in point.spec.settings},
            "needs": [plan.by_key[key].label for key in point.needs if key in plan.by_key],
            "done": round(one.fraction_done, 4), **{name: getattr(cost, name) for name in COSTS},
        })  # fmt: skip
    return rows


def fold_rows(plan: GridPlan, standings: Sequence[Standing]) -> list[Row]:
    """Of the runs over folds that are still to be made, to choose k by: what they cost."""
    searches = {point.tuning.name: point.tuning for point in plan.points if point.tuning}
    folds = [one for tuning in searches.values() for _, _, one in tuning.runs()]
    runs = standings_of_runs(folds, plan.results)
    forecast = Forecast(plan.results, [one for one in [*standings, *runs] if one.state == "finished"], ())
    costs = [forecast.of(one) for one in runs]
    return [
        {"state": one.state, "done": one.fraction_done, **{name: getattr(cost, name) for name in COSTS}}
        for one, cost in zip(runs, costs, strict=True)
    ]


def differing_settings(plan: GridPlan) -> list[str]:
    """Settings that the file says, and not for all points alike."""
    values: dict[str, set[str]] = {}
    points = plan.points
    for point in points:
        for key, value in point.spec.settings.items():
            values.setdefault(key, set()).add(repr(value))
    said = Counter(key for point in points for key in point.spec.settings)
    return [key for key, found in values.items() if len(found) > 1 or said[key] < len(points)]
