"""The table of contents: every command, one file each. Turns what users must be told into one line and an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

import seekcli
from seekcli.cli.allocator import keep_freed_memory
from seekcli.cli.output import never_refuse_a_character, say
from seekcli.cli.own_warnings import show_own_as_notes
from seekcli.cli.readers import ReaderGone, closed_streams_are_nowhere, noticing_readers
from seekcli.cli.reading import ReadingLines
from seekcli.cli.stop import ENDS_WITH_COMMAND, interruptible
from seekcli.cli.unexpected import SeekCommand
from seekcli.data.sets.identity import reading_watched
from seekcli.errors import EXIT_INTERRUPTED, TRACEBACK, BadInputs, SeekError, Stopped, one_line, unforeseen

# Each command is a module of seekcli.cli with a function (or more commands) of that name. `seek --help` shows these
# lines, the first of each help, in this order, and imports no command.
COMMANDS = {
    "train": "Train a pair (or one model alone) and record every number. The same command again resumes or is done.",
    "grid": "Plan, run and watch the points of a grid file.",
    "tune": "Choose k by cross-validation on the training set, never by the test set; the choice is kept for --k auto.",
    "compare": "Compare alternating runs with their classic baselines: accuracy, noise, cost.",
    "report": "Write what the runs say as one page that needs no network: open it with a double click.",
    "bench": "Time the steps, copies and evaluation of a pair on this machine, and say what whole runs would take.",
    "flops": "Forward and training cost of one image, by model and stage, and the expected cost of an alternating run.",
    "export": "Write a run's models with a JSON card each, load them back, and check that the logits are equal.",
    "evaluate": "Evaluate exported models, or a finished run's, on images prepared as their cards say.",
    "speculative": "Measure speculative decoding: how often the larger model accepts what its base drafts.",
    "map": "Show what goes where between the models of a pair: blocks, tensors, coverage, what is unlinked.",
    "list": "List models, data, recipes, conditions, tasks, settings, columns of tables, or the runs of a folder.",
    "remove": "Remove runs for good: their folders and all that is in them. One that is running is left as it is.",
    "doctor": "Check versions, devices, data sets, the disk and its file locks. Exit code 1 where something is wrong.",
}


class LoadedCommands(MutableMapping[str, Any]):
    """The commands by name; a module is imported when its command is asked for."""

    def __init__(self) -> None:
        self.loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in COMMANDS and name not in self.loaded:
            self.loaded[name] = load_command(name)
        return self.loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def load_command(name: str) -> Any:
    module, one = importlib.import_module(f"seekcli.cli.{name}"), typer.Typer()
    if hasattr(module, "commands"):  # a command with commands of its own
        one.add_typer(module.commands, name=name)
    else:
        one.command(name, cls=SeekCommand)(getattr(module, name if hasattr(module, name) else f"{name}_command"))
    one.callback()(lambda: None)  # or a single command would be the whole program
    return typer.main.get_group(one).commands[name]


class SeekGroup(TyperGroup):
    """A Typer group whose errors are one line on stderr: `seek: error: ...`. A command is imported when it is run."""

    listing = False  # whether the help of the whole program is being written, for which a line a command is enough

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "commands": {}})
        self.commands = LoadedCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self.listing and cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.listing = False

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        closed_streams_are_nowhere()
        never_refuse_a_character()
        with noticing_readers():
            self.answer(args, *rest, **{**extra, "standalone_mode": False})

    def answer(self, args: Sequence[str] | None, *rest: Any, **options: Any) -> NoReturn:
        try:
            with interruptible(), reading_watched(ReadingLines()):
                code = super().main(args, *rest, **options)
        except TyperException as error:
            message = error.format_message().replace("Value error, ", "")  # the words of a library
            if not message:  # of `seek` and `seek grid` alone, which have printed their help
                sys.exit(error.exit_code)
            fail(message, error.exit_code)
        except Stopped as stop:
            fail(str(stop), stop.exit_code, "")
        except BadInputs as error:
            fail_all(error)
        except SeekError as error:
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted", EXIT_INTERRUPTED)
        except ReaderGone:  # `seek compare | head`: not an error
            sys.exit(0)
        except Exception as error:  # the last resort
            if os.environ.get(TRACEBACK):
                raise
            fail(*unforeseen(error))
        if code == EXIT_INTERRUPTED:  # typer has caught the Ctrl-C
            fail("interrupted", EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def fail_all(error: BadInputs) -> NoReturn:
    """A line for each thing that is wrong."""
    for line in error.lines[:-1]:
        say(f"seek: error: {one_line(line)}", err=True)
    fail(error.lines[-1], error.exit_code)


def fail(message: str, code: int, kind: str = "error: ") -> NoReturn:
    say(f"seek: {kind}{one_line(message)}", err=True)
    sys.exit(code)


def show_version(value: bool) -> None:
    if value:
        say(f"seek {seekcli.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=SeekGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def seek(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train a base model and a larger motivated model that contains it, in one run; compare, cost and export both."""


# They read thousands of runs, hold all that they read to their end, and end soon: to look through it for cycles again
# and again takes a sixth of the time of `seek compare` of 10,000 runs.
HOLD_ALL = ("compare", "list")


def main() -> None:
    keep_freed_memory()
    show_own_as_notes()
    if sys.argv[1:2] and sys.argv[1] in HOLD_ALL:
        gc.disable()
    ends = ENDS_WITH_COMMAND.set(True)
    try:
        app(prog_name="seek")
    finally:
        ENDS_WITH_COMMAND.reset(ends)
