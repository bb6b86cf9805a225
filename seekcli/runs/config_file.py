"""config.json: the full resolved settings of a run, where each came from, and what its data turned out to be.

The one reader of that file. Settings that came after the run stand at their old behaviour (`stored_config`).
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from seekcli.config.identity import RunIds, flat_config, run_id, run_key, stored_config
from seekcli.config.schema import RunConfig
from seekcli.config.value_types import MOST_SEED
from seekcli.documents import (
    DIGEST,
    SCHEMA_VERSION,
    digested_text,
    first_of,
    first_problem,
    parse_document,
    read_document,
    read_file,
    refuse_newer,
)
from seekcli.errors import BadInput
from seekcli.plain_data import parse_json
from seekcli.runs.records import CONFIG

CONFIGS = "configs.json"  # of published findings: run id -> what config.json of the run said
# Keys of the facts of a run: what its losses are in, where that is not nats; and what a task or loop of somebody's own
# measures by which names, each with `higher_is_better`.
LOSS_UNIT, OWN_METRICS = "loss_unit", "own_metrics"
MARSHAL_VERSION = 2  # later ones write equal values in more than one way
# What every run has had from the beginning.
SECTIONS = ("schedule", "seed", "pair", "motivation", "data", "train", "optimizer", "lr_schedule", "augment", "runtime")


class RecordedFacts(BaseModel):
    """The `facts` of a run's config.json: what its data turned out to be."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    classes: int
    channels: int
    image_size: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_images: int
    test_images: int
    contents: str | None = None  # of data whose fingerprint does not hold them

    @model_validator(mode="after")
    def agree(self) -> RecordedFacts:
        """A model is built by these: none has fewer than no classes, or channels without a mean."""
        for name, number, of_each in (("classes", self.classes, "class_names"), ("channels", self.channels, "mean")):
            if (found := len(getattr(self, of_each))) not in (0, number) or number < 0:
                raise ValueError(f"{name} is {number}, and {of_each} has {found}")
        return self


@dataclass(frozen=True)
class ConfigFile:
    """What config.json of a run says. `run_id` is that of its settings, or None in a file that names no run."""

    path: Path
    run_id: str | None
    config: RunConfig
    flat: Mapping[str, Any]  # the same settings by their dotted keys, as plain data
    settings_key: bytes  # equal in files that differ in their seed alone
    facts: Mapping[str, Any]  # of the data: see `writer.config_document`; empty where there are none

    def recorded_facts(self) -> RecordedFacts:
        """Raises BadInput, naming the file, where one is missing or cannot be."""
        try:
            return RecordedFacts.model_validate(self.facts)
        except ValidationError as error:
            key, what, _ = first_of(error)
            raise BadInput(f"{self.path} is damaged: facts{f'.{key}' if key else ''}: {what}") from None


def read_config(run_dir: Path) -> ConfigFile:
    """Raises BadInput, naming the file, when it is missing, damaged, newer, or its settings are not those of its id."""
    path = run_dir / CONFIG
    data = read_file(path)
    return _like_another(path, data) or _from_tree(path, parse_document(path, data))


# What differs between the config.json of runs that differ in their seed alone, as the file is written.
BEFORE_NAME, BEFORE_SEED, BEFORE_DIGEST = b'\n  "run_id": "', b'\n    "seed": ', b'\n  "sha256": "'
NAME_MARK, SEED_MARK, DIGEST_MARK = "<run id>", "<seed>", "<digest>"


def _like_another(path: Path, data: bytes) -> ConfigFile | None:
    """The same as for any config.json, where one that differs in its seed alone may have been read before, so that its
    settings need not be read once more. None for a file in another form, and for one that is damaged."""
    head, _, rest = data.partition(BEFORE_NAME)
    name, _, rest = rest.partition(b'"')
    middle, _, rest = rest.partition(BEFORE_SEED)
    seed, _, rest = rest.partition(b",")
    rest, _, end = rest.rpartition(BEFORE_DIGEST)
    digest, _, tail = end.partition(b'"')
    if not (seed.isdigit() and len(seed) < 20 and name.isascii()) or int(seed) > MOST_SEED:
        return None
    found = _but_for_the_seed((head, middle, rest, tail))
    if found is None or found.digest_of(name, seed) != digest or found.run_ids[int(seed)].encode() != name:
        return None
    return _with_seed(path, name.decode(), found.file, int(seed))


@dataclass(frozen=True)
class _Alike:
    """What files that differ in their seed alone have in common: `file` is the one of seed 0, `texts` are the parts of
    the digested text between the seed and the run id."""

    file: ConfigFile
    run_ids: RunIds
    texts: tuple[bytes, bytes, bytes]

    def digest_of(self, name: bytes, seed: bytes) -> bytes:
        before, between, after = self.texts
        return sha256(b"".join((before, seed, between, b'"', name, b'"', after))).hexdigest().encode()


