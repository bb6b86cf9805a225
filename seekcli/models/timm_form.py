"""What timm calls a model of ours and how it builds it, asked by the model's spec."""

from __future__ import annotations

from seekcli.models.catalog import ModelSpec, family_named
from seekcli.models.family import TimmForm


def timm_name(spec: ModelSpec) -> str | None:
    """What timm calls the model; None for one that it has not."""
    form = timm_form(spec, classes=1, channels=3, image_size=spec.image_size)
    return None if form is None else form.name


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm | None:
    """None for a model that timm has not. For loading: how its weights start is no part of it."""
    build = family_named(spec.family).timm
    return None if build is None else build(spec, classes, channels, image_size)


def stem_of(spec: ModelSpec, image_size: int) -> str | None:
    """The first layers in words; None for a transformer, which has patches."""
    return family_named(spec.family).stem_in_words(image_size)
