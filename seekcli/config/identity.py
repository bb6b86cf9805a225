"""What makes a run that run: the settings that change its numbers, and the id that ends in their hash.

What does not change the numbers is in `NOT_HASHED`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from seekcli.config.condition_settings import settings_read
from seekcli.config.data_settings import STREAMED
from seekcli.config.layers import DEFAULTS
from seekcli.config.pair_settings import DIGESTS, LINKING, is_own_model
from seekcli.config.schema import RunConfig
from seekcli.config.settings import TuneConfig, flatten, unflatten
from seekcli.method.roles import ROLES

# Hashed into every run id, for ever: a file may get a new column without any run getting a new id.
RUN_ID_VERSION = 1
# Settings that cannot change the numbers of a run (or, for a folder's name, that only label it).
NOT_HASHED = (
    *("recipe_file", "data.dir", "runtime.threads", "runtime.workers", "runtime.checkpoint_minutes", "runtime.force"),
    "runtime.track",
    # They say where train.steps comes from, which is hashed.
    *("train.match", "train.match_from", "train.match_schedule"),
    *("transfer.source", "transfer.role", "transfer.pretrained", "transfer.run", "extend.source"),
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
    **dict.fromkeys(("train.match", "train.match_from")),
    "train.match_schedule": "alternating",
    "data.rules": 1,
    "data.whole_digest": False,
    "motivation.source_sha256": None,
    "motivation.grow_at": 0.8,
    "runtime.force": False,
    "data.grey_bits": None,
    "augment.erasing_rule": "clipped",
    "data.fit": "crop",
    **dict.fromkeys(("extend.source", "extend.run", "extend.sha256", "extend.settings_sha256")),
    "extend.epochs_before": 0,
    "recipe_file": None,
    "smoke": False,
    **dict.fromkeys(f"pair.{name}" for name in LINKING),
    "pair.alignment": "last-to-last",
    **dict.fromkeys(f"pair.{role}_{name}" for role in ROLES for name in DIGESTS),
    **dict.fromkeys(("data.tokenizer", "data.context_length")),
    **dict.fromkeys(("train.task", "train.task_source_sha256", "data.input_shape")),
    "runtime.track": [],
    "train.processes": 1,
    "train.batchnorm": "per-process",
}
TASK_SOURCE = "train.task_source_sha256"
# Settings of the training loss of a classification, which a task of one's own does not read.
OF_THE_LOSS = ("train.loss", "train.label_smoothing", "train.bce_threshold")
# Settings that nothing reads where another one is 0.
READ_WITH = {
    "augment.randaugment_policy": "augment.randaugment_ops",
    "augment.resized_crop_rule": "augment.resized_crop_area",
    "augment.erasing_rule": "augment.erasing_probability",
}
# Of those that came later, what changes no row: a run of an earlier program is taken up with it.
TWINS_KEEP = ("runtime.track",)
# Of those that came later, what new runs get unasked though the default is the old behaviour: it is found out, or the
# recipes have it.
UNASKED = ("data.rules", "motivation.source_sha256", "data.grey_bits", *READ_WITH)


def unread_settings(flat: Mapping[str, Any]) -> list[str]:
    """Keys of a flat config that its motivation condition does not read, or nothing does: they change nothing.

    Where the length of a run is given in steps its epochs are not read.
    """
    read: tuple[str, ...] = ("condition", *settings_read(str(flat.get("motivation.condition"))))
    if flat.get("schedule") == "grow":
        read = ("grow_at",)
    off = [key for key, other in READ_WITH.items() if flat.get(other) == 0]
    if str(flat.get("data.name")).partition(":")[0] in STREAMED:  # their crops follow torchvision's rule
        off.append("augment.resized_crop_rule")
    if flat.get("data.fit", "crop") != "crop":  # all of a photograph is shown
        off.append("data.test_crop")
    if flat.get("lr_schedule.name") != "wsd":
        off.append("lr_schedule.decay_fraction")
    if not any(is_own_model(str(flat.get(f"pair.{role}"))) for role in ROLES):
        off += [f"pair.{name}" for name in LINKING]
    if flat.get("pair.init") == "paper":
        off += ["pair.silence", "pair.stream"]
    off += OF_THE_LOSS if flat.get("train.task") is not None else []
    off += ["train.batchnorm"] if flat.get("train.processes", 1) == 1 else []
    off += ["train.epochs"] if flat.get("train.steps") is not None else []
    return [*off, *(key for key in flat if key.startswith("motivation.") and key.split(".")[1] not in read)]


def telling_settings(flat: Mapping[str, Any]) -> dict[str, Any]:
    """What of a flat config tells one run from another: the run id and the grouping of runs use nothing else.

    Left out is what changes no number, what nothing reads, and what stands at its old behaviour.
    """
    old = [key for key, value in OLD_BEHAVIOUR.items() if key in flat and flat[key] == value]
    left_out = {*NOT_HASHED, *unread_settings(flat), *old}
    return {key: value for key, value in flat.items() if key not in left_out}


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
    ages = [one for one in OLD_BEHAVIOUR.items() if one[0] not in TWINS_KEEP]
    for first, (key, _) in reversed(list(enumerate(ages))):
        if key not in UNASKED and DEFAULTS[key] == OLD_BEHAVIOUR[key] != flat[key]:
            return
        values = {later: old for later, old in ages[first:] if flat[later] != old}
        twin = RunConfig.model_validate(unflatten(flat | values))
        if run_id(twin) not in seen:
            seen.add(run_id(twin))
            yield twin, values


def flat_config(config: RunConfig) -> dict[str, Any]:
    """Every setting by its dotted key, as plain data."""
    return dict(flatten(config.model_dump(mode="json")))


def run_key(config: RunConfig, flat: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What makes a run that run: the resolved settings that change its numbers, as plain data.

    `flat` is its `flat_config`, for those who have it.

    A classic run keeps its one model and drops pair, init, map, condition and k, so that one baseline serves every
    alternating run of its seed. A folder is known by its fingerprint, never by its path or name.
    """
    flat = telling_settings(flat_config(config) if flat is None else flat)
    flat["runtime.device"] = config.runtime.device.partition(":")[0]
    if config.data.fingerprint:
        flat["data.name"] = config.data.name.partition(":")[0]
    if config.classic:
        digests = {f"model.{name}": flat.get(f"pair.{config.schedule}_{name}") for name in DIGESTS}
        flat = {key: value for key, value in flat.items() if key.partition(".")[0] not in CLASSIC_NOT_HASHED}
        flat["model"] = config.model_name(config.schedule)
        flat |= {key: value for key, value in digests.items() if value is not None}
    return {"schema_version": RUN_ID_VERSION, **flat}


