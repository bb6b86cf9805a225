"""config.json of runs that differ in their seed alone; as it is published: nothing of the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seekcli.config.identity import flat_config, run_id
from seekcli.config.layers import merge
from seekcli.config.schema import RunConfig
from seekcli.documents import write_document
from seekcli.errors import BadInput
from seekcli.runs.config_file import ConfigFile, document_to_publish, read_config

BASE = merge([("test", {"data.name": "digits", "tune.seed": 0, "pair.init": "identity"})]).config


def written(folder: Path, config: RunConfig, **more: Any) -> Path:
    """A run folder with this config.json, as a run writes it."""
    document = {"schema_version": 1, "run_id": run_id(config), "config": config.model_dump(mode="json"), "facts": {}}
    write_document(folder / "config.json", document | more)
    return folder


@pytest.mark.parametrize("more", [{}, {"facts": {"class_names": ["\n    \"seed\": 7,", "<seed>", "<run id>"]}}])
def test_runs_of_other_seeds_are_read_as_they_are_written(tmp_path: Path, more: dict[str, Any]) -> None:
    for seed in (0, 1, 17, 2**31):
        config = BASE.model_copy(update={"seed": seed})
        found = read_config(written(tmp_path / f"run-{seed}", config, **more))
        assert (found.config, found.run_id, found.path.parent.name) == (config, run_id(config), f"run-{seed}")
        assert dict(found.flat) == flat_config(config)
        assert dict(found.facts) == more.get("facts", {})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('    "seed": 4,', '    "seed": 5,', "does not match its sha256"),
        ('    "seed": 4,', '    "seed": 04,', "not JSON"),
        ('    "seed": 4,', '    "seed": -4,', "does not match its sha256"),
        ("_s4_", "_s5_", "does not match its sha256"),
        ('"batch_size": ', '"batch_size": 1', "does not match its sha256"),
        ('"sha256": "', '"sha256": "0', "does not match its sha256"),
        ('"tune": {', '"tune": {,', "not JSON"),
    ],
)
def test_damage_is_found_where_another_seed_was_read_before(tmp_path: Path, old: str, new: str, problem: str) -> None:
    read_config(written(tmp_path / "good", BASE))
    path = written(tmp_path / "run", BASE.model_copy(update={"seed": 4})) / "config.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput, match=problem):
        read_config(path.parent)


def test_the_id_of_another_seed_is_refused_with_a_digest_that_is_right(tmp_path: Path) -> None:
    read_config(written(tmp_path / "good", BASE))
    other = BASE.model_copy(update={"seed": 4})
    with pytest.raises(BadInput, match=r"its settings are those of .*_s4_"):
        read_config(written(tmp_path / "run", other, run_id=run_id(BASE)))


def test_what_is_published_names_runs_without_the_folders_of_this_machine() -> None:
    settings = {"motivation.counts_from": "/home/me/results, /data/runs/loss_s1", "data.dir": "/home/me/photos"}
    found = ConfigFile(Path("config.json"), "run", merge([("test", settings)]).config, {}, b"", {})
    published = document_to_publish(found, "folder:photos")
    assert published["config"]["motivation"]["counts_from"] == "results,loss_s1"
    assert "/home" not in json.dumps(published)