@lru_cache(maxsize=10_000)
def _but_for_the_seed(parts: tuple[bytes, bytes, bytes, bytes]) -> _Alike | None:
    """Of the bytes around run id, seed and digest. None where these are not those of the run, as the marks in their
    places show, or there is something wrong with the file."""
    marks = (NAME_MARK, SEED_MARK, DIGEST_MARK)
    head, middle, rest, tail = parts
    before_seed = head + BEFORE_NAME + NAME_MARK.encode() + b'"' + middle + BEFORE_SEED
    text = before_seed + b'"%s",' % SEED_MARK.encode() + rest + BEFORE_DIGEST + DIGEST_MARK.encode() + b'"' + tail
    try:
        tree = parse_json(text, finite_only=False)
        if (tree["run_id"], tree["config"]["seed"], tree.pop(DIGEST)) != marks:
            return None
        digested = digested_text(tree).encode()
        before, _, rest = digested.partition(b'"%s"' % SEED_MARK.encode())
        between, _, after = rest.partition(b'"%s"' % NAME_MARK.encode())
        tree["config"]["seed"], tree["run_id"] = 0, None
        found = _from_tree(Path(CONFIG), tree)
    except (ValueError, TypeError, KeyError, BadInput):
        return None
    run_ids = RunIds(found.config, run_key(found.config, found.flat))
    return _Alike(found, run_ids, (before, between, after))


def _with_seed(path: Path, name: str, found: ConfigFile, seed: int) -> ConfigFile:
    own = {"seed": seed}
    config, flat = found.config.model_copy(update=own), {**found.flat, **own}
    return ConfigFile(path, name, config, flat, found.settings_key, found.facts)


def published_config(table: Path, run_id: str) -> ConfigFile | None:
    """What configs.json beside a published table says of a run; None where there is none. Raises as `read_config`."""
    path = table.parent / CONFIGS
    tree = _published_trees(path, path.stat().st_mtime_ns).get(run_id) if path.is_file() else None
    return None if tree is None else _from_tree(path, tree)


@lru_cache(maxsize=10)
def _published_trees(path: Path, modified_ns: int) -> Mapping[str, Any]:
    content = read_document(path)
    runs = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(runs, dict):
        raise BadInput(f"{path} is damaged (no runs)")
    return runs


# Settings that say where other runs were found: by id, or by a path of this machine. No run id holds them.
NAMES_OF_RUNS = (("motivation", "counts_from"), ("train", "match_from"), ("transfer", "source"), ("extend", "source"))


def document_to_publish(found: ConfigFile, data: str) -> dict[str, Any]:
    """Settings and facts without anything of the machine: `data` is the name that the records have."""
    config = found.config.model_dump(mode="json")
    config["data"] |= {"dir": None, "name": data}
    for section, key in NAMES_OF_RUNS:
        if (named := config.get(section, {}).get(key)) is not None:
            config[section][key] = ",".join(Path(word.strip()).name for word in named.split(","))
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": found.run_id,
        "config": config | {"recipe_file": None},
        "facts": dict(found.facts),
    }


def _from_tree(path: Path, tree: Any) -> ConfigFile:
    if not isinstance(tree, dict):
        raise BadInput(f"{path} is damaged (not a mapping of settings)")
    refuse_newer(path, tree.get("schema_version"))
    owner, settings, facts = tree.get("run_id"), tree.get("config", tree), tree.get("facts", {})
    if not isinstance(settings, dict):
        raise BadInput(f"{path} is damaged (not a mapping of settings)")
    named = {key.partition(".")[0] for key in settings}  # a tree, or dotted keys
    if missing := [name for name in SECTIONS if name not in named]:
        raise BadInput(f"{path} is damaged (no {missing[0]})")
    try:
        stored = _stored(settings)
    except ValidationError as error:
        raise BadInput(f"{path} is damaged: {first_problem(error)}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    if owner is not None and (made_of := run_id(stored.config, stored.run_key)) != owner:
        raise BadInput(f"{path} is damaged: its settings are those of {made_of}, not of {owner}")
    facts = facts if isinstance(facts, dict) else {}
    return ConfigFile(path, owner, stored.config, stored.flat, stored.key, facts)


@dataclass(frozen=True)
class _Settings:
    """Of a config: what tells it from others but for its seed, the same as dotted keys, and its `run_key`."""

    key: bytes
    config: RunConfig
    flat: Mapping[str, Any]
    run_key: Mapping[str, Any]


def _stored(settings: dict[str, Any]) -> _Settings:
    """Raises as `stored_config`.

    Runs of one grid differ in little but their seeds: settings that were read before are not checked once more.
    """
    seed = settings.get("seed")
    if type(seed) is not int or not 0 <= seed <= MOST_SEED:
        return _checked(marshal.dumps(settings, MARSHAL_VERSION))
    found = _checked(marshal.dumps({**settings, "seed": 0}, MARSHAL_VERSION))
    own = {"seed": seed}
    return _Settings(found.key, found.config.model_copy(update=own), {**found.flat, **own}, {**found.run_key, **own})


@lru_cache(maxsize=10_000)
def _checked(key: bytes) -> _Settings:
    config = stored_config(marshal.loads(key))
    flat = flat_config(config)
    return _Settings(key, config, flat, run_key(config, flat))
