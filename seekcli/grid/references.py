"""What a point says of others: where it starts from, whose counts or cost it takes; and its settings without those."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seekcli.config.identity import run_key
from seekcli.config.layers import DEFAULTS
from seekcli.config.schema import RunConfig
from seekcli.data.sets.kinds import kind_named
from seekcli.grid.schema import ARM, MEANS, STARTS
from seekcli.resolve.matched_counts import COUNTS_FROM, group_key
from seekcli.resolve.resolve import AS_ARM
from seekcli.runs.scan import recorded_runs

Mean = Literal["counts", "cost"]
CONDITION, MATCH_FROM = "motivation.condition", "train.match_from"
FROM: dict[Mean, str] = {"counts": COUNTS_FROM, "cost": MATCH_FROM}
WITHOUT_MATCH: dict[str, Any] = {"train.match": None, MATCH_FROM: None, "train.match_schedule": "alternating"}
WITHOUT_COUNTS: dict[str, Any] = {CONDITION: "loss", COUNTS_FROM: None}
WITHOUT_TRANSFER: dict[str, Any] = {"transfer.source": None, "transfer.role": None}


def starts_of(said: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """Setting -> the arm that it names."""
    return {key: said[key] for key in STARTS if said.get(key) in names}


def near_arm(said: Mapping[str, Any], names: Collection[str]) -> str:
    """A hint, where a run that is not there has nearly the name of an arm; else nothing."""
    words = [said[key] for key in (*STARTS, *MEANS) if isinstance(said.get(key), str) and said[key] not in names]
    near = [name for word in words for name in difflib.get_close_matches(word, names, n=1)]
    return f"; did you mean the arm {near[0]!r}?" if near else ""


def mean_of(said: Mapping[str, Any], names: Collection[str]) -> Mean | None:
    """Whether the point takes the counts or the cost of an arm of this grid."""
    schedule = said.get("schedule", DEFAULTS["schedule"])
    matched = said.get(CONDITION) == "matched-count" and schedule == "alternating"
    if matched and said.get("motivation.counts") is None and said.get(COUNTS_FROM) in (None, ARM, *names):
        return "counts"
    return "cost" if said.get("train.match") and said.get(MATCH_FROM) in (ARM, *names) else None


def twin_settings(said: Mapping[str, Any], mean: Mean) -> dict[str, Any]:
    """What makes of the point the run whose counts or cost it takes."""
    if mean == "counts":
        return WITHOUT_COUNTS
    return AS_ARM | {"schedule": said.get("train.match_schedule", "alternating")}


def settings_without(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is laid over a point to leave out all that comes from other runs."""
    over: dict[str, Any] = {}
    if said.get("transfer.source") is not None:
        over |= WITHOUT_TRANSFER | ({"pair.init": "auto"} if said.get("pair.init") == "source" else {})
    if said.get("extend.source") is not None:
        over |= {"extend.source": None}
    if said.get(CONDITION) == "matched-count" and said.get("motivation.counts") is None:
        over |= WITHOUT_COUNTS
    return over | (WITHOUT_MATCH if said.get(MATCH_FROM) is not None else {})


# ILSVRC 2012: its classes, and images of which four fifths are the 1,281,167 to train on.
AS_IMAGENET = "synthetic:3x224x224:1000:1601459"
AS_A_FOLDER = "synthetic:3x32x32:10:1601459"  # larger than any --limit-train that a folder is asked for


def stand_in(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is laid over a point whose data is not there, so that it can be planned.

    `imagenet:` is taken for ImageNet itself. Of a folder nothing is known: neither are the costs of its points.
    """
    kind = kind_named(str(said["data.name"]))
    as_imagenet = kind is not None and kind.like_imagenet
    return {"data.name": AS_IMAGENET if as_imagenet else AS_A_FOLDER, "data.dir": None}


def group_as_recorded(results: Path, mean: Mean, config: RunConfig, group: Sequence[str]) -> str | None:
    """The runs of the group that a recorded run of another seed took the mean of, in its own words; None for none.

    A seed that is added later gets the counts or the steps that the other seeds have: theirs would be of another arm.
    `config` is that of the point without what comes of the group.
    """
    own = comparable(mean, config)
    begins = f"{config.model_name(config.schedule)}_" if mean == "cost" else f"{config.pair_name}_"
    for folder in recorded_runs(results, begins):
        found = folder.readable_config()
        if found is None or comparable(mean, found.config) != own:
            continue
        text = found.config.motivation.counts_from if mean == "counts" else found.config.train.match_from
        named = {word.strip() for word in (text or "").split(",")}
        if text and named <= set(group):
            return text
    return None


def comparable(mean: Mean, config: RunConfig) -> dict[str, Any]:
    if mean == "counts":
        return group_key(config)
    return {key: value for key, value in run_key(config).items() if key not in ("seed", "train.epochs", "train.steps")}
