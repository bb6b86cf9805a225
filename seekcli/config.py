"""The one schema of a run: frozen, typed, checked at birth; where each value came from; the run id.

Units are in the names. What changes the numbers is hashed into the run id; what does not is in `NOT_HASHED`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekcli.errors import BadInput, unknown
from seekcli.settings import (
    CLASSIC as CLASSIC,
    CONDITION_READS as CONDITION_READS,
    SCHEDULE_OPTIONS as SCHEDULE_OPTIONS,
    AugmentConfig as AugmentConfig,
    DataConfig as DataConfig,
    LrScheduleConfig as LrScheduleConfig,
    MotivationConfig as MotivationConfig,
    OptimizerConfig as OptimizerConfig,
    PairConfig as PairConfig,
    RuntimeConfig as RuntimeConfig,
    Schedule,
    Section,
    Seed,
    TrainConfig as TrainConfig,
    TransferConfig as TransferConfig,
    TuneConfig as TuneConfig,
    flatten as flatten,
    pair_name as pair_name,
    settings_read as settings_read,
    unflatten as unflatten,
)

# The version of the files of a run: a file of a newer one is refused by name.
SCHEMA_VERSION = 1
# Hashed into every run id, for ever: a file may get a new column without any run getting a new id.
RUN_ID_VERSION = 1


class RunConfig(Section):
    """Everything one run is made of. Two runs with equal `identity()` are the same run."""

    schedule: Schedule = Field(
        "alternating", description="alternating; one model alone: base, motivated; grow: the larger branches off late"
    )
    seed: Seed = Field(0, description="seed of weights, batches and augmentation")
    recipe: str = Field("auto", description="named settings; auto picks one for the data and family")
    pair: PairConfig = PairConfig()
    motivation: MotivationConfig = MotivationConfig()
    transfer: TransferConfig = TransferConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    lr_schedule: LrScheduleConfig = LrScheduleConfig()
    augment: AugmentConfig = AugmentConfig()
    tune: TuneConfig = TuneConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @property
    def classic(self) -> bool:
        """Whether one model is trained alone (the paper's X-C and Y-C)."""
        return self.schedule in CLASSIC

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles this schedule trains, base first."""
        return (self.schedule,) if self.classic else ("base", "motivated")

    @property
    def way(self) -> str:
        """`loss-k2`, `grow-0.8`: how the motivated model comes into a run of both."""
        return f"grow-{self.motivation.grow_at:g}" if self.schedule == "grow" else self.motivation.label

    def model_name(self, role: str) -> str:
        return str(getattr(self.pair, role))

    @property
    def pair_name(self) -> str:
        return pair_name(self.pair.base, self.pair.motivated)


# Settings that cannot change the numbers of a run (or, for a folder's name, that only label it).
NOT_HASHED = (
    *("data.dir", "runtime.threads", "runtime.workers", "runtime.checkpoint_minutes"),
    # They say where train.steps comes from, which is hashed.
    *("train.match", "train.match_from"),
    *("transfer.source", "transfer.role", "transfer.pretrained", "transfer.run"),
    *(f"tune.{name}" for name in TuneConfig.model_fields),
)
CLASSIC_NOT_HASHED = ("pair", "motivation", "schedule")
# Settings that came after the first runs, oldest first, each with the value that does what was done before. A stored
# config that lacks one is read with this value. At this value a setting is in no run id and in no grouping.
OLD_BEHAVIOUR: dict[str, Any] = {
    "data.test_images": None,
    "augment.randaugment_policy": "torchvision",
    # Conditions that read these came with them, so that no older run has a value here.
    "motivation.window_start": None,
    "motivation.window_stop": None,
    "motivation.every_steps": None,
    "motivation.share": None,
    "augment.resized_crop_rule": "clipped",
    "pair.added_scale": 0.0,
    "pair.differential_lr_factor": 1.0,
    "lr_schedule.decay_fraction": 0.2,
    "tune.rule": "best",
    "pair.buffers": "carried",
    "pair.recalibrate_batches": 0,
    "train.steps": None,
    "train.match": None,
    "train.match_from": None,
    "data.rules": 1,
    "data.whole_digest": False,
    "motivation.source_sha256": None,
    "motivation.grow_at": 0.8,
}
# Settings that nothing reads where another one is 0.
READ_WITH = {"augment.randaugment_policy": "augment.randaugment_ops"} | {
    "augment.resized_crop_rule": "augment.resized_crop_area"
}


def unread_settings(flat: Mapping[str, Any]) -> list[str]:
    """Keys of a flat config that its motivation condition does not read, or nothing does: they change nothing.

    Where the length of a run is given in steps its epochs are not read.
    """
    read: tuple[str, ...] = ("condition", *settings_read(str(flat.get("motivation.condition"))))
    if flat.get("schedule") == "grow":
        read = ("grow_at",)
    off = [key for key, other in READ_WITH.items() if flat.get(other) == 0]
    if str(flat.get("data.name")).partition(":")[0] == "imagenet":  # streamed: its crops follow torchvision's rule
        off.append("augment.resized_crop_rule")
    if flat.get("lr_schedule.name") != "wsd":
        off.append("lr_schedule.decay_fraction")
    off += ["train.epochs"] if flat.get("train.steps") is not None else []
    return [*off, *(key for key in flat if key.startswith("motivation.") and key.split(".")[1] not in read)]


def telling_settings(flat: Mapping[str, Any]) -> dict[str, Any]:
    """What of a flat config tells one run from another: the run id and the grouping of runs use nothing else.

    Left out is what changes no number, what nothing reads, and what stands at its old behaviour.
    """
    unread = {*NOT_HASHED, *unread_settings(flat)}
    old = {key for key, value in OLD_BEHAVIOUR.items() if key in flat and flat[key] == value}
    return {key: value for key, value in flat.items() if key not in unread | old}


def with_old_behaviour(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A stored flat config in which every setting that it lacks, because it came later, stands at its old behaviour."""
    return OLD_BEHAVIOUR | dict(flat)


def stored_config(tree: Any) -> RunConfig:
    """The config that a file holds, as it was meant when it was written. Raises ValueError for what is no config."""
    if not isinstance(tree, Mapping):
        raise ValueError("not a mapping of settings")
    return RunConfig.model_validate(unflatten(with_old_behaviour(dict(flatten(tree)))))


def older_twins(config: RunConfig) -> Iterator[tuple[RunConfig, dict[str, Any]]]:
    """The same run as earlier programs would have made it, newest first, each with the settings that make it so.

    A program of some time knew the settings up to some point of `OLD_BEHAVIOUR`, and did of the later ones what it says
    there. Only configs whose run id differs are given. A run whose user asks for what an earlier program could not do,
    by a setting whose default is its old behaviour, has no twin from before that setting.
    """
    flat = dict(flatten(config.model_dump()))
    seen = {run_id(config)}
    for first, key in reversed(list(enumerate(OLD_BEHAVIOUR))):
        asked = key not in ("data.rules", "motivation.source_sha256")  # found out for every new run, at another default
        if asked and DEFAULTS[key] == OLD_BEHAVIOUR[key] != flat[key]:
            return
        values = {later: old for later, old in list(OLD_BEHAVIOUR.items())[first:] if flat[later] != old}
        twin = RunConfig.model_validate(unflatten(flat | values))
        if run_id(twin) not in seen:
            seen.add(run_id(twin))
            yield twin, values


DEFAULTS: dict[str, Any] = dict(flatten(RunConfig().model_dump()))


def check_key(key: str, source: str) -> None:
    """Raise BadInput with the nearest key unless `key` is a setting of the schema (options have names of their own)."""
    if key not in DEFAULTS and not (key + ".").startswith("motivation.options."):
        raise unknown(f"setting in {source}:", key, DEFAULTS)


def parse_assignment(text: str) -> tuple[str, Any]:
    """`optimizer.lr=0.05` -> ("optimizer.lr", 0.05). Values are TOML; a bare word is a string, `none` is null."""
    key, separator, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not separator or not raw:
        raise BadInput(f"--set {text!r}: expected key=value, such as optimizer.lr=0.05")
    check_key(key, "--set")
    if raw.lower() == "none":
        return key, None
    try:
        return key, tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return key, raw


class Resolved(BaseModel):
    """A config, and for each dotted key the name of the layer that set it."""

    model_config = ConfigDict(frozen=True)
    config: RunConfig
    origins: dict[str, str]

    def updated(self, values: Mapping[str, Any], origin: str) -> Resolved:
        """The same with `values` (dotted keys) laid on top, validated again."""
        flat = dict(flatten(self.config.model_dump())) | dict(values)
        return Resolved(
            config=validate(flat, self.origins | dict.fromkeys(values, origin)),
            origins=self.origins | dict.fromkeys(values, origin),
        )


def merge(layers: list[tuple[str, Mapping[str, Any]]]) -> Resolved:
    """Lay `(origin, {dotted key: value})` layers over the defaults; later wins.

    Raises BadInput for an unknown key or a value that the schema refuses.
    """
    flat, origins = dict(DEFAULTS), dict.fromkeys(DEFAULTS, "default")
    for origin, values in layers:
        for key, value in flatten(values):
            check_key(key, origin)
            flat[key], origins[key] = value, origin
    return Resolved(config=validate(flat, origins), origins=origins)


def validate(flat: Mapping[str, Any], origins: Mapping[str, str]) -> RunConfig:
    try:
        return RunConfig.model_validate(unflatten(flat))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        origin = origins.get(key, "settings")
        where = origin if origin.startswith("--") and origin != "--set" else f"{key} ({origin})"
        raise BadInput(f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {first['input']!r}") from None


def recipe_names() -> list[str]:
    folder = resources.files("seekcli") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str, data_name: str = "") -> dict[str, Any]:
    """A shipped recipe's settings (`per_data` laid on top) as dotted keys. Raises BadInput for an unknown name."""
    if name not in recipe_names():
        raise unknown("recipe", name, recipe_names())
    text = (resources.files("seekcli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    tree.pop("about", None)
    own = tree.pop("per_data", {}).get(data_name.partition(":")[0], {})
    return dict(flatten(tree)) | dict(flatten(own))


def identity(config: RunConfig) -> dict[str, Any]:
    """What makes a run that run: the resolved settings that change its numbers, as plain data.

    A classic run keeps its one model and drops pair, init, map, condition and k, so that one baseline serves every
    alternating run of its seed. A folder is known by its fingerprint, never by its path or name.
    """
    tree = config.model_dump(mode="json")
    flat = telling_settings(dict(flatten(tree)))
    flat["runtime.device"] = config.runtime.device.partition(":")[0]
    if config.data.fingerprint:
        flat["data.name"] = config.data.name.partition(":")[0]
    if config.classic:
        flat = {key: value for key, value in flat.items() if key.partition(".")[0] not in CLASSIC_NOT_HASHED}
        flat["model"] = config.model_name(config.schedule)
    return {"schema_version": RUN_ID_VERSION, **flat}


def run_id(config: RunConfig) -> str:
    """A readable name that ends in 10 hex digits of the sha256 of `identity(config)`."""
    payload = json.dumps(identity(config), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(payload.encode()).hexdigest()[:10]
    data = config.data.name.partition(":")[0]
    if config.classic:
        words = [config.model_name(config.schedule), data]
    else:
        words = [config.pair_name, data, config.way, config.pair.init]
    if config.transfer.sha256:
        words.append(f"from-{config.transfer.sha256[:8]}")
    if config.data.folds is not None:
        words.append(f"fold{config.data.fold}-of-{config.data.folds}")
    return re.sub(r"[^a-z0-9_.-]+", "-", "_".join([*words, f"s{config.seed}", digest]).lower())
