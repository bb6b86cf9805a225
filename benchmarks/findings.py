"""The tables and the picture of FINDINGS.md: what `seek compare` says of the published tables, nothing else.

    .venv/bin/python benchmarks/findings.py --write FINDINGS.md
"""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from pages import seek, write_between

HEADER = ("arm", "n", "share of steps", "base − base alone", "word", "base − base alone, equal compute",
          "larger − its own base", "larger − larger alone", "larger − larger alone, equal compute")  # fmt: skip
# Column -> left, right, accuracy: those of the larger model are re-estimated on both sides where both have it.
DIFFERENCES = (
    ("X-Y-B", "X-C", ("as trained",)),
    ("X-Y-B", "X-C=", ("as trained",)),
    ("X-Y-M", "X-Y-B", ("re-estimated", "as trained")),
    ("X-Y-M", "Y-C", ("re-estimated", "as trained")),
    ("X-Y-M", "Y-C=", ("re-estimated", "as trained")),
)
NEAR = 2.0  # points: what the picture shows where most arms lie within
# Published folder -> what its runs are compared by, where that is not the usual metric of their task.
METRICS = {"text": "test_bits_per_byte"}


class Scale(NamedTuple):
    """How the numbers of a comparison are named and written."""

    unit: str  # ends the names of differences
    metric: str  # begins the names of a group's mean and deviation
    words: str
    margin: float  # within it models are called equivalent
    percent: bool

    @classmethod
    def of(cls, comparison: dict[str, Any]) -> Scale:
        name = next(name for name in comparison if name.startswith("margin_"))
        unit, margin = name.removeprefix("margin_"), comparison[name]
        if unit == "points":
            return cls(unit, "test_accuracy_as_trained_percent", "points of test accuracy", margin, True)
        words = comparison["metric"].replace("_", " ")
        return cls(unit, comparison["metric"], words, margin, False)

    def mean(self, row: dict[str, Any]) -> float:
        return row[f"mean_{self.unit}"]

    def interval(self, row: dict[str, Any]) -> tuple[float, float] | None:
        low, high = row[f"low_{self.unit}"], row[f"high_{self.unit}"]
        return None if low is None else (low, high)

    def text(self, row: dict[str, Any] | None) -> str:
        if row is None:
            return "—"
        digits = 2 if self.percent else 3
        if (ends := self.interval(row)) is None:
            return f"{self.mean(row):+.{digits}f}, no spread"
        return f"{self.mean(row):+.{digits}f} [{ends[0]:+.{digits}f}, {ends[1]:+.{digits}f}]"

    def alone(self, group: dict[str, Any]) -> str | None:
        mean, deviation = group[f"{self.metric}_mean"], group[f"{self.metric}_sd"]
        if deviation is None:
            return None
        return f"{mean:.2f} ± {deviation:.2f} %" if self.percent else f"{mean:.3f} ± {deviation:.3f}"


def difference(rows: list[dict[str, Any]], left: str, right: str, kinds: tuple[str, ...]) -> dict[str, Any] | None:
    """A metric that is no accuracy is measured in one way: its kind is None."""
    found = {row["accuracy"]: row for row in rows if (row["left"], row["right"]) == (left, right)}
    return next((found[kind] for kind in (*kinds, None) if kind in found), None)


def line_of(arm: dict[str, Any], rows: list[dict[str, Any]], scale: Scale) -> tuple[str, ...]:
    cells = [difference(rows, *one) for one in DIFFERENCES]
    first, *others = cells
    share = arm["observed_share_mean"]
    words = "—" if first is None else first["statement"] or first["no_statement"]
    return (
        name_of(arm["arm"]),
        str(max((row["n"] for row in rows), default=0)),
        "—" if share is None else f"{share:.3f}",
        scale.text(first),
        words,
        *map(scale.text, others),
    )


