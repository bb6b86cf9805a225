"""`k auto`: which runs over folds are needed to choose k, the choice they lead to, and where it is kept.

A choice is made once per pair, data, recipe and condition (with all their settings, but neither seed nor device), and
stands in tuning/ of the results folder. It serves every seed. No run of a search has seen a test image.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekcli import files
from seekcli.analysis.tuning import BEST, Search, choose_k
from seekcli.config.condition_settings import CONDITION_READS, settings_read
from seekcli.config.identity import run_id, run_key
from seekcli.config.layers import Layers, Resolved, merge
from seekcli.config.schema import RunConfig
from seekcli.config.settings import flatten
from seekcli.config.value_types import MOST_RUNS
from seekcli.documents import SCHEMA_VERSION, first_problem, read_document, refuse_newer, write_document
from seekcli.errors import BadInput, RunFailed, counted, shown_value
from seekcli.resolve.length import planned_length
from seekcli.resolve.resolve import AS_ARM, resolve
from seekcli.runs.records import RunStatus

AUTO, TUNED, UNDECIDED = "auto", "tuned", "auto, not chosen yet"
K_KEY = "motivation.k"
FOLDER = "tuning"
# Settings of a run that do not change which k is best, or are what is searched over.
NOT_IN_NAME = ("seed", K_KEY, "train.eval_every", "train.eval_batch_size", "data.folds", "data.fold")


@dataclass(frozen=True)
class Tuning:
    """A search: `ks` ascending, and its first run (fold 0, smallest k), from which the others differ in k and fold.

    `settings` are those that the choice holds for; `name` ends in their hash.
    """

    name: str
    settings: Mapping[str, Any]
    ks: tuple[int, ...]
    folds: int
    first: Resolved

    def runs(self) -> Iterator[tuple[int, int, Resolved]]:
        """(k, fold, run), one fold after the other."""
        for fold in range(self.folds):  # a search that is cut short has seen every k on the folds that it has
            for k in self.ks:
                yield k, fold, self.first.updated({K_KEY: k, "data.fold": fold}, "tune")

    def describe(self) -> str:
        runs = len(self.ks) * self.folds
        return f"{len(self.ks)} values of k x {self.folds} folds = {runs} runs of {length_in_words(self.first.config)}"


class ChosenK(BaseModel):
    """tuning/NAME.json: the k that was chosen, and how."""

    model_config = ConfigDict(frozen=True, strict=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    k: int = Field(ge=1)
    ks: list[int]
    folds: int
    epochs: int
    steps: int | None = None  # of a run over a fold, where its length was given in steps
    seed: int
    rule: str = BEST  # how it was chosen of those; files of before there was a choice of rules lack it
    validation_accuracy_percent: dict[str, list[float]]  # of the base model, by k and fold
    run_ids: dict[str, list[str]]
    settings: dict[str, Any]

    def describe(self) -> str:
        """`k=3 of 2, 3, by validation accuracy over 5 folds of 20 epochs`"""
        ks = ", ".join(map(str, self.ks))
        length = counted(self.epochs, "epoch") if self.steps is None else counted(self.steps, "step")
        return f"k={self.k} of {ks}, by validation accuracy over {self.folds} folds of {length}"


@dataclass(frozen=True)
class Draft:
    """A run whose k is known, or is known as soon as `tuning` is done; until then it shows the smallest k of those.

    `choice` is where a k that was asked for as `auto` came from; `layers` are all that was said but for that.
    """

    resolved: Resolved
    tuning: Tuning | None = None
    choice: ChosenK | None = None
    layers: Layers = field(default_factory=list)
    results: Path = Path("results")

    def with_k(self, k: int, origin: str = TUNED) -> Resolved:
        """The run with this k; a baseline that is matched to an arm gets the steps that the arm then costs."""
        return resolve([*self.layers, (origin, {K_KEY: k})], self.results)


def draft(layers: Layers, results: Path) -> Draft:
    """Resolve the layers, in which k may be `auto`: the stored choice, else the search that must come first.

    Where no k is read `auto` changes nothing: a condition without one, a classic run that is not matched to an arm.
    Raises BadInput as `resolve`.
    """
    plain, auto = without_auto(layers)
    resolved = resolve(plain, results)
    if auto and resolved.config.motivation.condition == "matched-count":
        raise BadInput("--k auto: under matched-count k says whose counts are taken; give the k of those `loss` runs")
    if not auto or not reads_k(resolved.config):
        return Draft(resolved)
    found = Draft(resolved, layers=plain, results=results)
    arm = resolve([*plain, ("tune", AS_ARM)], results) if resolved.config.classic else resolved
    name, _ = choice_name(arm.config)
    if (choice := stored_choice(results, name)) is not None:
        return replace(found, resolved=found.with_k(choice.k), choice=choice)
    tuning = plan_tuning(plain, results)
    return replace(found, resolved=found.with_k(tuning.ks[0], UNDECIDED), tuning=tuning)


def without_auto(layers: Layers) -> tuple[Layers, bool]:
    """The layers without any `k = auto`, and whether that is what the last word on k was."""
    flat = [(origin, dict(flatten(values))) for origin, values in layers]
    said = [values[K_KEY] for _, values in flat if K_KEY in values]
    kept: Layers = [
        (origin, {key: value for key, value in values.items() if (key, value) != (K_KEY, AUTO)})
        for origin, values in flat
    ]
    return kept, bool(said and said[-1] == AUTO)


def reads_k(config: RunConfig) -> bool:
    """Whether k decides anything about the run: of a classic one, the steps that it is matched to its arm with."""
    matters = config.schedule == "alternating" or (
        config.classic and config.train.match is not None and config.train.match_schedule == "alternating"
    )
    return matters and "k" in settings_read(config.motivation.condition)


def plan_tuning(layers: Layers, results: Path) -> Tuning:
    """The search for the best k of the run that `layers` describe. Raises BadInput for one that cannot be made."""
    plain, _ = without_auto(layers)
    parse_ks(merge(plain).config.tune.k)  # ahead of what takes seconds
    config = resolve([*plain, ("tune", AS_ARM)], results).config
    if not reads_k(config):
        readers = [name for name, read in CONDITION_READS.items() if "k" in read]
        raise BadInput(
            f"--condition {config.motivation.condition} has no k to choose; those that have: {', '.join(readers)}"
        )
    if config.data.folds is not None:
        raise BadInput("data.folds is what a search for k sets itself: use --folds, or tune.folds")
    ks, tune = parse_ks(config.tune.k), config.tune
    if len(ks) * tune.folds > MOST_RUNS:
        runs = f"{len(ks):,} values of k (tune.k) over {tune.folds:,} folds (tune.folds)"
        raise BadInput(f"{runs} are {len(ks) * tune.folds:,} runs: at most {MOST_RUNS:,}")
    # A seed of its own: the choice serves every seed, so it must not depend on which of them was asked for first.
    own = {K_KEY: ks[0], "seed": tune.seed, "data.folds": tune.folds, "data.fold": 0}
    length = {"train.epochs": tune.epochs, "train.steps": None} if tune.epochs else {}
    first = resolve([*plain, ("tune", AS_ARM | own | length)], results)
    name, settings = choice_name(config)
    return Tuning(name, settings, ks, tune.folds, first)


def length_in_words(config: RunConfig) -> str:
    """`20 epochs`, or `373 steps` where these are given."""
    train = config.train
    return counted(train.epochs, "epoch") if train.steps is None else counted(train.steps, "step")


def parse_ks(text: str) -> tuple[int, ...]:
    """`2,3,5` -> (2, 3, 5), ascending, each once."""
    words = [word.strip() for word in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d{0,8}", word) for word in words):
        raise BadInput(f"--k {shown_value(text)} (tune.k): expected whole numbers of at least 1, such as 2,3,4,5")
    return tuple(sorted({int(word) for word in words}))


def choice_name(config: RunConfig) -> tuple[str, dict[str, Any]]:
    """What a choice is known by: a readable name that ends in a hash, and the settings that are hashed."""
    settings = {
        key: value
        for key, value in run_key(config).items()
        if key not in NOT_IN_NAME and not key.startswith("runtime.")
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]
    words = (config.pair_name, config.data.name.partition(":")[0], config.recipe, config.motivation.condition, digest)
    return re.sub(r"[^a-z0-9_.-]+", "-", "_".join(words).lower()), settings


def choice_path(results: Path, name: str) -> Path:
    return results / FOLDER / f"{name}.json"


def stored_choice(results: Path, name: str) -> ChosenK | None:
    """The choice that was made under this name, None for none yet. Raises BadInput, naming a file that is damaged."""
    path = choice_path(results, name)
    if not path.exists():
        return None
    try:
        value = read_document(path)
    except BadInput as error:
        raise BadInput(f"{error}; `seek tune` makes it again") from None
    refuse_newer(path, value.get("schema_version") if isinstance(value, dict) else None)
    try:
        choice = ChosenK.model_validate(value)
    except ValidationError as error:
        raise BadInput(f"{path} is damaged ({first_problem(error)}); `seek tune` makes it again") from None
    if choice.name != name:
        raise BadInput(f"{path} is the choice of another search, {choice.name}; `seek tune` makes it again")
    return choice


def search(tuning: Tuning, results: Path, statuses: Mapping[str, RunStatus]) -> tuple[Search, str | None]:
    """Choose k by the runs over folds (by run id) and keep the choice; also what became of an earlier one, in words.

    Raises RunFailed where one of the runs is not among them.
    """
    found = searched(tuning, statuses)
    return found, keep(results, tuning, found)


def searched(tuning: Tuning, statuses: Mapping[str, RunStatus]) -> Search:
    """What the runs over folds say, and the k that they lead to. Raises as `search`."""
    runs = [(k, fold, run_id(resolved.config)) for k, fold, resolved in tuning.runs()]
    if missing := [name for _, _, name in runs if name not in statuses]:
        raise RunFailed(f"{len(missing)} of {len(runs)} runs over folds are not finished: no k is chosen: {missing[0]}")
    done: dict[int, dict[int, RunStatus]] = {k: {} for k in tuning.ks}
    for k, fold, name in runs:
        done[k][fold] = statuses[name]
    return choose_k(done, tuning.first.config.tune.rule)


def keep(results: Path, tuning: Tuning, found: Search) -> str | None:
    """Write the choice where it is not what stands there already; what became of an earlier one, in words."""
    path, said = choice_path(results, tuning.name), None
    choice = ChosenK(
        name=tuning.name,
        k=found.k,
        ks=list(tuning.ks),
        folds=tuning.folds,
        epochs=planned_length(tuning.first.config).epochs,
        steps=tuning.first.config.train.steps,
        seed=tuning.first.config.seed,
        rule=found.rule,
        validation_accuracy_percent={str(one.k): list(one.accuracy_by_fold.values()) for one in found.results},
        run_ids={str(one.k): list(one.run_ids) for one in found.results},
        settings=dict(tuning.settings),
    )
    try:
        earlier = stored_choice(results, tuning.name)
    except BadInput as error:
        earlier, said = None, f"{error}: it was moved to {files.quarantine(path)}"
    if earlier == choice:  # left alone, so that a file keeps the date at which the choice was made
        return None
    if earlier is not None and earlier.k != choice.k:
        said = f"k = {choice.k} replaces the earlier choice of k = {earlier.k} in {path}"
    write_document(path, choice.model_dump())
    return said
