"""Where a run's weights come from when it does not start from nothing: a run, an exported model, or timm.

`transfer.source` is a run (its folder, its id, or the hash that ends the id) or an exported model. Every model that
this run trains takes the source's model of its own architecture, whatever its role was there; `transfer.role` leaves
one of the source's models to take. `transfer.pretrained` takes timm's weights: for the one model of a classic run, for
the base of an alternating one unless the role says motivated. The head is always a new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.config.identity import run_id
from seekcli.config.layers import Resolved
from seekcli.config.pair_settings import is_own_model
from seekcli.config.schema import RunConfig
from seekcli.config.settings import pair_name
from seekcli.data.text.reading import is_text, text_of
from seekcli.errors import BadInput, MissingSource, reworded, shown_value
from seekcli.models.catalog import MODELS, model_spec
from seekcli.runs.folder import RunFolder
from seekcli.runs.scan import recorded_runs

if TYPE_CHECKING:
    from torch import Tensor

    from seekcli.models.transplant import SourceWeights


@dataclass(frozen=True)
class SourceModel:
    """One model that a source has: described here, read when it is needed. `run_id` is the run that made it."""

    model: str
    role: str
    sha256: str
    run_id: str
    read: Callable[[], Mapping[str, Tensor]]
    vocabulary: tuple[str, ...] | None = None  # of a language model: the name of each token by its id


def resolve_transfer(resolved: Resolved, results: Path) -> Resolved:
    """Fill in `transfer.sha256` and `run`, and `source` for an `auto` init where the motivated model is given.

    `results` is where runs are looked for by id. A source that is gone, or is none any more, is no hindrance to a run
    that has begun: its own record says what it was; a source with other weights makes another run. Raises BadInput
    naming what is missing, or both architectures where none fits.
    """
    transfer = resolved.config.transfer
    if resolved.config.extend.run is not None:  # its start is the end of that run, wherever that one started
        return resolved
    check_request(resolved.config)
    if transfer.source is None and not transfer.pretrained:
        return resolved
    try:
        sources = match_models(resolved.config, results)
    except BadInput as error:
        if (known := as_recorded(resolved, results)) is not None:
            return known
        origin = resolved.origins["transfer.pretrained" if transfer.pretrained else "transfer.source"]
        raise error if origin.startswith("-") else reworded(error, f"{origin}: {error}") from None
    values = {"transfer.sha256": joined_sha256(sources)}
    if transfer.sha256 not in (None, values["transfer.sha256"]):
        raise BadInput(f"{label(resolved.config)}: the sha256 of its weights is not the one in transfer.sha256")
    values["transfer.run"] = next(iter(sources.values())).run_id
    if not resolved.config.classic and resolved.config.pair.motivated in sources:
        values |= init_of_given(resolved)
    elif not resolved.config.classic and resolved.config.pair.init == "source":
        raise BadInput("--init source: the source gives the base alone; use identity or paper")
    return resolved.updated(values, label(resolved.config))


def check_request(config: RunConfig) -> None:
    transfer, given = config.transfer, config.transfer.source is not None or config.transfer.pretrained
    if transfer.source is not None and transfer.pretrained:
        raise BadInput("--pretrained takes timm's weights and --init-from those of a run: give one of the two")
    if transfer.role is not None and not given:
        raise BadInput("--role names one of the source's models: add --init-from RUN_OR_EXPORT")
    if (transfer.sha256 or transfer.run) and not given:
        raise BadInput("transfer.sha256 and transfer.run are found out, not set: name the source with --init-from")
    if not given and not config.classic and config.pair.init == "source":
        raise BadInput("--init source needs a source: add --init-from RUN_OR_EXPORT")


def init_of_given(resolved: Resolved) -> dict[str, str]:
    """How the differential parts start where the source has them: as they come, or silenced by `identity`."""
    init = resolved.config.pair.init
    if resolved.origins["pair.init"] == "auto" or init == "source":
        return {"pair.init": "source"}
    if init == "identity":
        return {}
    raise BadInput(
        f"--init {init} starts the differential parts afresh, and {label(resolved.config)} gives them: use --init "
        "source or identity, or --role base to take the base alone"
    )


def label(config: RunConfig) -> str:
    """What messages call the source: as the user gave it."""
    return "--pretrained" if config.transfer.pretrained else f"--init-from {config.transfer.source}"


def start_weights(config: RunConfig, results: Path) -> SourceWeights | None:
    """The tensors that a fresh run starts from; None for one that starts from nothing.

    Raises BadInput, naming the source, when it is missing, damaged, or not what the run id holds any more.
    """
    if config.transfer.sha256 is None:
        return None
    from seekcli.models.transplant import SourceWeights

    sources = match_models(config, results)
    if joined_sha256(sources) != config.transfer.sha256:
        raise BadInput(f"{label(config)}: its weights have changed since this run was made for them (sha256 differs)")
    return SourceWeights(label(config), {name: source.read() for name, source in sources.items()})


def joined_sha256(sources: Mapping[str, SourceModel]) -> str:
    """One digest, or two joined by +, the base's first."""
    return "+".join(source.sha256 for source in sources.values())


