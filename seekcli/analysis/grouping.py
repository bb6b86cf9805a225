"""Which runs may be averaged together, and which baselines belong to which alternating runs.

A cell is one pair under one set of common settings: its classic runs (X-C, Y-C) and its arms, one per way of
motivation. Runs are pooled over the seed alone. Classic runs are joined by model, so one baseline serves every pair.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seekcli.analysis.arm_labels import value_of
from seekcli.analysis.equal_compute import baselines_of_equal_compute
from seekcli.analysis.metrics import Metric
from seekcli.analysis.runs import ArmSettings, Run
from seekcli.config.identity import TASK_SOURCE
from seekcli.config.layers import DEFAULTS, load_recipe, recipe_names

# Accuracies of one run id on two machines may differ in the last bits, so in a test image or two, and no more.
SAME_PERCENT = 1e-9


@dataclass(frozen=True)
class RunCell:
    """Runs that one comparison is made of. `arms` maps an arm's settings key to its runs."""

    base: str | None
    motivated: str | None
    settings: ArmSettings
    base_runs: tuple[Run, ...]
    motivated_runs: tuple[Run, ...]
    arms: tuple[tuple[Run, ...], ...]

    @property
    def metric(self) -> Metric:
        """That of its runs, which are all compared by one."""
        return next(run.metric for runs in (self.base_runs, self.motivated_runs, *self.arms) for run in runs)


