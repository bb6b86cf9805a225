"""What a grid file may say: its typed schema, and every error of a file at once, each with line, path and nearest name.

name = "digits"
seeds = 3                       # 0, 1, 2; or a list of them: [3, 4]
[settings]                      # shared by all arms: `model = "resnet20-to-32"` and any key of the schema
[[arms]]                        # one arm; a list stands for one run per value
name = "loss"                   # by which other arms name it
schedule = "alternating"
pair.init = ["paper", "identity"]
[[arms]]                        # both models alone, with the compute that the arm turned out to have cost
schedule = ["base", "motivated"]
match = "train_flops"
match_from = "loss"             # without match_from: what the arm is expected to cost
[[arms]]
seeds = 1                       # of this arm alone
needs = ["loss"]                # run after it
[smoke]                         # `--smoke`: laid over all of it; with [[smoke.arms]] these are the arms
seeds = 1
train.epochs = 1
[engine.slurm]                  # for `--engine slurm`: no part of any run
time = 60
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from seekcli.config.layers import DEFAULTS
from seekcli.config.seeds import seeds_asked
from seekcli.config.settings import flatten
from seekcli.config.settings_files import read_text, tree_of
from seekcli.errors import BadInput, BadInputs, shown_value, unknown
from seekcli.grid.engine_settings import Settings, read_engines
from seekcli.grid.lines import line_of
from seekcli.grid.setting_values import Choices, values_of
from seekcli.models.catalog import parse_pair

GRID_KEYS = ("name", "seeds", "settings", "arms", "smoke", "engine")
ARM_KEYS = ("name", "needs", "seeds")
SHORT_NAMES = {name: f"train.{name}" for name in ("match", "match_from", "match_schedule")}
SHORT_NAMES |= {"init_from": "transfer.source"}
# Settings that may name arms of the grid. A run starts from one run, counts and costs are means of several.
STARTS, MEANS = ("transfer.source", "extend.source"), ("motivation.counts_from", "train.match_from")
# In their place: the arm that the settings themselves describe, where the grid has it.
ARM = "arm"
SMOKE: Choices = {"smoke": [True]}


class Arm(BaseModel):
    """One arm: what each of its settings may be. `number` counts from 1."""

    model_config = ConfigDict(frozen=True, strict=True)

    number: int
    name: str | None
    needs: tuple[str, ...]
    seeds: tuple[int, ...]
    choices: Choices
    own: tuple[str, ...]  # keys that the arm says itself; the others stand in [settings]

    @property
    def label(self) -> str:
        return f"arm {self.number}" if self.name is None else repr(self.name)

    def named_needs(self, names: Collection[str]) -> list[str]:
        """The arms that it names: under `needs`, and where it starts from or takes counts or costs of."""
        said = [value for key in (*STARTS, *MEANS) for value in self.choices.get(key, [])]
        return [name for name in dict.fromkeys([*self.needs, *said]) if name in names]


class GridFile(BaseModel):
    """A grid file as it was read. `digest` is of its text, by which an edit is noticed."""

    model_config = ConfigDict(frozen=True, strict=True)

    path: Path
    name: str
    arms: tuple[Arm, ...]
    is_smoke: bool
    digest: str
    text: str
    engines: dict[str, Settings] = {}

    @property
    def by_name(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in self.arms if arm.name is not None}


class ArmParts(NamedTuple):
    """What an arm says itself; without seeds it has those of the file."""

    name: str | None
    needs: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Choices


NO_ARM = ArmParts(None, (), (), {})


class Problems:
    """Collects what is wrong with a file; each is a line that names the file, the line in it and the path."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text = file, text
        self.found: list[tuple[int, str]] = []

    def add(self, path: str, message: str) -> None:
        line = line_of(self.text, path)
        where = f", line {line}" if line else ""
        self.found.append((line or 0, f"grid file {self.file}{where}: {message}"))

    def refuse(self) -> None:
        if self.found:
            raise BadInputs(list(dict.fromkeys(said for _, said in sorted(self.found, key=lambda one: one[0]))))


def read_grid(path: Path, smoke: bool = False, text: str | None = None) -> GridFile:
    """The file, or `text` that was read from it; with `smoke` at the size that its [smoke] table says.

    Raises BadInput, for several errors BadInputs, naming the file, the line and the key.
    """
    text = read_text(path, "grid file") if text is None else text
    tree = tree_of(text, f"grid file {path}")
    problems = Problems(path, text)
    check_top(tree, problems)
    small = table(tree, "smoke", problems)
    shared = settings_of(table(tree, "settings", problems), "settings", problems)
    over = settings_of({key: small[key] for key in small if key not in ("seeds", "arms")}, "smoke", problems)
    seeds = seeds_of(tree, "seeds", problems) or (0,)
    small_seeds = seeds_of(small, "smoke.seeds", problems) or (0,)
    arms = read_arms(tree, "arms", problems)
    small_arms = read_arms(small, "smoke.arms", problems)
    if smoke and not small:
        problems.add("", "--smoke: there is no [smoke] table, which says what is laid over the settings")
    if not smoke:
        built = built_arms(arms or [NO_ARM], shared, {}, seeds)
    elif small_arms:
        built = built_arms(small_arms, shared | over, SMOKE, small_seeds)
    else:
        own = [parts._replace(seeds=()) for parts in arms or [NO_ARM]]
        built = built_arms(own, shared, over | SMOKE, small_seeds)
    check_arms(built, "smoke.arms" if smoke and small_arms else "arms", problems)
    engines = read_engines(tree, problems.add)
    if not problems.found and tree.keys() <= {"name"}:
        problems.add("", "it has no [settings] and no [[arms]], and so says of no run what it is")
    problems.refuse()
    return GridFile(
        path=path,
        name=tree.get("name", path.stem),
        arms=built,
        is_smoke=smoke,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        engines=engines,
    )


