"""What many runs of one command come to: the last line of `seek train --dry-run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seekcli.config.layers import Resolved
from seekcli.errors import counted, human_flops, human_hours
from seekcli.grid.forecast import Forecast
from seekcli.grid.standing import NOT_TO_DO, standings_of_runs
from seekcli.runs.older_runs import foreign_names


@dataclass(frozen=True)
class Total:
    """FLOPs of training and hours are of what is left to do, None where not known of any run; `flops_of` and `hours_of`
    say of how many runs they are known."""

    runs: int
    states: dict[str, int]
    left: int
    train_flops: float | None
    flops_of: int
    hours: float | None
    hours_of: int


def total_of(runs: Sequence[Resolved], results: Path) -> Total:
    """Hours by finished runs of the results folder that are like them, since how long a step takes is measured and not
    computed."""
    standings = standings_of_runs(runs, results)
    finished = [one for one in standings if one.state == "finished"]
    left = [one for one in standings if one.state not in NOT_TO_DO]
    forecast = Forecast(results, finished, foreign_names(results, [one.label for one in standings]))
    costs = [(forecast.of(one), 1 - one.fraction_done) for one in left]
    flops = [cost.train_flops * rest for cost, rest in costs if cost.train_flops is not None]
    hours = [cost.hours * rest for cost, rest in costs if cost.hours is not None]
    return Total(
        runs=len(runs),
        states=dict(Counter(one.state for one in standings)),
        left=len(left),
        train_flops=sum(flops) if flops else None,
        flops_of=len(flops),
        hours=sum(hours) if hours else None,
        hours_of=len(hours),
    )


def describe_total(total: Total) -> str:
    states = ", ".join(f"{count} {state}" for state, count in total.states.items())
    words = [f"{counted(total.runs, 'run')} ({states})"]
    cost_left = human_flops(total.train_flops or 0)
    words.append(f"{cost_left} of training to do (expected){but_for(total.flops_of, total.left, 'cost')}")
    if total.hours is not None:
        words.append(f"{human_hours(total.hours)}, one after the other{but_for(total.hours_of, total.left, 'time')}")
    elif total.left:
        words.append("time not known before a run of the kind is finished")
    return f"total       {'; '.join(words)}"


def but_for(known: int, of: int, what: str) -> str:
    return f", and {counted(of - known, 'run')} whose {what} is not known ahead" if known < of else ""
