"""The flags of `train` and `tune`: pinned by name, said by the schema, completed by a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from seekcli.cli.app import COMMANDS, app, load_command
from seekcli.cli.setting_flags import PANELS, TRAIN_FLAGS, TUNE_FLAGS
from seekcli.config.describe import described_settings

# Options grow on purpose: who adds one adds it here, and a line to the changelog.
SHARED = """--base --batch-size --checkpoint-minutes --condition --config --data --data-dir --device --dry-run --epochs
    --eval-every --image-size --init --init-from --k --limit-train --lr --map --model --motivated --out --precision
    --pretrained --progress --recipe --role --seed --set --steps --workers"""
OPTIONS = {
    "train": f"""{SHARED} --at --extend --force --fresh --match --match-from --print-config --schedule --seeds --task
        --track""",
    "tune": f"{SHARED} --folds --format --tune-epochs",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_the_options_are_those_that_are_listed_here(command: str) -> None:
    options = typer.main.get_command(app).commands[command].params
    assert sorted(name for option in options for name in option.opts) == sorted(OPTIONS[command].split())
    assert {option.rich_help_panel for option in options} == set(PANELS)


@pytest.mark.parametrize(("command", "flags"), [("train", TRAIN_FLAGS), ("tune", TUNE_FLAGS)])
def test_a_flag_has_the_text_and_the_choices_of_its_setting(command: str, flags: tuple) -> None:
    settings = {row["key"]: row for row in described_settings()}
    options = {option.opts[0]: option for option in typer.main.get_command(app).commands[command].params}
    for flag in flags:
        option, setting = options[flag.flag], settings[flag.key]
        assert setting["meaning"]
        assert option.help.startswith(setting["meaning"])
        if setting["choices"]:
            inside = f": {', '.join(setting['choices'])}" in option.help
            assert inside or option.metavar == f"[{'|'.join(setting['choices'])}]"


def test_zero_is_a_value_and_false_is_none() -> None:
    """Of the numbers that a flag may set, 0 is one; a switch that is not given sets nothing."""
    words = ["train", "--workers", "0", "--checkpoint-minutes", "0", "--seed", "0", "--print-config"]
    printed = CliRunner().invoke(app, words, prog_name="seek").stdout
    lines = dict(line.split(" = ", 1) for line in printed.splitlines() if " = " in line)
    assert lines["runtime.workers"].endswith("# --workers")
    assert lines["runtime.checkpoint_minutes"].endswith("# --checkpoint-minutes")
    assert lines["seed"].endswith("# --seed")
    assert lines["transfer.pretrained"].endswith("# default")


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ("seek train --model", "resnet20-to-1", {"resnet20-to-110"}),
        ("seek tune --base", "vit-", {"vit-tiny", "vit-small", "vit-base"}),
        ("seek train --data", "cifar", {"cifar10", "cifar100"}),
        ("seek train --recipe", "cifar-v", {"cifar-vit"}),
        ("seek tune --condition", "random-c", {"random-count"}),
        ("seek train --schedule", "", {"alternating", "base", "motivated", "all", "grow"}),
        ("seek train --schedule", "a", {"alternating", "all"}),
        ("seek train --track", "", {"tensorboard", "wandb", "mlflow", "trackio"}),
        ("seek grid run file.toml --track", "t", {"tensorboard", "trackio"}),
    ],
)
def test_a_shell_completes_names(words: str, begun: str, expected: set[str]) -> None:
    found = CliRunner().invoke(
        app,
        [],
        env={
            "_SEEK_COMPLETE": "complete_bash",
            "COMP_WORDS": f"{words} {begun}",
            "COMP_CWORD": str(len(words.split())),
        },
        prog_name="seek",
    )
    assert set(found.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_given_the_same_names_and_a_script(shell: str) -> None:
    asked = {"_SEEK_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "seek train --schedule a"}
    found = CliRunner().invoke(app, [], env=asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}, prog_name="seek")
    assert {word for word in re.findall(r"\w+", found.stdout) if word.startswith("al")} == {"alternating", "all"}
    script = CliRunner().invoke(app, [], env={"_SEEK_COMPLETE": f"source_{shell}"}, prog_name="seek").stdout
    assert "_SEEK_COMPLETE=complete_" in script


def test_completion_and_help_import_no_torch() -> None:
    code = (
        "import sys; from seekcli.cli import app, completion as c\n"
        "assert all((c.pairs_and_models(''), c.models(''), c.data_names(''), c.recipes(''), c.conditions('')))\n"
        "assert not {'torch', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_help_of_the_program_shows_the_first_line_of_each_command_and_imports_none() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from seekcli.cli.app import app\n"
        "shown = CliRunner().invoke(app, ['--help']).stdout\n"
        "heavy = ('pydantic', 'seekcli.cli.train', 'seekcli.config')\n"
        "assert not [name for name in sys.modules if name.startswith(heavy)]\n"
        "assert 'Plan, run and watch the points of a grid file.' in shown\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"COLUMNS": "200"})
    for name, summary in COMMANDS.items():
        said = load_command(name).help.split("\n\n")[0]
        assert " ".join(said.split()) == summary, name