def match_models(config: RunConfig, results: Path) -> dict[str, SourceModel]:
    """What each model of this run takes, by model name, base first. At least one takes something."""
    transfer = config.transfer
    if transfer.pretrained:
        role = transfer.role or config.roles[0]
        if role not in config.roles:
            raise BadInput(f"--role {role}: a run of schedule {config.schedule} has no {role} model")
        return {config.model_name(role): model_of_timm(config.model_name(role))}
    assert transfer.source is not None
    try:
        sources = source_models_of(transfer.source, results)
    except BadInput as error:
        raise reworded(error, f"{label(config)}: {error}") from None
    allowed = [source for source in sources if transfer.role in (None, source.role)]
    if not allowed:
        raise BadInput(f"--role {transfer.role}: {transfer.source} has only the {words_of(sources, 'role')} model")
    names = [config.model_name(role) for role in config.roles]
    # By architecture and not by role: the larger model of 20-to-32 is what the base of 32-to-44 starts from.
    chosen = {name: [source for source in allowed if source.model == name] for name in names}
    taken = {name: found for name, found in chosen.items() if found}
    if not taken:
        raise BadInput(f"{label(config)} {wrong_architecture(config, allowed, sources)}")
    # A run records one source, and compare pairs runs by it: two runs, or one model twice, would be a guess.
    if len({source.run_id for found in taken.values() for source in found}) > 1 or max(map(len, taken.values())) > 1:
        raise BadInput(f"{label(config)} holds models of different runs: name one of its files, or say --role")
    check_vocabulary(config, next(iter(taken.values()))[0])
    return {name: found[0] for name, found in taken.items()}


def check_vocabulary(config: RunConfig, source: SourceModel) -> None:
    """Raise BadInput where the tokens of a language model are others than those that this run's text has."""
    if source.vocabulary is None or not is_text(config.data):
        return
    own = text_of(config.data).vocabulary
    if own == source.vocabulary:
        return
    odd = sorted({*own} ^ {*source.vocabulary})
    which = "is not in the text" if odd[0] in source.vocabulary else "is new in the text"
    raise BadInput(
        f"{label(config)}: its vocabulary has {len(source.vocabulary)} tokens, {config.data.name} has {len(own)}, and "
        f"{shown_value(odd[0])} {which}; models of bytes (data.tokenizer=bytes) fit every text"
    )


def words_of(sources: list[SourceModel], attribute: str) -> str:
    return " and ".join(dict.fromkeys(getattr(source, attribute) for source in sources))


def wrong_architecture(config: RunConfig, allowed: list[SourceModel], sources: list[SourceModel]) -> str:
    """Both architectures, and what would fit."""
    names = [config.model_name(role) for role in config.roles]
    other = next((source.role for source in sources if source.model in names), None)
    have, wanted = words_of(allowed, "model"), " and ".join(names)
    hint = f"take its {other} model with --role {other}" if other else fitting_command(config, allowed[0].model)
    return f"has weights of {have}, this run trains {wanted}, and only the same model fits; {hint}"


