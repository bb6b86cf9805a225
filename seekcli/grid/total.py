"""What many runs of one command come to: the last line of `seek train --dry-run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from seekcli.config.layers import Resolved
from seekcli.errors import counted, human_flops, human_hours
from seekcli.grid.forecast import Forecast
from seekcli.grid.standing import standing_in
from seekcli.runs.older_runs import foreign_names


def describe_total(runs: Sequence[Resolved], results: Path) -> str:
    """States, training FLOPs and hours of what is left to do; hours by finished runs of the results folder that are
    like them, since how long a step takes is measured and not computed."""
    standings = [standing_in(results, one) for one in runs]
    finished = [one for one in standings if one.state == "finished"]
    left = [one for one in standings if one.state != "finished"]
    states = Counter(one.state for one in standings)
    total = f"{counted(len(runs), 'run')} ({', '.join(f'{count} {state}' for state, count in states.items())})"
    forecast = Forecast(results, finished, foreign_names(results, [one.label for one in standings]))
    costs = [(forecast.of(one), 1 - one.fraction_done) for one in left]
    flops = [cost.train_flops * rest for cost, rest in costs if cost.train_flops is not None]
    hours = [cost.hours * rest for cost, rest in costs if cost.hours is not None]
    words = [f"{human_flops(sum(flops))} of training to do (expected){but_for(len(flops), len(left), 'cost')}"]
    if hours:
        words.append(f"{human_hours(sum(hours))}, one after the other{but_for(len(hours), len(left), 'time')}")
    elif left:
        words.append("time not known before a run of the kind is finished")
    return f"total       {'; '.join([total, *words])}"


def but_for(known: int, of: int, what: str) -> str:
    return f", and {counted(of - known, 'run')} whose {what} is not known ahead" if known < of else ""
