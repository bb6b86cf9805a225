"""The tables and the picture of FINDINGS.md: what `seek compare` says of the published tables, nothing else.

    .venv/bin/python benchmarks/findings.py --write FINDINGS.md
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

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


def points(row: dict[str, Any] | None) -> str:
    if row is None:
        return "—"
    if row["low_points"] is None:
        return f"{row['mean_points']:+.2f}, no spread"
    return f"{row['mean_points']:+.2f} [{row['low_points']:+.2f}, {row['high_points']:+.2f}]"


def difference(rows: list[dict[str, Any]], left: str, right: str, kinds: tuple[str, ...]) -> dict[str, Any] | None:
    found = {row["accuracy"]: row for row in rows if (row["left"], row["right"]) == (left, right)}
    return next((found[kind] for kind in kinds if kind in found), None)


def line_of(arm: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[str, ...]:
    cells = [difference(rows, *one) for one in DIFFERENCES]
    first, *others = cells
    share = arm["observed_share_mean"]
    words = "—" if first is None else first["statement"] or first["no_statement"]
    return (
        name_of(arm["arm"]),
        str(max((row["n"] for row in rows), default=0)),
        "—" if share is None else f"{share:.3f}",
        points(first),
        words,
        *map(points, others),
    )


def table_of(cell: dict[str, Any]) -> str:
    rows = cell["paired_differences"]
    lines = [HEADER, ("---",) * len(HEADER)]
    lines += [line_of(arm, [row for row in rows if row["arm"] == arm["arm"]]) for arm in cell["arms"]]
    alone = [
        f"{name} {group['test_accuracy_as_trained_percent_mean']:.2f} ± "
        f"{group['test_accuracy_as_trained_percent_sd']:.2f} %"
        for group in cell["groups"]
        for code, name in (("X-C", "base alone"), ("Y-C", "larger alone"))
        if group["group"] == code and group["test_accuracy_as_trained_percent_sd"] is not None
    ]
    title = f"**{cell['pair']} on {cell['data']}**, {cell['test_images']:,} test images; {'; '.join(alone)}."
    return "\n".join([title, "", *("| " + " | ".join(line) + " |" for line in lines)])


def picture(comparison: dict[str, Any], path: Path) -> None:
    """Base - base alone of every arm, one colour and shape a pair; what lies outside is written at the edge."""
    from matplotlib.figure import Figure

    primary = [row for cell in comparison["cells"] for row in cell["paired_differences"] if row["family"] == "primary"]
    reach = limit(primary)
    shown = (-reach, reach)
    names = list(dict.fromkeys(name_of(row["arm"]) for row in primary))
    figure = Figure(figsize=(8, 0.3 * len(names) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-0.2, 0.2, color="0.9")
    axes.axvline(0, color="0.2", linewidth=0.8)
    for number, cell in enumerate(comparison["cells"]):
        rows = {name_of(row["arm"]): row for row in cell["paired_differences"] if row["family"] == "primary"}
        for place, name in enumerate(names):
            row, height = rows.get(name), place + 0.3 * (number - (len(comparison["cells"]) - 1) / 2)
            if row is None:
                continue
            color = ("#0072B2", "#D55E00")[number]
            if not shown[0] < row["mean_points"] < shown[1]:
                axes.text(shown[0], height, f"← {points(row)}", color=color, va="center", fontsize=8)
                continue
            label = cell["pair"] if row is next(iter(rows.values())) else None
            axes.plot([max(row["low_points"], shown[0]), row["high_points"]], [height] * 2, color=color)
            axes.plot(row["mean_points"], height, "os"[number], color=color, label=label, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(*shown)
    axes.set_xlabel("base, alternating − base alone: points of test accuracy, 95 % interval (shaded: 0.2)", fontsize=9)
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def limit(rows: list[dict[str, Any]]) -> float:
    """How far the axis reaches, in points: 2, or all intervals where more than a fifth of the means lie outside."""
    outside = [row for row in rows if abs(row["mean_points"]) > NEAR]
    ends = [abs(row[end]) for row in rows for end in ("low_points", "high_points") if row[end] is not None]
    return NEAR if len(outside) <= len(rows) / 5 else 0.5 * math.ceil(max(ends) / 0.5)


def name_of(arm: str) -> str:
    """Short, and the same for both pairs: counts of matched-count are of each pair's own runs."""
    words = [word for word in arm.split() if word != "identity" and not word.startswith("counts=")]
    return " ".join(words).replace("buffers=carried recalibrate_batches=0", "literal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, default=Path("results/published"))
    parser.add_argument("--write", type=Path, help="put the tables between the markers of this page")
    asked = parser.parse_args()
    for folder in sorted(path for path in asked.published.iterdir() if path.is_dir()):
        comparison = seek("compare", str(folder))
        text = "\n\n".join(table_of(cell) for cell in comparison["cells"])
        print(text)
        if asked.write:
            picture(comparison, folder / "base-alone.png")
            write_between(asked.write, text, f"<!-- {folder.name} -->", f"<!-- end of {folder.name} -->")


if __name__ == "__main__":
    main()
