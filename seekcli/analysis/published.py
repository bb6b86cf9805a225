"""The paper's own rows (M. Acheli, W. Gaaloul, arXiv 2602.21064v1): Welch tests from its means, sds and n.

The figures stand as transcribed in analysis/paper/*.csv. Nothing is corrected for the number of tests.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from importlib import resources

from seekcli.analysis.checks import welch_p_value
from seekcli.config.settings import pair_name

# Table 3 compares a transfer from the alternating run's base with one from the classic run's model.
TRANSFER_FROM, CLASSIC_SOURCE = "resnet50-from-101", "resnet50-classic"
PLAIN_ROLES = {"base": "base", "motivated": "larger"}


@dataclass(frozen=True)
class PaperRow:
    """An accuracy of the paper against its classic counterpart. `p_value` is None where there is no sd (n = 1).

    `also_in_table` is the other table that prints the same model with the same mean and sd.
    """

    table: str
    model: str
    pair: str
    data: str
    trained: str
    gain_points: float
    runs: int
    p_value: float | None
    also_in_table: str | None


def figures(name: str) -> list[dict[str, str]]:
    text = (resources.files("seekcli") / "analysis" / "paper" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def classic_rows() -> dict[tuple[str, str], dict[str, str]]:
    """(model, data) -> the row of its classic training."""
    return {(row["base"], row["dataset"]): row for row in figures("accuracy") if row["schedule"] == "classic"}


def paper_rows() -> list[PaperRow]:
    """Tables 1, 2, 4, 5, 6 and 7 against the classic training of the same model on the same data, then table 3."""
    rows = figures("accuracy")
    classic = classic_rows()
    tables: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        tables[_printed(row)].append(row["table"])
    listed = []
    for row in rows:
        if row["schedule"] != "classic":
            model = row[row["role"]]
            other = next((table for table in tables[_printed(row)] if table != row["table"]), None)
            trained = f"{PLAIN_ROLES[row['role']]}, {row['schedule']}"
            listed.append(_row(row, classic[model, row["dataset"]], model, trained, other))
    transfer = figures("transfer")
    source = {row["dataset"]: row for row in transfer if row["model"] == CLASSIC_SOURCE}
    for row in transfer:
        if row["model"] == TRANSFER_FROM and row["dataset"] != "imagenet":
            listed.append(_row(row, source[row["dataset"]], "resnet50", "transfer"))
    return listed


def _printed(row: dict[str, str]) -> tuple[str, ...]:
    """Equal for rows that print one result. Table 7 names the condition of table 1."""
    schedule = row["schedule"].removesuffix(":loss")
    names = ("base", "motivated", "dataset", "role", "accuracy_mean", "accuracy_std")
    return (schedule, *(row[name] for name in names))


def _row(
    row: dict[str, str], other: dict[str, str], model: str, trained: str, also_in_table: str | None = None
) -> PaperRow:
    gain = float(row["accuracy_mean"]) - float(other["accuracy_mean"])
    sides = [(float(one["accuracy_std"]), int(one["runs"])) for one in (row, other) if one["accuracy_std"]]
    p_value = welch_p_value(gain, *sides) if len(sides) == 2 else None
    pair = pair_name(row["base"], row["motivated"]) if "base" in row else "from resnet50-to-101"
    runs = int(row["runs"])
    return PaperRow(row["table"], model, pair, row["dataset"], trained, gain, runs, p_value, also_in_table)


@dataclass(frozen=True)
class PaperResult:
    """An accuracy in percent that the paper printed of a pair; `condition` is None where a model was trained alone.

    `tables` are all that print it. `sd_percent` is None for one run, `inferred_k` where the paper's costs imply none.
    `gain_points` is over the same model trained alone; None of that one itself.
    """

    tables: tuple[str, ...]
    role: str
    condition: str | None
    inferred_k: int | None
    mean_percent: float
    sd_percent: float | None
    runs: int
    gain_points: float | None


def paper_results(base: str, motivated: str, data: str) -> list[PaperResult]:
    """What the paper printed of this pair on this data: base alone, the models of its runs of both, larger alone."""
    of_pair = [row for row in figures("accuracy") if row["dataset"] == data and row["motivated"] == motivated]
    by_result: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in of_pair:
        if row["base"] == base:
            by_result[_printed(row)].append(row)
    if not by_result:
        return []
    classic = classic_rows()
    alone = {role: classic[model, data] for role, model in (("base", base), ("motivated", motivated))}
    both = [
        _result(rows, rows[0]["role"], _condition(rows[0]), float(alone[rows[0]["role"]]["accuracy_mean"]))
        for rows in by_result.values()
    ]
    first, last = (_result([row], role, None, None) for role, row in alone.items())
    return [first, *both, last]


def _condition(row: dict[str, str]) -> str:
    """Of table 6 the schedule itself is named, of the others the default condition is not."""
    schedule, _, condition = row["schedule"].partition(":")
    return condition or ("loss" if schedule == "alternating" else schedule)


def _result(rows: list[dict[str, str]], role: str, condition: str | None, alone_percent: float | None) -> PaperResult:
    first = rows[0]
    mean, sd = float(first["accuracy_mean"]), first["accuracy_std"]
    return PaperResult(
        tables=tuple(sorted({row["table"] for row in rows}, key=int)),
        role=role,
        condition=condition,
        inferred_k=next((int(row["k_inferred"]) for row in rows if row["k_inferred"]), None),
        mean_percent=mean,
        sd_percent=float(sd) if sd else None,
        runs=int(first["runs"]),
        gain_points=None if alone_percent is None else mean - alone_percent,
    )