def without_duplicates(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Count a run id once, the first one found; a note for each repeat that lives elsewhere."""
    # Equal ids are equal settings and seed: a copied folder is no second sample, it would only narrow the interval.
    first: dict[str, Run] = {}
    notes: list[str] = []
    for run in runs:
        known = first.setdefault(run.run_id, run)
        if known is run or os.path.realpath(known.path) == os.path.realpath(run.path):
            continue
        roles = known.rows.keys() & run.rows.keys()
        equal = all(abs(known.value(r) - run.value(r)) <= SAME_PERCENT for r in roles)
        what = "accuracy" if run.metric.of_the_paper else run.metric.title
        finding = f"with the same {what}" if equal else f"with another {what} (another machine?)"
        notes.append(f"run {run.run_id} stands twice, {finding}: {known.path} is counted, {run.path} is not")
    return list(first.values()), notes


def without_conflicts(runs: Sequence[Run], what: str) -> tuple[list[Run], list[str]]:
    """Leave out seeds that two different runs of one group claim: their average would mean nothing.

    With a readable config.json such runs land in different groups; this is what remains when one is missing.
    """
    by_seed: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_seed[run.seed].append(run)
    notes = [
        f"{what}: seed {seed} was trained {len(claims)} times with settings that the records do not tell apart "
        f"({', '.join(run.run_id for run in claims)}); none of them is counted"
        for seed, claims in sorted(by_seed.items())
        if len(claims) > 1
    ]
    return [run for run in runs if len(by_seed[run.seed]) == 1], notes


def group_runs(runs: Sequence[Run]) -> list[RunCell]:
    """Sort runs into cells. Every run is in at least one; a classic run may be in several."""
    classic: dict[tuple[str, str], list[Run]] = defaultdict(list)
    cells: dict[tuple[str | None, str | None, str], dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if run.classic:
            # Kept by model and not by pair: one ResNet-32 is the larger model of 20-to-32 and the base of 32-to-44.
            (model,) = run.models.values()
            classic[model, run.settings.common_key].append(run)
        else:
            key = (run.models["base"], run.models["motivated"], run.settings.common_key)
            cells[key][run.settings.arm_key].append(run)
    # What stands beside an arm already, or was made for one, does not get a cell of its own as well.
    joined = {(model, common) for base, motivated, common in cells for model in (base, motivated)}
    joined |= {(next(iter(run.models.values())), run.settings.common_key) for run in baselines_of_equal_compute(runs)}
    for (model, common), members in classic.items():
        if (model, common) not in joined:
            cells[(*_own_models(members[0], model), common)]  # a cell without arms
    return sorted((_run_cell(key, arms, classic) for key, arms in cells.items()), key=_cell_order)


def _own_models(run: Run, model: str) -> tuple[str | None, str | None]:
    """The pair that a classic run without an alternating partner was trained for, or its model alone."""
    if run.settings.own_pair is not None:
        return run.settings.own_pair
    return (None, model) if run.settings.schedule == "motivated" else (model, None)


def _cell_order(cell: RunCell) -> tuple[Any, ...]:
    """Cells with arms first, then by pair and data; the one with most baselines and runs before its variants."""
    baselines = bool(cell.base_runs) + bool(cell.motivated_runs)
    runs = sum(map(len, cell.arms))
    models = [_natural(model or "") for model in (cell.base, cell.motivated)]
    return (not cell.arms, models, cell.settings.data, -baselines, -runs, cell.settings.common_key)


def _natural(name: str) -> tuple[str, int, str]:
    digits = "".join(character for character in name if character.isdigit())
    return name.rstrip("0123456789"), int(digits) if digits else 0, name


def _run_cell(
    key: tuple[str | None, str | None, str],
    arms: Mapping[str, list[Run]],
    classic: Mapping[tuple[str, str], list[Run]],
) -> RunCell:
    base, motivated, common = key
    base_runs = tuple(classic.get((base, common), ())) if base else ()
    motivated_runs = tuple(classic.get((motivated, common), ())) if motivated else ()
    ordered = sorted(arms.values(), key=lambda members: _arm_order(members[0].settings.arm))
    any_run = next(iter([*(run for arm in ordered for run in arm), *base_runs, *motivated_runs]))
    return RunCell(base, motivated, any_run.settings, base_runs, motivated_runs, tuple(map(tuple, ordered)))


def _arm_order(arm: Mapping[str, Any]) -> tuple[Any, ...]:
    known = [str(arm.get("motivation.condition")), int(arm.get("motivation.k") or 0), str(arm.get("pair.init"))]
    # Settings at their old behaviour are not there: the arm with the fewest stands before its variants.
    return (*known, len(arm), str(sorted(arm.items(), key=str)))


def changed_from_recipe(settings: ArmSettings) -> dict[str, Any]:
    """Settings of this cell that are not its recipe's own, so that a heading can name them."""
    recipe = settings.common.get("recipe")
    if not settings.from_config or recipe not in recipe_names():
        return {}
    expected = DEFAULTS | load_recipe(str(recipe))
    sections = ("train.", "optimizer.", "lr_schedule.", "augment.")
    keys = [key for key in settings.common if key.startswith(sections) and key in expected and key != TASK_SOURCE]
    return {key: settings.common[key] for key in keys if settings.common[key] != expected[key]}


def varied_settings(cells: Sequence[RunCell]) -> list[dict[str, Any]]:
    """For each cell, its values of the settings in which it differs from another cell of the same pair and data."""
    alike: dict[tuple[Any, ...], list[RunCell]] = defaultdict(list)
    for cell in cells:
        alike[cell.base, cell.motivated, cell.settings.data].append(cell)
    # Where two of them differ, every one differs from one of the two.
    keys = {of: _differing_anywhere([cell.settings for cell in members]) for of, members in alike.items()}
    return [
        {key: value_of(cell.settings.common, key) for key in keys[cell.base, cell.motivated, cell.settings.data]}
        for cell in cells
    ]


def _differing_anywhere(listed: Sequence[ArmSettings]) -> list[str]:
    return sorted({key for other in listed[1:] for key in differing(listed[0], other)})


def differing(left: ArmSettings, right: ArmSettings) -> list[str]:
    """Names of the common settings in which two runs differ."""
    keys = left.common.keys() | right.common.keys()
    return sorted(key for key in keys if left.common.get(key) != right.common.get(key))