def run_id(config: RunConfig, key: Mapping[str, Any] | None = None) -> str:
    """A readable name that ends in 10 hex digits of the sha256 of its `run_key`: `key`, for those who have it."""
    return RunIds(config, run_key(config) if key is None else key)[config.seed]


class RunIds:
    """The run ids of a config with its seed or any other one, by seed: but for the seed all is settled once."""

    def __init__(self, config: RunConfig, key: Mapping[str, Any]) -> None:
        payload = json.dumps({**key, "seed": 0}, sort_keys=True, separators=(",", ":"))
        self.before, self.seed, self.after = payload.partition('"seed":0')  # in a value these quotes are escaped
        self.name = words_of(config)

    def __getitem__(self, seed: int) -> str:
        digest = hashlib.sha256(f"{self.before}{self.seed[:-1]}{seed}{self.after}".encode()).hexdigest()[:10]
        return f"{self.name}_s{seed}_{digest}"


def words_of(config: RunConfig) -> str:
    """A run id without its seed and its digest."""
    data = config.data.name.partition(":")[0]
    if config.classic:
        words = [config.model_name(config.schedule), data]
    else:
        words = [config.pair_name, data, config.way, config.pair.init]
    if config.transfer.sha256:
        words.append(f"from-{config.transfer.sha256[:8]}")
    if config.extend.run:
        words.append(f"more-of-{config.extend.run[-10:]}")
    if config.data.folds is not None:
        words.append(f"fold{config.data.fold}-of-{config.data.folds}")
    if config.smoke:
        words.append("smoke")
    return re.sub(r"[^a-z0-9_.-]+", "-", "_".join(words).lower())
