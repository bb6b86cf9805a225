"""What a storm found, as the tables of docs/robustness.md."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, field
from pathlib import Path

from torture.runs import Verdict

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass
class Tally:
    """The cases of a kind that are done; of each topic how many were tried, and how many of these were broken."""

    kind: str
    tried: int = 0
    broken: dict[int, Verdict] = field(default_factory=dict)
    topics: dict[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, number: int, verdict: Verdict) -> None:
        self.tried += 1
        if verdict.broken:
            self.broken[number] = verdict
        if verdict.topic:
            counts = self.topics.setdefault(verdict.topic, [0, 0])
            counts[0] += 1
            counts[1] += bool(verdict.broken)

    def line(self) -> str:
        counts = f"{self.tried:>6} tried {self.tried - len(self.broken):>6} held {len(self.broken):>5} broken"
        return f"{self.kind:<12}{counts}  {self.seconds:.0f} s"


def tables(tallies: list[Tally], command: str) -> str:
    import torch

    import seekcli
    from seekcli.runs.environment import cpu_name, git_commit

    today = datetime.datetime.now(datetime.UTC).date()
    machine = f"{cpu_name()}, {os.cpu_count()} cores"
    versions = f"torch {torch.__version__}, seekcli {seekcli.__version__} at commit {(git_commit() or 'unknown')[:12]}"
    rows = [(tally.kind, tally.tried, len(tally.broken)) for tally in tallies]
    total = ("all", sum(tried for _, tried, _ in rows), sum(broken for _, _, broken in rows))
    topics = sorted(topic for tally in tallies for topic in tally.topics.items())
    lines = [f"Measured {today} by `{command}` on {machine}; {versions}.", "", *table("kind", [*rows, total])]
    if topics:
        lines += ["", *table("reported fault, as it is now", [(topic, *counts) for topic, counts in topics])]
    return "\n".join(lines)


def table(head: str, rows: list[tuple[str, int, int]]) -> list[str]:
    body = [f"| {name} | {tried} | {tried - broken} | {broken} |" for name, tried, broken in rows]
    return [f"| {head} | tried | held | broken |", "|---|---|---|---|", *body]


def write_into(page: Path, text: str) -> None:
    """Replace what stands between the markers. Raises ValueError when the page has none."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
