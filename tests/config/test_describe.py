"""`seek list settings`: each setting of the schema, in words that hold."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.config.describe import described_settings
from seekcli.config.layers import DEFAULTS, merge
from seekcli.errors import BadInput

ROWS = {row["key"]: row for row in described_settings()}


def test_every_setting_is_described_with_its_default() -> None:
    assert {key: row["default"] for key, row in ROWS.items() if row["type"] != "table"} == {
        key: value for key, value in DEFAULTS.items() if key != "motivation.options"
    }
    assert [key for key, row in ROWS.items() if not row["meaning"]] == []


@pytest.mark.parametrize("key", [key for key, row in ROWS.items() if row["choices"]])
def test_choices_are_all_there_are(key: str) -> None:
    with pytest.raises(BadInput):
        merge([("test", {key: "no such choice"})])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("train.batch_size", "whole number, 2 or more"),
        ("optimizer.momentum", "number, 0 or more, below 1"),
        ("lr_schedule.decay_rate", "number, above 0, up to 1"),
        ("train.steps", "whole number, 1 or more or not set"),
        ("motivation.counts", "list of whole numbers or not set"),
        ("data.whole_digest", "true or false"),
        ("transfer.role", "one of the choices or not set"),
    ],
)
def test_types_are_said_in_words(key: str, words: str) -> None:
    assert ROWS[key]["type"] == words


def test_the_command_shows_them_all_within_80_columns() -> None:
    done = CliRunner().invoke(app, ["list", "settings"])
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    shown = {line.split(" = ")[0] for line in done.stdout.splitlines() if " = " in line and not line.startswith(" ")}
    assert shown == set(ROWS)
    rows = json.loads(CliRunner().invoke(app, ["list", "settings", "--format", "json"]).stdout)
    assert {row["key"] for row in rows} == set(ROWS)
