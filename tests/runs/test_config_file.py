"""config.json as it is published: all that tells arms apart, nothing of the machine."""

from __future__ import annotations

import json
from pathlib import Path

from seekcli.config.layers import merge
from seekcli.runs.config_file import ConfigFile, document_to_publish


def test_what_is_published_names_runs_without_the_folders_of_this_machine() -> None:
    settings = {"motivation.counts_from": "/home/me/results, /data/runs/loss_s1", "data.dir": "/home/me/photos"}
    found = ConfigFile(Path("config.json"), "run", merge([("test", settings)]).config, {}, b"", {})
    published = document_to_publish(found, "folder:photos")
    assert published["config"]["motivation"]["counts_from"] == "results,loss_s1"
    assert "/home" not in json.dumps(published)
