"""The parts of a run's config, section by section: frozen, typed, each setting described where it stands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from seekcli.config.condition_settings import SCHEDULE_OPTIONS, settings_read
from seekcli.config.data_settings import DataConfig as DataConfig
from seekcli.config.section import Section as Section
from seekcli.config.value_types import (
    TRACKERS,
    AtLeast0,
    BatchSize,
    Count,
    Fraction,
    Positive,
    PositiveFloat,
    Seed,
    Share,
    UpTo1024,
)
from seekcli.errors import unknown
from seekcli.method.roles import ROLES

Schedule = Literal["alternating", "base", "motivated", "grow"]
CLASSIC = ROLES  # a classic schedule trains one role alone and is named after it
# Batches that BatchNorm statistics are estimated anew on, where the user names no number.
RECALIBRATE_BATCHES = 10


def plain_options(options: dict[str, Any]) -> dict[str, Any]:
    """Raise ValueError unless names are words and values are JSON that TOML can say: no tables, dates or infinities."""
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        if not re.fullmatch(r"\w+", name) or not all(isinstance(each, bool | int | float | str) for each in values):
            raise ValueError(f"an option is a word with a number, text, true, false or a list of them, not {name!r}")
        if not all(math.isfinite(each) for each in values if isinstance(each, float)):
            raise ValueError(f"option {name!r} is not a finite number")
    return options


def known_trackers(names: list[str]) -> list[str]:
    """Raise ValueError, with the nearest one, for a name that is no tracker."""
    for name in names:
        if name not in TRACKERS:
            raise ValueError(str(unknown("tracker", name, TRACKERS)))
    return names


class MotivationConfig(Section):
    condition: str = Field("loss", description="a name of `seek list conditions`, or package.module:Class")
    k: Positive = Field(2, description="how many times in a row it must hold; --k auto searches for it (`seek tune`)")
    ema_alpha: Annotated[float, Field(gt=0, le=1)] = Field(0.02, description="ema-loss: weight of the newest loss")
    ema_fall_percent: Annotated[float, Field(ge=0, lt=100)] = Field(
        0.2, description="ema-loss: by how much the average must fall in each step"
    )
    counts: list[Count] | None = Field(None, description="matched-count: motivated batches of each epoch")
    counts_from: str | None = Field(
        None, description="matched-count: results folder of the `loss` runs that it matches, or those runs, by comma"
    )
    options: Annotated[dict[str, Any], AfterValidator(plain_options)] = Field(
        default_factory=dict, description="what a condition of your own is given"
    )
    window_start: Share | None = Field(
        None, description="window: where it starts, a fraction of all steps of the run; not set: 0.8333"
    )
    window_stop: Share | None = Field(
        None, description="window: where it stops, a fraction of all steps of the run; not set: 1.0"
    )
    every_steps: Positive | None = Field(None, description="periodic: steps from one to the next; not set: 6")
    share: Share | None = Field(
        None, description="budget: share of each epoch's steps that are motivated; not set: 0.1667"
    )
    source_sha256: str | None = Field(
        None, description="sha256 of the source files of a condition of your own; resolved, never typed"
    )
    grow_at: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8, description="schedule grow: where the motivated model branches off, a fraction of all steps of the run"
    )

    @property
    def label(self) -> str:
        """`loss-k2`, `window-0.8-1`, `random-count`: the condition and the numbers it reads that fit into a name."""
        if "k" in settings_read(self.condition):
            return f"{self.condition}-k{self.k}"
        read = [getattr(self, name) for name in SCHEDULE_OPTIONS if name in settings_read(self.condition)]
        return "-".join([self.condition, *(f"{value:g}" for value in read if value is not None)])


class TrainConfig(Section):
    epochs: Positive = Field(20, description="passes over the training set")
    steps: Positive | None = Field(
        None, description="optimizer updates in all, instead of train.epochs; the last epoch may be shorter"
    )
    match: Literal["train_flops"] | None = Field(
        None, description="classic: as many steps as cost what the run of both models is expected to cost"
    )
    match_from: str | None = Field(
        None, description="match: results folder of the arm's runs whose recorded cost it is, or those runs, by comma"
    )
    match_schedule: Literal["alternating", "grow"] = Field(
        "alternating", description="match: the schedule of the arm; grow: that of motivation.grow_at"
    )
    batch_size: BatchSize = Field(64, description="images per optimizer update")
    drop_last: bool = Field(False, description="drop an incomplete last batch")
    eval_every: Positive = Field(1, description="evaluate every N epochs (the last one always)")
    eval_batch_size: Positive = Field(500, description="images per evaluation batch")
    accumulate_steps: Positive = Field(1, description="micro-batches that a batch is split into; one update for all")
    task: str | None = Field(
        None, description="a task of your own: package.module:name, or a name of `seek list tasks`; not set: the data's"
    )
    task_source_sha256: str | None = Field(
        None, description="sha256 of the source files of a task of your own; resolved, never typed"
    )
    loss: Literal["cross-entropy", "bce"] = Field("cross-entropy", description="training loss (bce: one-vs-all)")
    label_smoothing: Fraction = Field(0.0, description="label smoothing of the training loss")
    bce_threshold: Fraction | None = Field(None, description="bce: mixed targets above it count as 1, others as 0")
    clip_norm: PositiveFloat | None = Field(None, description="clip the gradient to this global norm; none is off")
    ema_decay: Fraction = Field(0.0, description="evaluate and keep a moving average of the weights; 0 is off")
    processes: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="processes that each batch is split over: as many as torchrun starts, which sets it"
    )
    batchnorm: Literal["per-process", "synchronised"] = Field(
        "per-process", description="of several processes: BatchNorm's statistics in training, of its own images or all"
    )


class OptimizerConfig(Section):
    name: Literal["sgd", "adamw", "rmsprop", "lamb"] = Field("sgd", description="the optimizer of both models")
    lr: PositiveFloat = Field(0.1, description="peak learning rate")
    momentum: Fraction = Field(0.9, description="momentum of sgd and rmsprop")
    nesterov: bool = Field(False, description="Nesterov momentum (sgd)")
    beta1: Fraction = Field(0.9, description="decay of the gradient's average (adamw, lamb)")
    beta2: Fraction = Field(0.999, description="decay of the squared gradient's average (adamw, lamb)")
    rms_decay: Fraction = Field(0.9, description="decay of the squared gradient's average (rmsprop)")
    eps: PositiveFloat | None = Field(None, description="added to the denominator; none is the optimizer's own")
    weight_decay: AtLeast0 = Field(5e-4, description="into the gradient (sgd, rmsprop), the update (adamw, lamb)")
    decay_norms_and_biases: bool = Field(True, description="whether norms, biases and position embeddings decay too")


class LrScheduleConfig(Section):
    name: Literal["cosine", "constant", "exponential", "wsd"] = Field(
        "cosine", description="learning rate over the step; wsd: warm-up, stable, linear decay"
    )
    warmup_epochs: AtLeast0 = Field(
        0.0, description="warm-up from warmup_start_lr to the peak, linear in the step (timm: in the epoch)"
    )
    warmup_start_lr: AtLeast0 = Field(1e-6, description="learning rate of the first step of a warm-up")
    min_lr: AtLeast0 = Field(0.0, description="where cosine and wsd end")
    decay_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.97, description="exponential: factor of each decay")
    decay_every_epochs: PositiveFloat = Field(2.0, description="exponential: epochs between decays, after the warm-up")
    decay_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="wsd: length of the decay at the end, a fraction of all steps of the run"
    )


class AugmentConfig(Section):
    crop_padding: UpTo1024 = Field(0, description="pad by this many pixels (zeros) and crop at random")
    flip: bool = Field(False, description="random horizontal flip")
    resized_crop_area: Share = Field(0.0, description="least share of a random resized crop (up to 1); 0 is off")
    resized_crop_rule: Literal["clipped", "torchvision"] = Field(
        "clipped",
        description="of images in memory; torchvision: crops that do not fit are drawn again (streamed images: always)",
    )
    repeats: Positive = Field(1, description="repeated augmentation: an epoch shows 1/N of the images N times each")
    randaugment_ops: Count = Field(0, description="RandAugment operations per image; 0 is off")
    randaugment_magnitude: Annotated[float, Field(ge=0, le=10)] = Field(9.0, description="of RandAugment, 0 to 10")
    randaugment_policy: Literal["torchvision", "timm"] = Field(
        "torchvision",
        description="torchvision: 14 operations, always applied, at that magnitude; timm: rand-mM-nN-mstd0.5-inc1",
    )
    autoaugment: Literal["none", "cifar10"] = Field("none", description="AutoAugment policy")
    erasing_probability: Share = Field(0.0, description="Random Erasing (with noise), share of the images")
    erasing_rule: Literal["clipped", "timm"] = Field("clipped", description="boxes that do not fit: cut, or drawn anew")
    mixup_alpha: AtLeast0 = Field(0.0, description="Beta(a, a) of Mixup; 0 is off")
    cutmix_alpha: AtLeast0 = Field(0.0, description="Beta(a, a) of CutMix; 0 is off. With Mixup: either one")


class TuneConfig(Section):
    """How `--k auto` and `seek tune` search for k. The run id holds the k that was found, and none of this."""

    k: str = Field("2,3,4,5", description="the values of k to choose from")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="folds of the training set")
    epochs: Positive | None = Field(None, description="epochs of a run over a fold; not set: as long as a full run")
    seed: Seed = Field(0, description="seed of the runs over folds; the k that is chosen serves every seed")
    rule: Literal["best", "one-se"] = Field(
        "best", description="best: the highest accuracy; one-se: the fewest motivated steps within one standard error"
    )


class RuntimeConfig(Section):
    device: str = Field("auto", description="auto, cpu, cuda[:i] or mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: by a fixed table of devices and families"
    )
    layout: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="memory layout of 4-D tensors")
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="CPU threads; none: torch's choice")
    workers: UpTo1024 = Field(0, description="processes that read images, of imagenet: and wds:; they change no number")
    track: Annotated[list[str], AfterValidator(known_trackers)] = Field(
        default_factory=list, description=f"show the rows of a run elsewhere too: {', '.join(TRACKERS)}"
    )
    force: bool = Field(False, description="begin a run whose motivated model would never be trained")
    checkpoint_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="minutes between checkpoints within an epoch; 0: one after every step"
    )


PLAIN_TYPES = frozenset((str, int, float, bool, type(None), list))  # no mapping


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mapping -> (dotted key, value) pairs, in order."""
    for key, value in tree.items():
        # A comparison reads the settings of thousands of runs, and nearly all are plain: no abstract class is asked.
        if type(value) not in PLAIN_TYPES and isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@lru_cache(maxsize=4096)
def parts_of(dotted: str) -> tuple[tuple[str, ...], str]:
    """The sections of a key, and its name: a grid takes the same hundred keys apart thousands of times."""
    *parents, leaf = dotted.split(".")
    return tuple(parents), leaf


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in flat.items():
        parents, leaf = parts_of(dotted)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def pair_name(base: str, motivated: str) -> str:
    """`resnet20` and `resnet32` -> `resnet20-to-32`; names that share no stem are joined whole."""
    stem = re.match(r"(.*?)(?:\d+|(?<=-)[a-z]+|(?<=-)b\d+|(?<=-)\d+x\d+(?:-ff\d+)?)$", base)
    prefix = stem.group(1) if stem else ""
    suffix = motivated.removeprefix(prefix) if prefix and motivated.startswith(prefix) else motivated
    return f"{base}-to-{suffix}"