def built_arms(arms: Sequence[ArmParts], below: Choices, above: Choices, seeds: tuple[int, ...]) -> tuple[Arm, ...]:
    """The arms with the settings that they share below and above their own."""
    return tuple(
        Arm(
            number=number,
            name=parts.name,
            needs=parts.needs,
            seeds=parts.seeds or seeds,
            choices=below | parts.settings | above,
            own=tuple(parts.settings),
        )
        for number, parts in enumerate(arms, 1)
    )


def check_top(tree: Mapping[str, Any], problems: Problems) -> None:
    for key in tree:
        if key not in GRID_KEYS:
            problems.add(key, str(unknown("key", key, GRID_KEYS)))
    if not isinstance(tree.get("name", ""), str):
        problems.add("name", f"name must be text, got {shown_value(tree['name'])}")


def table(tree: Mapping[str, Any], key: str, problems: Problems) -> dict[str, Any]:
    found = tree.get(key, {})
    if isinstance(found, dict):
        return found
    problems.add(key, f"{key} must be a table, [{key}], got {shown_value(found)}")
    return {}


def read_arms(tree: Mapping[str, Any], path: str, problems: Problems) -> list[ArmParts]:
    """Empty where the file has none."""
    arms = tree.get("arms", ())
    if arms != () and not (isinstance(arms, list) and arms and all(isinstance(arm, dict) for arm in arms)):
        problems.add(path, f"{path} must be tables, [[{path}]], got {shown_value(arms)}")
        return []
    return [read_arm(arm, f"{path}[{number}]", problems) for number, arm in enumerate(arms, 1)]


def seeds_of(tree: Mapping[str, Any], path: str, problems: Problems) -> tuple[int, ...]:
    """Empty where there are none."""
    try:
        return tuple(seeds_asked(tree["seeds"], path)) if "seeds" in tree else ()
    except BadInput as error:
        problems.add(path, str(error))
        return ()


def read_arm(tree: Mapping[str, Any], path: str, problems: Problems) -> ArmParts:
    name, needs = tree.get("name"), tree.get("needs", [])
    if name is not None and (not isinstance(name, str) or not name.strip() or "," in name or name == ARM):
        what = f"{path}.name must be text without a comma, and not {ARM!r}"
        problems.add(f"{path}.name", f"{what}, got {shown_value(name)}")
        name = None
    needs = [needs] if isinstance(needs, str) else needs
    if not isinstance(needs, list) or not all(isinstance(each, str) for each in needs):
        problems.add(f"{path}.needs", f"{path}.needs must be a list of names of arms, got {shown_value(needs)}")
        needs = []
    own = {key: value for key, value in tree.items() if key not in ARM_KEYS}
    return ArmParts(name, tuple(needs), seeds_of(tree, f"{path}.seeds", problems), settings_of(own, path, problems))


def settings_of(tree: Mapping[str, Any], path: str, problems: Problems) -> Choices:
    """Nested tables -> what each dotted setting may be, with the shorthands `model = PAIR`, `match`, `init_from`."""
    found: Choices = {}
    for said, value in flatten(tree):
        if said == "model":
            found |= pair_of(value, f"{path}.{said}", problems)
            continue
        key = SHORT_NAMES.get(said, said)
        if key == "seed":
            said = f"{path}.seed: seeds of the file or of an arm are named together, seeds = [3, 4]"
            problems.add(f"{path}.seed", said)
            continue
        if key not in DEFAULTS and not key.startswith("motivation.options."):
            known = [*DEFAULTS, *SHORT_NAMES, "model", *(ARM_KEYS if "arms" in path else ())]
            problems.add(f"{path}.{said}", str(unknown(f"setting in {path}:", said, known)))
        else:
            found[key] = values_of(key, value, f"{path}.{said}", problems.add)
    return found


def pair_of(value: Any, path: str, problems: Problems) -> Choices:
    try:
        if not isinstance(value, str):
            raise BadInput(f"{path} must be the name of one pair, got {shown_value(value)}")
        base, motivated = parse_pair(value)
    except BadInput as error:
        problems.add(path, str(error))
        return {}
    return {"pair.base": [base], "pair.motivated": [motivated]}


def check_arms(arms: Sequence[Arm], where: str, problems: Problems) -> None:
    """Names of arms stand once, needs name arms, no arm stands twice, and nothing needs itself."""
    named: dict[str, Arm] = {}
    for arm in arms:
        path = f"{where}[{arm.number}]"
        if arm.name in named:
            problems.add(f"{path}.name", f"{path}: arm {named[arm.name].number} is named {arm.name!r} too")
        elif arm.name is not None:
            named[arm.name] = arm
        for other in arms[: arm.number - 1]:
            if repr((other.choices, other.seeds, other.needs)) == repr((arm.choices, arm.seeds, arm.needs)):
                problems.add(path, f"{path} is {where}[{other.number}] again: its points have the ids of that arm's")
    for arm in arms:
        path = f"{where}[{arm.number}]"
        for need in arm.needs:
            if need not in named:
                problems.add(f"{path}.needs", str(unknown(f"arm in {path}.needs:", need, named)))
    try:
        TopologicalSorter({arm.name: arm.named_needs(named) for arm in arms if arm.name}).prepare()
    except CycleError as error:
        path = f"{where}[{named[error.args[1][0]].number}]"
        problems.add(path, f"{path}: a circle of needs: {' <- '.join(map(repr, error.args[1]))}")
