"""Which start of the added blocks makes the larger model better than its own base: the table of docs/starts.md.

    .venv/bin/seek grid run grids/starts.toml --out results/starts
    .venv/bin/python benchmarks/starts.py --write docs/starts.md

Reads what `seek compare` and `seek map --starts` say of these runs; nothing is trained or computed here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pages import seek, write_between

PAIR = "resnet20-to-32"
HEADER = ("start", "usage of added blocks", "answers differ %", "base − base alone", "adj. p, word",
          "larger − its own base", "adj. p, word", "larger − the larger of `paper`", "adj. p, word")  # fmt: skip
PAPER = "loss k=2 paper"


def difference(rows: list[dict[str, Any]], arm: str | None, left: str, right: str, accuracy: str) -> tuple[str, str]:
    """Mean with its interval, and the adjusted p with what `seek compare` calls it."""
    found = {(row["arm"], row["left"], row["right"], row["accuracy"]): row for row in rows}
    row, sign = found.get((arm, left, right, accuracy)), 1
    if row is None:  # two arms stand in one order alone
        row, sign = found[arm, right, left, accuracy], -1
    low, high = sorted((sign * row["low_points"], sign * row["high_points"]))
    said = f"{sign * row['mean_points']:+.2f} [{low:+.2f}, {high:+.2f}]"
    p = row["p_value_adjusted"]
    return said, f"{f'{p:.3f}' if p >= 0.001 else '<0.001'}, {row['statement'] or row['no_statement']}"


def against_paper(rows: list[dict[str, Any]], arm: str) -> tuple[str, str]:
    """The larger model of this start against that of the paper's start, re-estimated."""
    if arm == PAPER:
        return "—", "—"
    return difference(rows, None, f"X-Y-M ({arm})", f"X-Y-M ({PAPER})", "re-estimated")


def table(results: Path) -> str:
    (cell,) = seek("compare", str(results))["cells"]
    lines: list[tuple[str, ...]] = [HEADER, ("---",) * len(HEADER)]
    for arm in cell["arms"]:
        name, rows = arm["arm"], cell["paired_differences"]
        usage, differ = arm["added_blocks_usage_ratio_mean"], arm["answers_differ_percent_mean"]
        base = difference(rows, name, "X-Y-B", "X-C", "as trained")
        larger = difference(rows, name, "X-Y-M", "X-Y-B", "re-estimated")
        paper = against_paper(rows, name)
        lines.append((name.removeprefix("loss k=2 "), f"{usage:.3f}", f"{differ:.2f}", *base, *larger, *paper))
    n = min(len(group["seeds"]) for group in cell["groups"])
    errors = seek("map", "--model", PAIR, "--starts", "--set", "pair.added_scale=0.3")["output_error_at_entry"]
    entry = ", ".join(f"`{start}` {error:.2g}" for start, error in errors.items())
    return "\n".join([
        f"{PAIR}, {cell['test_images']:,} test images, n = {n} seeds, one thread a run. Output error at entry: {entry}",
        "",
        *("| " + " | ".join(line) + " |" for line in lines),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results/starts"))
    parser.add_argument("--write", type=Path, help="put the table between the markers of this page")
    asked = parser.parse_args()
    text = table(asked.results)
    print(text)
    if asked.write:
        write_between(asked.write, text)


if __name__ == "__main__":
    main()
