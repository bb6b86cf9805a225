"""The table of contents: every command, one file each. Turns what users must be told into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import seekcli
from seekcli.cli.output import never_refuse_a_character, say
from seekcli.cli.readers import ReaderGone, closed_streams_are_nowhere, noticing_readers
from seekcli.cli.reading import ReadingLines
from seekcli.cli.stop import interruptible
from seekcli.data.sets.identity import reading_watched
from seekcli.errors import EXIT_INTERRUPTED, TRACEBACK, SeekError, Stopped, one_line, unforeseen

# Command name -> module of seekcli.cli; the function has the command's name. Order is the order of `seek --help`.
COMMANDS = ("train", "grid", "tune", "compare", "report", "flops", "export", "evaluate", "map", "list", "doctor")


class SeekGroup(TyperGroup):
    """A Typer group whose errors are one line on stderr: `seek: error: ...`."""

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


for _name in COMMANDS:
    _module = importlib.import_module(f"seekcli.cli.{_name}")
    if hasattr(_module, "commands"):  # a command with commands of its own
        app.add_typer(_module.commands, name=_name)
    else:
        app.command(_name)(getattr(_module, _name if hasattr(_module, _name) else f"{_name}_command"))


def main() -> None:
    app(prog_name="seek")
