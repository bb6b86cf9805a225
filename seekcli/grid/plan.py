"""A grid file -> its points: every arm, every combination of the lists in it, every seed. Equal runs are one point.

What a point needs is known ahead; its settings may be known only afterwards: then `advance` settles them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from seekcli.config.identity import run_id
from seekcli.config.layers import Layers, Resolved
from seekcli.config.settings import flatten
from seekcli.config.value_types import MOST_POINTS
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.data.sets.listings import is_folder
from seekcli.errors import BadInput, BadInputs, MissingData, MissingSource, NewerFile
from seekcli.grid.points import Point, Spec, specs_of, specs_of_arm
from seekcli.grid.references import (
    FROM,
    Mean,
    group_as_recorded,
    mean_of,
    near_arm,
    settings_without,
    stand_in,
    starts_of,
    twin_settings,
)
from seekcli.grid.refusals import Refusals
from seekcli.grid.schema import ARM, Arm, GridFile, read_grid
from seekcli.grid.tune import Draft, draft
from seekcli.resolve.device import training_elsewhere
from seekcli.runs.folder import RunFolder
from seekcli.trackers.catalog import require_trackers

PHASES: tuple[Mean | None, ...] = (None, "counts", "cost")


def points_of_grid(path: Path, overrides: Layers | None = None, results: Path = Path("results")) -> list[Point]:
    """The points of a grid file, seeds outermost, without repetition. `overrides` are laid over every point."""
    return GridPlan(read_grid(path), overrides or [], results).points


class GridPlan:
    """The points of a grid, in the order of the file. `results` is where a chosen k is looked for, and other runs.

    Raises BadInput for what no point can be made of; a source that is not there makes its points wait. What trains
    `elsewhere` may ask for devices that are not here.
    """

    def __init__(self, grid: GridFile, above: Layers, results: Path, elsewhere: bool = False) -> None:
        self.grid, self.above, self.results, self.elsewhere = grid, above, results, elsewhere
        self.said_above = {key: value for _, values in above for key, value in flatten(values)}
        self.drafts: dict[str, Draft] = {}
        self.groups: dict[str, tuple[Point, ...]] = {}
        self.finished: set[str] = set()
        self.refusals = Refusals(results)
        self.making: list[str] = []
        self.renamed: dict[str, str] = {}
        if (runs := sum(len(arm.seeds) * prod(map(len, arm.choices.values())) for arm in grid.arms)) > MOST_POINTS:
            raise BadInput(f"grid file {grid.path} has {runs:,} runs: at most {MOST_POINTS:,}")
        specs = list(specs_of(grid))
        self.by_key: dict[str, Point] = {}
        made: dict[int, str] = {}
        refused: dict[str, dict[str, None]] = defaultdict(dict)  # what is wrong -> with which arms
        for phase in PHASES:  # whose counts or cost a point takes is looked for among those before it
            for number, spec in enumerate(specs):
                if self.phase_of(spec) == phase and (point := self.made_or_refused(spec, refused)) is not None:
                    self.by_key.setdefault(point.key, point)
                    made[number] = point.key
        self.refuse(refused)
        self.arms_of: dict[str, list[Arm]] = defaultdict(list)
        self.repeated: Counter[str] = Counter()  # arm -> how many of its combinations are runs that it has already
        for number, spec in enumerate(specs):
            arms = self.arms_of[made[number]]
            if any(arm is spec.arm for arm in arms):
                self.repeated[spec.arm.label] += 1
            else:
                arms.append(spec.arm)
        self.by_key = {key: self.by_key[key] for key in self.arms_of}

    def made_or_refused(self, spec: Spec, refused: dict[str, dict[str, None]]) -> Point | None:
        """None, and noted in `refused`, where no point can be made of it."""
        try:
            return self.make(spec)
        except (MissingSource, NewerFile):
            raise
        except BadInput as error:
            refused[str(error)][spec.arm.label] = None
            return None

    def refuse(self, found: Mapping[str, Mapping[str, None]]) -> None:
        """Raise BadInput, a line for each thing that is wrong, with the arms that it is wrong with."""
        lines = []
        for what, arms in found.items():
            whose = f", {' and '.join(arms)}" if len(arms) < len(self.grid.arms) else ""
            lines.append(what if what.startswith("grid file ") else f"grid file {self.grid.path}{whose}: {what}")
        if lines:
            raise BadInput(lines[0]) if len(lines) == 1 else BadInputs(lines)

    @property
    def points(self) -> list[Point]:
        return list(self.by_key.values())

    @property
    def origin(self) -> str:
        """What settings that the file says are marked with."""
        return self.grid.path.name

    def said(self, spec: Spec) -> dict[str, Any]:
        return {**spec.settings, **self.said_above, **spec.over}

    def phase_of(self, spec: Spec) -> Mean | None:
        return mean_of(self.said(spec), self.grid.by_name)

    def advance(self) -> list[Point]:
        """Settle the points whose needs are there by now; these, with their run ids."""
        self.drafts.clear()
        self.groups.clear()
        settled: list[Point] = []
        with listings_kept():
            for old in sorted(self.by_key.values(), key=lambda point: PHASES.index(self.phase_of(point.spec))):
                if old.run_id is not None or self.is_early(old):
                    continue
                try:
                    found = self.make(old.spec)
                except BadInput as error:  # one point ends no grid
                    self.by_key[old.key] = replace(old, refused=str(error))
                    continue
                if found.run_id is not None:
                    self.renamed[found.key] = old.key
                    self.by_key[old.key] = replace(found, key=old.key)
                    settled.append(self.by_key[old.key])
        return settled

    def is_early(self, point: Point) -> bool:
        """Whether a run that its settings come of is not finished. An arm that it only comes after is none of these."""
        needed = [self.by_key[key] for key in point.needs if key in self.by_key]
        return not point.spec.arm.needs and not all(map(self.is_finished, needed))

    def is_finished(self, point: Point) -> bool:
        if point.run_id is None:
            return False
        if point.run_id not in self.finished:
            folder = RunFolder(self.results / "runs" / point.run_id, point.run_id, point.resolved.config)
            if folder.standing_or_damage()[0] == "finished":
                self.finished.add(point.run_id)
        return point.run_id in self.finished

    def make(self, spec: Spec) -> Point:
        """The point as far as it can be settled now."""
        said, names = self.said(spec), self.grid.by_name
        words = repr((spec.seed, sorted(said.items())))
        if words in self.making:
            raise BadInput(f"grid file {self.grid.path}: {spec.arm.label} needs itself, in a circle")
        self.making.append(words)
        try:
            needed = {key: self.start_of(spec, name) for key, name in starts_of(said, names).items()}
            mean = mean_of(said, names)
            group = self.group_of(spec, mean) if mean else ()
        finally:
            self.making.pop()
        ordered = [point for name in spec.arm.needs for point in self.runs_of_arm(spec, names[name])]
        needs = tuple(dict.fromkeys(self.key_of(one) for one in (*needed.values(), *group, *ordered)))
        waits = [one for one in (*needed.values(), *group) if not self.is_finished(one)]
        over: dict[str, Any] = {key: point.run_id for key, point in needed.items()}
        if mean and group and not waits:
            over |= {FROM[mean]: ",".join(point.run_id or "" for point in group)}
            over |= {"motivation.k": group[0].resolved.config.motivation.k} if mean == "counts" else {}
        source = None
        if not waits:
            try:
                return self.settled(spec, self.draft_of(spec.under(over)), needs)
            except MissingSource as error:
                source = f"{error}{near_arm(said, names)}"
        partial, no_data = self.partial_of(spec, said)
        source = no_data or source
        of = [f"{key}={said.get(key)}" for key in (*needed, *([FROM[mean]] if mean else []))] or [str(source)]
        words = run_id(partial.config)
        if no_data is not None:
            words = words.replace("_synthetic_", f"_{str(said['data.name']).partition(':')[0]}_")
        return Point(spec, partial, f"{words} {of}", None, needs, None, source, no_data is not None)

    def require_data(self, is_asked: Callable[[Point], bool]) -> None:
        """Raise BadInput where a point has no data, which nothing that this grid trains brings, or lacks a tracker."""
        for point in filter(is_asked, self.points):
            if point.no_data:
                raise BadInput(str(point.source))
            require_trackers(point.resolved.config.runtime.track)

    def partial_of(self, spec: Spec, said: Mapping[str, Any]) -> tuple[Resolved, str | None]:
        """The settings without what comes of other runs; and what is missing, where data stands in for others."""
        without = spec.under(settings_without(said))
        try:
            return self.draft_of(without).resolved, None
        except MissingData as error:
            return self.draft_of(without.under(stand_in(said))).resolved, str(error)

    def settled(self, spec: Spec, found: Draft, needs: tuple[str, ...]) -> Point:
        own = run_id(found.resolved.config)
        if found.tuning is not None:
            return Point(spec, found.resolved, f"{own} k=auto", None, needs, found.tuning)
        return Point(spec, found.resolved, own, own, needs)

    def key_of(self, point: Point) -> str:
        return self.renamed.get(point.key, point.key)

    def start_of(self, spec: Spec, name: str) -> Point:
        """The run of the named arm that this point starts from: that of its seed, or the only one."""
        found = self.runs_of_arm(spec, self.grid.by_name[name])
        if len(found) != 1:
            seeds = f"has no run of seed {spec.seed}" if spec.seed not in self.grid.by_name[name].seeds else "has"
            raise BadInput(
                f"grid file {self.grid.path}: {spec.arm.label} starts from {name!r}, which {seeds} {len(found)} runs "
                "to choose from: give both arms the same seeds, or that arm one run"
            )
        return found[0]

    def runs_of_arm(self, spec: Spec, arm: Arm, every_seed: bool = False) -> list[Point]:
        """Its points of this seed, or of all where it has not this one; of a list in [settings] those of one value."""
        seeds = arm.seeds if every_seed or spec.seed not in arm.seeds else (spec.seed,)
        shared = [
            key
            for key, values in arm.choices.items()
            if len(values) > 1 and key not in (*arm.own, *spec.arm.own) and key in spec.settings
        ]
        return [
            self.make(one)
            for seed in seeds
            for one in specs_of_arm(arm, seed)
            if all(one.settings[key] == spec.settings[key] for key in shared)
        ]

    def group_of(self, spec: Spec, mean: Mean) -> tuple[Point, ...]:
        """The runs, of every seed, whose counts or cost the point takes the mean of. Raises BadInput for none."""
        said = self.said(spec)
        memory = repr((mean, sorted(said.items())))
        if memory not in self.groups:
            self.groups[memory] = self.found_group(spec, mean, said.get(FROM[mean]))
        return self.groups[memory]

    def found_group(self, spec: Spec, mean: Mean, name: str | None) -> tuple[Point, ...]:
        said = self.said(spec)
        if mean == "cost" and name != ARM:
            group = self.runs_of_arm(spec, self.grid.by_name[str(name)], every_seed=True)
            self.require_one_arm(spec, group, str(name))
        else:
            seeds = dict.fromkeys(seed for arm in self.grid.arms for seed in arm.seeds)
            twins = [self.make(replace(spec, seed=seed).under(twin_settings(said, mean))) for seed in seeds]
            group = [twin for twin in twins if self.key_of(twin) in self.by_key]
            if not group:
                raise BadInput(self.no_group(spec, mean, twins[0]))
        known = [point.run_id for point in group if point.run_id is not None]
        fixed = group_as_recorded(self.results, mean, self.partial_of(spec, said)[0].config, known)
        words = {word.strip() for word in (fixed or "").split(",")}
        return tuple(point for point in group if fixed is None or point.run_id in words)

    def require_one_arm(self, spec: Spec, group: Sequence[Point], name: str) -> None:
        """A cost is a mean over seeds, not over what else a list in the named arm stands for. Raises BadInput."""
        found = {repr(sorted(one.spec.settings.items())) for one in group}
        if len(found) > 1:
            lists = " and ".join(key for key, values in self.grid.by_name[name].choices.items() if len(values) > 1)
            raise BadInput(
                f"grid file {self.grid.path}: {spec.arm.label}: match_from = {name!r} is {len(found)} arms, by their "
                f"{lists}, and a cost is that of one: give that one [[arms]] and a name of its own"
            )

    def no_group(self, spec: Spec, mean: Mean, twin: Point) -> str:
        what = "matched-count takes counts of `loss` runs" if mean == "counts" else f"match_from = {ARM!r} takes a cost"
        return (
            f"grid file {self.grid.path}: {spec.arm.label}: {what}, and no arm of this grid is that run "
            f"({twin.label}): add it, or name runs with {FROM[mean]}"
        )

    def draft_of(self, spec: Spec) -> Draft:
        """Resolved once for all seeds where the seed decides nothing else."""
        layers = spec.layers(self.origin, self.above)
        words = repr(sorted((*spec.settings.items(), *((f"over {key}", value) for key, value in spec.over.items()))))
        if words in self.drafts:
            return seeded(self.drafts[words], spec.seed, self.origin)
        with training_elsewhere() if self.elsewhere else nullcontext():
            found = draft(layers, self.results)
        config = found.resolved.config
        own = config.transfer.source, config.extend.source
        if "seed" not in self.said(spec) and not is_folder(config.data) and own == (None, None):
            self.drafts[words] = found
        return found


def seeded(found: Draft, seed: int, origin: str) -> Draft:
    resolved = found.resolved
    config = resolved.config.model_copy(update={"seed": seed})
    origins = {**resolved.origins, "seed": origin}
    return replace(found, resolved=Resolved.model_construct(config=config, origins=origins))
