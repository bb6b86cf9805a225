"""The pair of a run: its two models, how they are linked, and how the larger one starts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from seekcli.config.settings import Section
from seekcli.config.value_types import Count, PositiveFloat
from seekcli.method.roles import ROLES

OWN, OF_OWN = "pairs of your own (docs/own_models.md)", "of your own"


class PairConfig(Section):
    base: str = Field(
        "resnet20",
        description="the small model, trained all the time; a name of `seek list models`, module:name or timm:NAME",
    )
    motivated: str = Field("resnet32", description="the larger model that contains it")
    init: Literal["auto", "identity", "paper", "timm", "stack", "source"] = Field(
        "auto", description="how the differential parts start"
    )
    added_scale: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="--init identity: last scale that added blocks start with; above 0 they disturb the base, and 1 is "
        "--init paper in ResNets",
    )
    differential_lr_factor: PositiveFloat = Field(
        1.0, description="learning rate of the tensors that only the motivated model has, over that of all others"
    )
    map: Literal["aligned", "leading"] = Field("aligned", description="how fused q/k/v weights are sliced")
    buffers: Literal["own", "carried"] = Field(
        "own", description="BatchNorm running statistics: each model keeps its own, or a switch copies them too"
    )
    recalibrate_batches: Count | None = Field(
        None,
        description="estimate BatchNorm statistics of kept models anew on this many training batches; 0 is off, "
        "not set is 10 where the models have BatchNorm",
    )
    blocks: str | None = Field(
        None, description=f"{OWN}: where blocks are numbered, by comma, such as layers; not set: found by their names"
    )
    alignment: Literal["last-to-last", "first"] = Field(
        "last-to-last", description=f"{OWN}: the last block becomes the last one, or block i block i"
    )
    silence: str | None = Field(
        None,
        description=f"{OWN}: the layers by which an added block writes, by comma, such as bn2; not set: found by names",
    )
    fused: str | None = Field(
        None, description=f"{OWN}: layers that stack projections, and how many: attn.qkv:3; not set: 3 for qkv"
    )
    rename: str | None = Field(
        None, description=f"{OWN}: names of the base and what they are in the motivated model: head:fc, by comma"
    )
    stream: str | None = Field(
        None, description=f"{OWN}: all that writes a residual stream that grows, by comma, under LayerNorm"
    )
    base_source_sha256: str | None = Field(
        None, description=f"sha256 of the source files of a base {OF_OWN}; resolved, never typed"
    )
    motivated_source_sha256: str | None = Field(
        None, description=f"sha256 of the source files of a motivated model {OF_OWN}; resolved, never typed"
    )
    base_shapes_sha256: str | None = Field(
        None, description=f"sha256 of the names and shapes of a base {OF_OWN}; resolved, never typed"
    )
    motivated_shapes_sha256: str | None = Field(
        None, description=f"sha256 of the names and shapes of a motivated model {OF_OWN}; resolved, never typed"
    )


# What links the modules of a pair of one's own, and what tells one module from another of the same import path.
LINKING = ("blocks", "alignment", "silence", "fused", "rename", "stream")
DIGESTS = ("source_sha256", "shapes_sha256")
OWN_DIGESTS = {f"pair.{role}_{digest}": role for role in ROLES for digest in DIGESTS}


def own_sources(flat: Mapping[str, Any]) -> dict[str, str]:
    """By role a digest of the source and the shapes of a module of somebody's own; from dotted keys."""
    found = {role: [flat.get(key) for key, of_role in OWN_DIGESTS.items() if of_role == role] for role in ROLES}
    return {role: hashlib.sha256(repr(known).encode()).hexdigest() for role, known in found.items() if any(known)}


def is_own_model(name: str) -> bool:
    """Whether it is an import path, or `timm:NAME`: no model of the catalog has a colon in its name."""
    return ":" in name