def fitting_command(config: RunConfig, name: str) -> str:
    """`train it with --model resnet20-to-32`: the nearest run that the weights of this model fit."""
    if config.classic:
        return f"train it with --model {name} --schedule {config.schedule}"
    if is_own_model(name):
        return f"train it with --base {name}, and --motivated beside it"
    spec = model_spec(name)
    family = sorted((one for one in MODELS.values() if one.family == spec.family), key=lambda one: one.order)
    place = min(family.index(spec), len(family) - 2)
    return f"train it with --model {pair_name(family[place].name, family[place + 1].name)}"


def source_models_of(text: str, results: Path) -> list[SourceModel]:
    """The models of a run or an export, base first. Raises BadInput where there is none, or none that will do."""
    from seekcli.export.card_files import find_cards, is_export

    if not text.strip():
        raise BadInput("name a run (its folder, id, or the hash that ends its id) or an exported model")
    path = Path(os.path.expanduser(text))
    if is_export(path):
        cards = find_cards(path) if path.is_dir() else [path]
        return sorted(map(model_of_export, cards), key=lambda source: source.role)
    if not path.exists() and (os.sep in text or path.suffix in (".safetensors", ".json")):
        raise MissingSource("there is no run and no exported model")
    return models_of_run(str(path), results)


def model_of_export(path: Path) -> SourceModel:
    from seekcli.export.card import read_card
    from seekcli.export.card_files import find_card, require_weights
    from seekcli.runs.weights import read_weights

    card_path = find_card(path)
    card = read_card(card_path)
    require_weights(card, card_path)
    read = partial(read_weights, card_path.parent / card.weights.file, card.weights.sha256)
    # Models of one run at two moments are not of one source: no baseline from the one goes with an arm from the other.
    left = card.training.unfinished
    run_id = card.training.run_id if left is None else f"{card.training.run_id}@step-{left.steps_done}"
    return SourceModel(
        card.model, card.role, card.weights.sha256, run_id, read, card.class_names if card.text else None
    )


def models_of_run(text: str, results: Path) -> list[SourceModel]:
    from seekcli.runs.named_runs import find_run

    path = find_run(text, results)
    from seekcli.export.finished_run import open_run

    run = open_run(path)
    return [
        SourceModel(
            run.final_row(role)["model"], role, sha256_as_exported(run.weights_path(role)), run.status.run_id,
            partial(run.weights, role), run.facts.class_names if is_text(run.config.data) else None,
        )
        for role in run.roles
    ]  # fmt: skip


def model_of_timm(name: str) -> SourceModel:
    from seekcli.models.pretrained import pretrained_file
    from seekcli.runs.weights import read_weights

    path = pretrained_file(name)
    return SourceModel(name, "base", sha256_as_exported(path), "timm", partial(read_weights, path))


def sha256_as_exported(path: Path) -> str:
    """sha256 of the tensors as an export writes them, so that a run and its export are one source."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    return sha256_of_file_version(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def sha256_of_file_version(path: Path, modified_ns: int, size_bytes: int) -> str:
    """A grid asks for the same file once for each of its points."""
    from safetensors.torch import save

    from seekcli.export.formats import METADATA
    from seekcli.runs.weights import read_weights, sha256_of_bytes

    return sha256_of_bytes(save(read_weights(path), metadata=METADATA))


def as_recorded(resolved: Resolved, results: Path) -> Resolved | None:
    """The same settings with the source's sha256 as a run that has begun recorded it; None when not exactly one did."""
    found = [
        candidate
        for folder in recorded_runs(results)
        if (candidate := with_recorded_source(resolved, folder)) is not None
    ]
    return found[0] if len(found) == 1 else None  # of several, with the source gone, nothing says which is meant


def with_recorded_source(resolved: Resolved, folder: RunFolder) -> Resolved | None:
    """`resolved` with the weights that this run started from, if that makes it that very run."""
    found = folder.readable_config()
    if found is None:
        return None
    stored = found.config
    values = {"transfer.sha256": stored.transfer.sha256, "transfer.run": stored.transfer.run}
    if resolved.origins["pair.init"] == "auto":
        values["pair.init"] = stored.pair.init
    if stored.transfer.sha256 is None or stored.transfer.source != resolved.config.transfer.source:
        return None
    candidate = resolved.updated(values, "recorded")
    return candidate if run_id(candidate.config) == folder.path.name else None