def table_of(cell: dict[str, Any], scale: Scale) -> str:
    rows = cell["paired_differences"]
    lines = [HEADER, ("---",) * len(HEADER)]
    lines += [line_of(arm, [row for row in rows if row["arm"] == arm["arm"]], scale) for arm in cell["arms"]]
    alone = [
        f"{name} {text}"
        for group in cell["groups"]
        for code, name in (("X-C", "base alone"), ("Y-C", "larger alone"))
        if group["group"] == code and (text := scale.alone(group)) is not None
    ]
    tested = f"{cell['test_images']:,} test {'images' if scale.percent else 'windows'}"
    by = "" if scale.percent else f"; {scale.words}, lower is better"
    title = f"**{cell['pair']} on {cell['data']}**, {tested}{by}; {'; '.join(alone)}."
    return "\n".join([title, "", *("| " + " | ".join(line) + " |" for line in lines)])


def picture(comparison: dict[str, Any], scale: Scale, path: Path) -> None:
    """Base - base alone of every arm, one colour and shape a pair; what lies outside is written at the edge."""
    from matplotlib.figure import Figure

    primary = [row for cell in comparison["cells"] for row in cell["paired_differences"] if row["family"] == "primary"]
    reach = limit(primary, scale)
    shown = (-reach, reach)
    names = list(dict.fromkeys(name_of(row["arm"]) for row in primary))
    figure = Figure(figsize=(8, 0.3 * len(names) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-scale.margin, scale.margin, color="0.9")
    axes.axvline(0, color="0.2", linewidth=0.8)
    for number, cell in enumerate(comparison["cells"]):
        rows = {name_of(row["arm"]): row for row in cell["paired_differences"] if row["family"] == "primary"}
        for place, name in enumerate(names):
            row, height = rows.get(name), place + 0.3 * (number - (len(comparison["cells"]) - 1) / 2)
            if row is None:
                continue
            color = ("#0072B2", "#D55E00")[number]
            if not shown[0] < scale.mean(row) < shown[1]:
                axes.text(shown[0], height, f"← {scale.text(row)}", color=color, va="center", fontsize=8)
                continue
            label = cell["pair"] if row is next(iter(rows.values())) else None
            if ends := scale.interval(row):
                axes.plot([max(ends[0], shown[0]), ends[1]], [height] * 2, color=color)
            axes.plot(scale.mean(row), height, "os"[number], color=color, label=label, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(*shown)
    axes.set_xlabel(
        f"base, alternating − base alone: {scale.words}, 95 % interval (shaded: {scale.margin:g})",
        fontsize=8,
    )
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def limit(rows: list[dict[str, Any]], scale: Scale) -> float:
    """How far the axis reaches: 2 points, or all intervals where more than a fifth of the means lie outside."""
    ends = [abs(end) for row in rows for end in scale.interval(row) or (scale.mean(row),)]
    if not scale.percent:
        return 1.05 * max(ends)
    outside = [row for row in rows if abs(scale.mean(row)) > NEAR]
    return NEAR if len(outside) <= len(rows) / 5 else 0.5 * math.ceil(max(ends) / 0.5)


def name_of(arm: str) -> str:
    """Short, and the same for both pairs: counts of matched-count are of each pair's own runs."""
    words = [word for word in re.sub(r"counts=\[[^]]*\]", "", arm).split() if word != "identity"]
    return " ".join(words).replace("buffers=carried recalibrate_batches=0", "literal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, default=Path("results/published"))
    parser.add_argument("--write", type=Path, help="put the tables between the markers of this page")
    asked = parser.parse_args()
    for folder in sorted(path for path in asked.published.iterdir() if path.is_dir()):
        by = ("--metric", METRICS[folder.name]) if folder.name in METRICS else ()
        comparison = seek("compare", str(folder), *by)
        scale = Scale.of(comparison)
        text = "\n\n".join(table_of(cell, scale) for cell in comparison["cells"])
        print(text)
        if asked.write:
            picture(comparison, scale, folder / "base-alone.png")
            write_between(asked.write, text, f"<!-- {folder.name} -->", f"<!-- end of {folder.name} -->")


if __name__ == "__main__":
    main()
