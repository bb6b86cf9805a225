"""Modules of somebody's own in a run: by name, by source and shapes, linked, and verified to start as asked."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from seekcli.config.layers import Layers, Resolved, merge
from seekcli.config.pair_settings import DIGESTS, LINKING, PairConfig, is_own_model
from seekcli.config.schema import RunConfig
from seekcli.data.sets.kinds import KINDS, kind_named
from seekcli.errors import BadInput, unknown
from seekcli.models.catalog import MODELS
from seekcli.models.own_models import is_own_pair, source_digest
from seekcli.own_code.installed import DATA, MODELS as GROUP, installed, installed_path
from seekcli.resolve.expected_cost import image_shape, train_shape
from seekcli.resolve.own_tasks import with_full_task

if TYPE_CHECKING:
    from seekcli.models.own_checks import ModuleFacts

Sizes = tuple[int, int, int]


def with_full_names(resolved: Resolved) -> Resolved:
    """Names of models, data and tasks that installed packages bring, as the import paths that they stand for.

    Raises BadInput for a name that two packages bring, and for a model that nobody does.
    """
    config = resolved.config
    for role in config.roles:
        name = config.model_name(role)
        if name not in MODELS and not is_own_model(name):
            path = installed_path(GROUP, MODELS, name, f"{role} model {name}")
            if path is None:
                raise unknown(f"{role} model", name, [*MODELS, *installed(GROUP, MODELS)], "seek list models")
            resolved = resolved.updated({f"pair.{role}": path}, f"entry point {name}")
    data = config.data.name
    if kind_named(data) is None and ":" not in data and (path := installed_path(DATA, KINDS, data, f"--data {data}")):
        resolved = resolved.updated({"data.name": path}, f"entry point {data}")
    return with_full_task(resolved)


def resolve_own_pair(resolved: Resolved) -> Resolved:
    """The modules are built and looked at; what tells them from others is recorded, and what links them is found.

    Raises BadInput for a module that cannot be trained, for two that do not nest, and for settings of such pairs where
    both models are of the catalog.
    """
    config = resolved.config
    if not is_own_pair(config.pair):
        usual = PairConfig()
        said = [f"pair.{name}" for name in LINKING if getattr(config.pair, name) != getattr(usual, name)]
        if said and not config.classic:
            raise BadInput(
                f"{said[0]} is for pairs of your own modules (docs/own_models.md), not for {config.pair_name}"
            )
        return resolved
    for role in config.roles:
        if is_own_model(config.model_name(role)):
            resolved = with_digests(resolved, role)
    return resolved if config.classic else with_links(resolved)


def without_start(layers: Layers) -> Layers:
    """The layers for a look at how two modules of one's own are linked, whichever way they may start."""
    pair = with_full_names(merge(layers)).config.pair
    return [*layers, ("a look at the map", {"pair.init": "paper"})] if is_own_pair(pair) else layers


def has_statistics(config: RunConfig, role: str) -> bool | None:
    """Whether a module of one's own has BatchNorm statistics; None for a model of the catalog."""
    if not is_own_model(config.model_name(role)):
        return None
    return facts_of(config, role).running_statistics


def with_digests(resolved: Resolved, role: str) -> Resolved:
    """The sha256 of its source and of its shapes. What was recorded for a run and is another one now is refused."""
    config = resolved.config
    name = config.model_name(role)
    found = {"source_sha256": source_digest(name), "shapes_sha256": facts_of(config, role).shapes_sha256}
    for what in DIGESTS:
        key = f"pair.{role}_{what}"
        said = getattr(config.pair, f"{role}_{what}")
        if said not in (None, found[what]):
            thing = "source" if what == "source_sha256" else "shapes"
            raise BadInput(f"{key}: the {thing} of {name} is not what it was ({said[:12]}...)")
    values = {f"pair.{role}_{what}": found[what] for what in DIGESTS if found[what] is not None}
    return resolved.updated(values, "source files and shapes")


def facts_of(config: RunConfig, role: str) -> ModuleFacts:
    """What was found of a module at the sizes of the run's images. Raises BadInput for one that cannot be trained."""
    name = config.model_name(role)
    return _facts(
        name, source_digest(name), built_for(config), (image_shape(config), train_shape(config)), logits(config)
    )


@lru_cache(maxsize=100)
def _facts(
    name: str, source: str | None, sizes: Sizes, shapes: tuple[tuple[int, ...], ...], gives_logits: bool
) -> ModuleFacts:
    from seekcli.models.own_checks import checked_module

    return checked_module(name, sizes, shapes, gives_logits)


def built_for(config: RunConfig) -> Sizes:
    """Classes (or outputs), channels and pixels a side: what a module is called with."""
    data = config.data
    assert data.classes and data.channels and data.image_size, "the config is not resolved"
    return data.classes, data.channels, data.image_size


def logits(config: RunConfig) -> bool:
    """Whether the outputs are logits [B, classes]; what a task of one's own takes, it says itself."""
    return config.train.task is None


def with_links(resolved: Resolved) -> Resolved:
    """What links the two, where it is not set and is found by names. An identity start is verified."""
    config = resolved.config
    found = _found(config.pair, built_for(config), image_shape(config))
    return resolved.updated(found, "auto, by names") if found else resolved


@lru_cache(maxsize=100)
def _found(pair: PairConfig, sizes: Sizes, shape: tuple[int, ...]) -> dict[str, str]:
    from seekcli.models.own_pairs import settled

    return settled(pair, sizes, shape)
