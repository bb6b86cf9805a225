"""Modules of somebody's own by their import path, and any of timm's by `timm:NAME`: built, and checked to be models.

What is here is asked for by `catalog.py` for every name with a colon. Nothing heavy is imported before one is built.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seekcli.config.pair_settings import is_own_model
from seekcli.errors import BadInput, unknown
from seekcli.models.family import Family, ModelSpec, Recipes, TimmForm
from seekcli.own_code.paths import imported, imported_module, is_path, line_of
from seekcli.own_code.sources import digest_of_callable

if TYPE_CHECKING:
    from torch import nn

    from seekcli.config.pair_settings import PairConfig
    from seekcli.method.pair import Pair

TIMM = "timm:"
# Pixels a side that folders of photographs are resized to where the user names none.
USUAL_SIZE = 224
RECIPE = "any-model"


def own_spec(name: str, flag: str) -> ModelSpec:
    """What is known of a name with a colon before anything is imported. Raises BadInput where it is no such path."""
    if name.startswith(TIMM):
        return ModelSpec(name, "timm's own", 0, USUAL_SIZE)
    if not is_path(name):
        raise BadInput(f"{flag} {name}: expected a name of `seek list models`, package.module:name, or timm:NAME")
    return ModelSpec(name, "own", 0, USUAL_SIZE)


def own_family(name: str) -> Family:
    """The family of one model, which is of no family: how it is linked is said by the settings of its pair."""
    return OF_TIMM if name.startswith(TIMM) else OWN


def source_digest(name: str) -> str | None:
    """sha256 of its source files; None for a model of timm, which its shapes tell apart."""
    if name.startswith(TIMM):
        return None
    said = f"model {name}"
    return digest_of_callable(imported_module(name.partition(":")[0], said), imported(name, said))


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """[B, channels, image_size, image_size] -> logits [B, classes], of what the import path names.

    Raises BadInput where it cannot be imported or called, or gives no module.
    """
    from torch import nn

    said = f"model {spec.name}"
    make = imported(spec.name, said)
    if not callable(make):
        raise BadInput(
            f"{said}: is a {type(make).__name__}, not a callable (classes, channels, image_size) -> nn.Module"
        )
    try:
        made = make(classes, channels, image_size)
    except (Exception, SystemExit) as error:  # anybody's code
        call = f"({classes}, {channels}, {image_size})"
        raise BadInput(
            f"{said}: called with {call} (classes, channels, image_size) it raised {line_of(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise BadInput(f"{said}: gave a {type(made).__name__} instead of a torch.nn.Module")
    return made


def build_of_timm(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """The same of a name of timm's. Raises BadInput where timm cannot build it for such images."""
    form = timm_form(spec, classes, channels, image_size)
    try:
        return form.create()
    except Exception as error:
        raise BadInput(f"model {spec.name}: timm cannot build it with {form.arguments}: {line_of(error)}") from error


def timm_form(spec: ModelSpec, classes: int, channels: int, image_size: int) -> TimmForm:
    """How timm builds it: a model that is built for one size of image is told the size."""
    arguments = {"num_classes": classes, "in_chans": channels}
    name = spec.name.removeprefix(TIMM)
    require_name_of_timm(name)
    return TimmForm(name, arguments | ({"img_size": image_size} if takes_image_size(name) else {}))


def require_name_of_timm(name: str) -> None:
    import timm

    if name not in timm.list_models():
        raise unknown("name of a timm model:", f"{TIMM}{name}", [f"{TIMM}{known}" for known in timm.list_models()])


@lru_cache(maxsize=1000)
def takes_image_size(name: str) -> bool:
    """Whether timm's model has an argument `img_size`: it is tried, without memory for the weights."""
    import timm
    import torch

    usual = timm.get_pretrained_cfg(name)
    try:
        with torch.device("meta"):
            timm.create_model(name, img_size=usual.input_size[-1] if usual else USUAL_SIZE)
    except TypeError as error:
        return "img_size" not in str(error)
    except (RuntimeError, ValueError, AssertionError, NotImplementedError):  # not without memory, or not at that size
        return True
    return True


def needs_pair(*models: Any) -> Any:
    """Links and starts of such models are those of a pair."""
    raise BadInput("modules of your own are linked by the settings of their pair")


def no_words(image_size: int) -> None:
    """Nothing is known of their first layers."""


OWN = Family(
    name="own",
    models=(),
    build=build,
    link=needs_pair,
    identity=needs_pair,
    head="",
    stem="",
    stem_in_words=no_words,
    recipes=Recipes(RECIPE, small_images=RECIPE),
    running_statistics=False,
    channels_last=False,
)
OF_TIMM = replace(OWN, name="timm's own", build=build_of_timm, timm=timm_form)
OWN_FAMILIES = (OWN, OF_TIMM)


def is_own_pair(pair: PairConfig) -> bool:
    return is_own_model(pair.base) or is_own_model(pair.motivated)


def of_pair(pair: PairConfig) -> Family:
    """What starts a pair in which one module or both are of one's own: as the settings of the pair say."""

    def identity(made: Pair) -> Pair:
        from seekcli.models import own_pairs

        return own_pairs.identity(pair, made)

    return replace(OWN, identity=identity)
