"""From what the user said to a full config: names checked, recipe picked, data facts and `auto` values filled in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seekcli.config.layers import Layers, Resolved, load_recipe, merge
from seekcli.config.schema import RunConfig
from seekcli.config.settings import RECALIBRATE_BATCHES, DataConfig
from seekcli.config.settings_files import is_recipe_file, read_recipe
from seekcli.data.sets.deep_images import check_grey_bits, check_values, grey_bits_for
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.data.sets.kind import TextSet
from seekcli.data.sets.kinds import kind_named
from seekcli.data.sets.listings import folder_of, listing_of, recorded_name
from seekcli.data.sets.sources import (
    data_facts,
    fingerprint_of,
    has_own_size,
    is_folder,
    rules_for,
)
from seekcli.data.text.reading import file_of, is_text, text_of
from seekcli.data.text.windows import DEFAULT_CONTEXT
from seekcli.errors import BadInput
from seekcli.method.growing import branch_step
from seekcli.models.catalog import (
    check_pair,
    check_start,
    default_init,
    family_of,
    has_running_statistics,
    model_spec,
)
from seekcli.resolve.conditions import full_name, resolve_condition
from seekcli.resolve.device import check_device_word, resolve_runtime
from seekcli.resolve.extension import with_parent
from seekcli.resolve.own_models import has_statistics, resolve_own_pair, with_full_names
from seekcli.resolve.own_tasks import resolve_own_task
from seekcli.resolve.recipes import check_settings, fit_to_length, fit_to_size, pick_recipe
from seekcli.resolve.transfer import resolve_transfer
from seekcli.runs.older_runs import run_of_old_rules

HOW_TO_MATCH_GROW = "; --at beside --match names the growing run, as in --schedule base --match train_flops --at 0.8"
TEXT_OF_MODELS: dict[str, Any] = {"data.name": "text:pydoc"}
# Laid over the settings of a baseline: its alternating arm.
AS_ARM: dict[str, Any] = {"schedule": "alternating", "train.match": None, "train.match_from": None}
AS_ARM |= {"train.match_schedule": "alternating"}


def resolve(layers: Layers, results: Path = Path("results")) -> Resolved:
    """Lay the layers over defaults and recipe, and fill in what is left open. Needs no data set on disk but a folder's.

    `results` is where runs that are named by their id are looked for.
    Raises BadInput for whatever cannot be run, before anything is written.
    """
    with listings_kept():
        return resolve_once(layers, results)


def resolve_once(layers: Layers, results: Path) -> Resolved:
    layers = with_parent(layers, results)
    resolved = resolve_statistics(resolve_init(resolve_own_pair(resolve_images(layers))))
    config = resolved.config
    check_settings(config)
    resolved = resolve_own_task(resolved)
    # Torch takes seconds to import: wrong words are told before it is asked which devices there are.
    check_device_word(config.runtime.device)
    full_name(config.motivation.condition)
    family = family_of(config.model_name(config.roles[0]))
    resolved = resolve_transfer(resolve_runtime(resolved, family.channels_last), results)
    if resolved.config.schedule == "grow":
        check_grow(resolved.config)
    matched = resolve_match(resolve_condition(resolved, results), layers, results)
    return run_of_old_rules(matched, results)


def resolve_images(layers: Layers) -> Resolved:
    """As `resolve`, up to the recipe and what the data is: the images that the models see, and at which sizes."""
    draft = with_full_names(merge(layers))
    check_models(draft)
    spec = model_spec(draft.config.model_name(draft.config.roles[0]))
    if draft.origins["data.name"] == "default" and family_of(spec.name).reads_text:
        return resolve_images([("auto, for a language model", TEXT_OF_MODELS), *layers])
    check_reads(draft.config)
    recipe = draft.config.recipe
    if recipe == "auto":
        transfer = draft.config.transfer
        given = transfer.source is not None or transfer.pretrained
        recipe = pick_recipe(draft.config.data.name, spec.family, given)
    recipe, settings, file = recipe_of(draft.config, recipe)
    resolved = with_full_names(merge([(f"recipe {recipe}", settings), *layers]))
    origin = "auto" if draft.config.recipe == "auto" else resolved.origins["recipe"]
    resolved = resolve_data(resolved.updated({"recipe": recipe, "recipe_file": file}, origin), spec.image_size)
    return fit_to_size(fit_to_length(resolved, settings), settings)


def recipe_of(config: RunConfig, named: str) -> tuple[str, dict[str, Any], str | None]:
    """The recipe as it is recorded, its settings, and the file that it was read from: its name is recorded alone."""
    if config.extend.run is not None:  # what extends a run has all of its settings, the recipe's among them
        return named, {}, config.recipe_file
    if not is_recipe_file(named):
        return named, load_recipe(named, config.data.name), None
    file = Path(os.path.expanduser(named))
    if config.recipe_file is not None and Path(config.recipe_file).name == named:  # as it was resolved before
        file = Path(config.recipe_file)
    return file.name, read_recipe(file, config.data.name), str(file)


def resolve_match(resolved: Resolved, layers: Layers, results: Path) -> Resolved:
    """With `train.match` the steps that a classic run needs. The arm that it is matched to is what the layers say."""
    train = resolved.config.train
    if train.match is None:
        if train.match_from is not None:
            raise BadInput("--match-from (train.match_from) is read with --match train_flops alone: give both")
        if train.match_schedule != "alternating":
            raise BadInput("train.match_schedule is read with --match train_flops alone: give both")
        return resolved
    if not resolved.config.classic:
        raise BadInput(
            "--match train_flops (train.match) gives a baseline the compute of a run of both models: use it with "
            f"--schedule base, motivated or all{HOW_TO_MATCH_GROW if resolved.config.schedule == 'grow' else ''}"
        )
    from seekcli.resolve.match import with_matched_steps

    arm = resolve([*layers, ("--match", AS_ARM | {"schedule": train.match_schedule})], results)
    resolved = with_matched_steps(resolved, arm.config, results)
    check_settings(resolved.config)
    return resolved


def check_grow(config: RunConfig) -> None:
    """Raise BadInput where a growing run could not keep its base untouched, or has no step on one side."""
    from seekcli.resolve.length import planned_length

    if config.runtime.precision == "fp16":
        raise BadInput("--schedule grow: fp16 has one loss scale for both models; use --precision bf16 or fp32")
    if config.train.ema_decay:
        raise BadInput("--schedule grow: no weight average is kept across the branch; use --set train.ema_decay=0")
    steps = planned_length(config).steps
    if not 0 < branch_step(config.motivation.grow_at, steps) < steps:
        at = config.motivation.grow_at
        raise BadInput(f"--at {at:g} (motivation.grow_at): of {steps} steps none is left on one side of it")


def check_models(draft: Resolved) -> None:
    config = draft.config
    if config.classic:
        model_spec(config.model_name(config.schedule), f"{config.schedule} model")
    else:
        check_pair(config.pair.base, config.pair.motivated)


def check_reads(config: RunConfig) -> None:
    """Raise BadInput where a model reads text and the data is images, or the other way round."""
    name, kind = config.model_name(config.roles[0]), kind_named(config.data.name)
    if kind is None or isinstance(kind, TextSet) == family_of(name).reads_text:
        return
    if family_of(name).reads_text:
        raise BadInput(f"--data {config.data.name} is images, and {name} reads text: --data text:pydoc or text:FILE")
    raise BadInput(f"--data {config.data.name} is a text, and {name} reads images: use --model gpt-2x64-to-4x64")


def resolve_init(resolved: Resolved) -> Resolved:
    """`auto` is identity where the motivated model can start as the base, else the family's usual one (`paper`).

    Raises BadInput for a `--map` or an `--init` that is impossible for the pair.
    """
    if resolved.config.classic:
        return resolved
    pair = resolved.config.pair
    if pair.init == "auto":
        resolved = resolved.updated({"pair.init": default_init(pair.base, pair.motivated, pair.map)}, "auto")
    check_start(pair.base, pair.motivated, resolved.config.pair.init, pair.map)
    if pair.added_scale and resolved.config.pair.init != "identity":
        raise BadInput(f"pair.added_scale {pair.added_scale:g} is for --init identity, not {resolved.config.pair.init}")
    return resolved


def resolve_statistics(resolved: Resolved) -> Resolved:
    """What becomes of BatchNorm running statistics. Without any, both settings stand at what changes nothing.

    A classic run copies none, and estimates them anew for a column of its own: its arms are measured alike.
    """
    config = resolved.config
    if not any(keeps_statistics(config, role) for role in config.roles):
        unused = {"pair.buffers": "carried", "pair.recalibrate_batches": 0, "train.batchnorm": "per-process"}
        return resolved.updated(unused, "auto, no BatchNorm")
    if config.pair.recalibrate_batches is None:
        return resolved.updated({"pair.recalibrate_batches": RECALIBRATE_BATCHES}, "auto")
    return resolved


def keeps_statistics(config: RunConfig, role: str) -> bool:
    found = has_statistics(config, role)
    return has_running_statistics(config.model_name(role)) if found is None else found


def check_data_settings(data: DataConfig) -> None:
    """Raise BadInput for a setting of folders that this data does not read: it would only change the run id."""
    if data.whole_digest and not data.is_streamed:
        raise BadInput(f"data.whole_digest is for imagenet:DIR and wds:PATTERN, and this is {data.name}")
    if data.rules >= 2 and (listing := listing_of(data)) is not None:
        check_values(listing)
    check_grey_bits(data)


def resolve_place(resolved: Resolved) -> Resolved:
    """Where the data is, as an absolute path: what is recorded and what is advised hold from anywhere."""
    data = resolved.config.data
    if is_text(data):
        if (file := file_of(data)) is None:
            return resolved
        values = {"data.name": text_of(data).name, "data.dir": os.path.abspath(file)}
        return resolved.updated(values, resolved.origins["data.name"])
    if is_folder(data):
        root = os.path.abspath(folder_of(data))
        values = {"data.name": recorded_name(data), "data.dir": root}
        return resolved.updated(values, resolved.origins["data.name"])
    if data.dir is None:
        return resolved
    place = os.path.abspath(os.path.expanduser(data.dir))
    return resolved.updated({"data.dir": place}, resolved.origins["data.dir"])


def resolve_text(resolved: Resolved) -> Resolved:
    """What a text is read with where nobody said it."""
    data = resolved.config.data
    if not is_text(data):
        return resolved
    unset = {"data.tokenizer": "characters", "data.context_length": DEFAULT_CONTEXT}
    values = {key: value for key, value in unset.items() if getattr(data, key.partition(".")[2]) is None}
    return resolved.updated(values, "auto") if values else resolved


def resolve_data(resolved: Resolved, family_image_size: int) -> Resolved:
    """Fill in what the data is. A folder without --image-size is resized to what the model family was designed for."""
    resolved = resolve_place(resolved)
    if not has_own_size(resolved.config.data) and resolved.config.data.image_size is None:
        resolved = resolved.updated({"data.image_size": family_image_size}, "auto")
    if resolved.origins["data.rules"] == "default" and (rules := rules_for(resolved.config.data)) != 1:
        resolved = resolved.updated({"data.rules": rules}, "auto")
    if resolved.origins["data.grey_bits"] == "default" and (found := grey_bits_for(resolved.config.data)):
        resolved = resolved.updated({"data.grey_bits": found[0]}, found[1])
    check_data_settings(resolved.config.data)
    resolved = resolve_text(resolved)
    facts = data_facts(resolved.config.data)
    values: dict[str, Any] = {
        "data.name": facts.name,
        "data.image_size": None if is_text(resolved.config.data) else facts.image_size,
        "data.classes": facts.classes,
        "data.channels": facts.channels,
        "data.fingerprint": fingerprint_of(resolved.config.data),
        "data.input_shape": facts.input_shape and list(facts.input_shape),
    }
    changed = {
        key: value for key, value in values.items() if value != getattr(resolved.config.data, key.partition(".")[2])
    }
    return resolved.updated(changed, "data") if changed else resolved
