"""`seek grid status`: how far a grid is, once or again and again, and how long the rest will take."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from seekcli.cli.output import echo_json, say
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.errors import counted, human_hours, one_line, visible
from seekcli.grid.progress import is_under_way, submitted_words, summary_of
from seekcli.grid.standing import NOT_TO_DO

if TYPE_CHECKING:
    from rich.table import Table

    from seekcli.grid.plan import GridPlan
    from seekcli.grid.standing import Watch

EVERY_SECONDS = 2.0


def show_status(plan: GridPlan, as_json: bool, watched: bool) -> None:
    """Raises KeyboardInterrupt, which ends a watch."""
    from seekcli.grid.standing import Watch

    with listings_kept():
        watch = Watch(plan)
    if as_json:
        echo_json(summary_of(watch))
    elif not watched:
        say(status_text(watch))
    elif sys.stdout.isatty():
        watch_live(watch)
    else:
        watch_lines(watch)


def watch_lines(watch: Watch) -> None:
    """A line whenever a count has changed, until nothing runs any more."""
    told = ""
    while True:
        if (line := head_line(watch, summary_of(watch))) != told:
            say(told := line)
        if not is_under_way(watch):
            return
        time.sleep(EVERY_SECONDS)
        watch.look()


def watch_live(watch: Watch) -> None:
    """A table that is drawn again and again, until nothing runs any more."""
    from rich.live import Live

    with Live(live_table(watch)) as live:
        while is_under_way(watch):
            time.sleep(EVERY_SECONDS)
            watch.look()
            live.update(live_table(watch))


def live_table(watch: Watch) -> Table:
    from rich.table import Table
    from rich.text import Text

    found = summary_of(watch)
    table = Table(title=Text(head_line(watch, found)), box=None, title_justify="left")
    for name in ("state", "done", "run"):
        table.add_column(name)
    for row in found["runs"]:
        table.add_row(row["state"], f"{row['done']:.0%}", Text(visible(row["label"])))
    return table


def status_text(watch: Watch) -> str:
    found = summary_of(watch)
    lines = [head_line(watch, found), *submitted_words(watch), *map(one_line, found["engine_problems"])]
    for row in found["runs"]:
        where = f"  on {row['node']}, job {row['job']}" if row["job"] else ""
        lines.append(f"{row['state']:<11}{row['done']:>4.0%}  {visible(row['label'] + where)}")
        lines += [f"{'':<11}{one_line(row['problem'])}"] if row["problem"] else []
    return "\n".join(lines)


def head_line(watch: Watch, found: dict[str, Any]) -> str:
    """`20 runs: 5 finished, 2 running, 13 new; 12 min left`; `found` is what `summary_of` the watch says."""
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items())
    if found["hours_left"] is None:
        over = sum(found["states"].get(state, 0) for state in NOT_TO_DO)
        left = "" if over == len(watch.standings) else "; time left not known"
    else:
        left = f"; {human_hours(found['hours_left'])} left"
    return f"{counted(len(watch.standings), 'run')}: {states}{left}"
