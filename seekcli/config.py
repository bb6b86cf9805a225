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
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seekcli.errors import BadInput, unknown

SCHEMA_VERSION = 1
Schedule = Literal["alternating", "base", "motivated"]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class PairConfig(Section):
    base: str = Field("resnet20", description="the small model, trained all the time")
    motivated: str = Field("resnet32", description="the larger model that contains it")
    init: Literal["auto", "identity", "paper", "timm"] = Field("auto", description="how the differential parts start")
    map: Literal["aligned", "leading"] = Field("aligned", description="how fused q/k/v weights are sliced")


class MotivationConfig(Section):
    condition: str = Field("loss", description="the motivation condition")
    k: Positive = Field(2, description="how many times in a row it must hold")


class DataConfig(Section):
    name: str = Field("digits", description="digits, cifar10, cifar100, folder:DIR, synthetic:CxHxW:CLASSES[:IMAGES]")
    dir: str | None = Field(None, description="where the files are; for folder: the folder itself")
    image_size: Positive | None = Field(None, description="pixels a side; none is the data's own size")
    limit_train: Positive | None = Field(None, description="train on this many images (stratified, seeded)")
    fingerprint: str | None = Field(None, description="sha256 of a folder's file list; resolved, never typed")
    classes: Positive | None = Field(None, description="number of classes; resolved, never typed")
    channels: Positive | None = Field(None, description="image channels; resolved, never typed")


class TrainConfig(Section):
    epochs: Positive = Field(20, description="passes over the training set")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="images per optimizer update")
    drop_last: bool = Field(False, description="drop an incomplete last batch")
    eval_every: Positive = Field(1, description="evaluate every N epochs (the last one always)")
    eval_batch_size: Positive = Field(500, description="images per evaluation batch")
    label_smoothing: Fraction = Field(0.0, description="label smoothing of the cross-entropy loss")


class OptimizerConfig(Section):
    name: Literal["sgd"] = Field("sgd", description="the optimizer of both models")
    lr: Annotated[float, Field(gt=0)] = Field(0.1, description="peak learning rate")
    momentum: Fraction = Field(0.9, description="SGD momentum")
    nesterov: bool = Field(False, description="Nesterov momentum")
    weight_decay: Annotated[float, Field(ge=0)] = Field(5e-4, description="L2 weight decay")
    decay_norms_and_biases: bool = Field(True, description="whether norms and biases decay too")


class LrScheduleConfig(Section):
    name: Literal["cosine", "constant"] = Field("cosine", description="learning rate over the global step")
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(0.0, description="linear warm-up")
    min_lr: Annotated[float, Field(ge=0)] = Field(0.0, description="where cosine ends")


class AugmentConfig(Section):
    crop_padding: Count = Field(0, description="pad by this many pixels (zeros) and crop at random")
    flip: bool = Field(False, description="random horizontal flip")


class RuntimeConfig(Section):
    device: str = Field("auto", description="auto, cpu, cuda[:i] or mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="auto resolves by a fixed table")
    layout: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="memory layout of 4-D tensors")
    threads: Positive | None = Field(None, description="CPU threads; none is torch's own choice")
    workers: Count = Field(0, description="data loading processes; cannot change the numbers")
    checkpoint_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="mid-epoch checkpoints; 0 is every step"
    )


class RunConfig(Section):
    """Everything one run is made of. Two runs with equal `identity()` are the same run."""

    schedule: Schedule = Field("alternating", description="alternating, or one model alone: base, motivated")
    seed: Count = Field(0, description="seed of weights, batches and augmentation")
    recipe: str = Field("auto", description="named settings; auto picks one for the data and family")
    pair: PairConfig = PairConfig()
    motivation: MotivationConfig = MotivationConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    lr_schedule: LrScheduleConfig = LrScheduleConfig()
    augment: AugmentConfig = AugmentConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @property
    def classic(self) -> bool:
        """Whether one model is trained alone (the paper's X-C and Y-C)."""
        return self.schedule != "alternating"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles this schedule trains, base first."""
        return (self.schedule,) if self.classic else ("base", "motivated")

    def model_name(self, role: str) -> str:
        return str(getattr(self.pair, role))

    @property
    def pair_name(self) -> str:
        return pair_name(self.pair.base, self.pair.motivated)


# Settings that cannot change the numbers of a run (or, for a folder's name, that only label it).
NOT_HASHED = ("data.dir", "runtime.threads", "runtime.workers", "runtime.checkpoint_minutes")
CLASSIC_NOT_HASHED = ("pair", "motivation", "schedule")


def pair_name(base: str, motivated: str) -> str:
    """`resnet20` and `resnet32` -> `resnet20-to-32`; names that share no stem are joined whole."""
    stem = re.match(r"(.*?)(?:\d+|(?<=-)[a-z]+|(?<=-)b\d+)$", base)
    prefix = stem.group(1) if stem else ""
    suffix = motivated.removeprefix(prefix) if prefix and motivated.startswith(prefix) else motivated
    return f"{base}-to-{suffix}"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mapping -> (dotted key, value) pairs, in order."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, leaf = dotted.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


DEFAULTS: dict[str, Any] = dict(flatten(RunConfig().model_dump()))


def check_key(key: str, source: str) -> None:
    """Raise BadInput with the nearest key unless `key` is a setting of the schema."""
    if key not in DEFAULTS:
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
        for key, value in values.items():
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


def load_recipe(name: str) -> dict[str, Any]:
    """The settings of a shipped recipe as dotted keys. Raises BadInput for an unknown name."""
    if name not in recipe_names():
        raise unknown("recipe", name, recipe_names())
    text = (resources.files("seekcli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    tree = tomllib.loads(text)
    tree.pop("about", None)
    return dict(flatten(tree))


def identity(config: RunConfig) -> dict[str, Any]:
    """What makes a run that run: the resolved settings that change its numbers, as plain data.

    A classic run keeps its one model and drops pair, init, map, condition and k, so that one baseline serves every
    alternating run of its seed. A folder is known by its fingerprint, never by its path or name.
    """
    tree = config.model_dump(mode="json")
    flat = {key: value for key, value in flatten(tree) if key not in NOT_HASHED}
    flat["runtime.device"] = config.runtime.device.partition(":")[0]
    if config.data.fingerprint:
        flat["data.name"] = config.data.name.partition(":")[0]
    if config.classic:
        flat = {key: value for key, value in flat.items() if key.partition(".")[0] not in CLASSIC_NOT_HASHED}
        flat["model"] = config.model_name(config.schedule)
    return {"schema_version": SCHEMA_VERSION, **flat}


def run_id(config: RunConfig) -> str:
    """A readable name that ends in 10 hex digits of the sha256 of `identity(config)`."""
    payload = json.dumps(identity(config), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(payload.encode()).hexdigest()[:10]
    data = config.data.name.partition(":")[0]
    if config.classic:
        words = [config.model_name(config.schedule), data]
    else:
        motivation = config.motivation
        words = [config.pair_name, data, f"{motivation.condition}-k{motivation.k}", config.pair.init]
    return re.sub(r"[^a-z0-9_.-]+", "-", "_".join([*words, f"s{config.seed}", digest]).lower())
