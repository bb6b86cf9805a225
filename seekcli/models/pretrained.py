"""timm's own ImageNet weights: one safetensors file a model on the Hugging Face hub, from its cache or the network."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seekcli.config.pair_settings import is_own_model
from seekcli.errors import BadInput, nearest
from seekcli.models.catalog import MODELS, model_spec
from seekcli.models.timm_form import timm_name

# The only form that is read: nothing from the network is unpickled.
FILE = "model.safetensors"


def hub_repository(name: str) -> str | None:
    """`timm/resnet50.a1_in1k`: timm's default weights of the model; None where it has none."""
    from timm.models import get_pretrained_cfg

    known_as = timm_name(model_spec(name))
    settings = get_pretrained_cfg(known_as) if known_as else None
    return settings.hf_hub_id if settings is not None else None


def pretrained_file(name: str) -> Path:
    """The weights file of the model called `name`; what is cached is never asked for again.

    Raises BadInput, one line that says what was tried and what helps, when it cannot be had.
    """
    if is_own_model(name):
        raise BadInput(
            f"--pretrained is for models of the catalog, and {name} is none; start from a run with --init-from"
        )
    repository = hub_repository(name)
    if repository is None:
        having = [other for other in MODELS if hub_repository(other)]
        close = nearest(name, having)
        hint = f"; the nearest model with weights is {close}" if close else ""
        raise BadInput(f"--pretrained: timm has no weights for {name}{hint}; or start from a run with --init-from")
    return cached_file(repository) or downloaded_file(repository)


def cached_file(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, FILE)
    return Path(found) if isinstance(found, str) else None


def downloaded_file(repository: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with quiet("huggingface_hub"):
            return Path(hf_hub_download(repository, FILE))
    except (OSError, HfHubHTTPError) as error:
        cause = error.__cause__ or error
        reason = (str(cause).splitlines() or [type(cause).__name__])[0]
        raise BadInput(
            f"--pretrained: {FILE} of {repository} is not in {constants.HF_HUB_CACHE} and could not be downloaded from "
            f"{constants.ENDPOINT} ({reason}): run `hf download {repository} {FILE}` where there is a network and copy "
            f"its cache there (or set HF_HOME), or start from a run or an export with --init-from"
        ) from error


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Without a logger's warnings: the hub's client tells of each of its retries, and what counts is raised at last."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
