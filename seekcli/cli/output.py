"""How commands answer: the only place that prints, the choice of `--format`, and JSON that any program can read."""

from __future__ import annotations

import codecs
import json
import re
import shutil
import sys
import textwrap
from enum import StrEnum
from io import TextIOWrapper
from typing import Any, TextIO

import typer

from seekcli.errors import visible
from seekcli.launched import place
from seekcli.plain_data import json_text

PLAIN_FORMS = "seek-plain-forms"
PLAIN = {"±": "+-", "×": "x", "−": "-", "–": "-", "…": "...", "─": "-", "│": "|"}


class ReadFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def say(text: str = "", *, err: bool = False, nl: bool = True, always: bool = False) -> None:
    """Print lines. A name in them may hold anything, so what a terminal would obey is written out.

    Of several processes that train one run the first speaks for all, and another one only with `always`.
    """
    if not (place().first or always):
        return
    typer.echo(as_held_by(sys.stderr if err else sys.stdout, visible(text, keep="\n")), err=err, nl=nl)


def as_held_by(stream: TextIO, text: str) -> str:
    """The text in characters that the stream holds. Click writes UTF-8 where a stream says that it is ASCII."""
    encoding = stream.encoding or ""
    if not encoding or encoding.lower().startswith("utf"):
        return text
    codecs.register_error(PLAIN_FORMS, plain_form)
    return text.encode(encoding, PLAIN_FORMS).decode(encoding)


def say_fitting(text: str) -> None:
    """`say`, with lines that are wider than the terminal wrapped between words, below where their text begins.

    A path or a name is never broken. For programs there is `--format json`.
    """
    width = terminal_width()
    say("\n".join(fitted_line(line, width) for line in visible(text, keep="\n").split("\n")))


def terminal_width() -> int:
    """Columns of the terminal; 80 where there is none (COLUMNS says another width)."""
    return shutil.get_terminal_size().columns


def fitted_line(line: str, width: int) -> str:
    """`- topic with words   its text`: the text goes on below where it begins."""
    begin = re.match(r" *([-!] )?(\S+( \S+)* {2,})?", line)
    indent = min(begin.end() if begin else 0, width // 2)
    return line if len(line) <= width else textwrap.fill(
        line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True,
    )  # fmt: skip


def say_json(text: str) -> None:
    """Print JSON; in an output that holds ASCII alone it has other characters as JSON writes them there."""
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        text = "".join(character if character.isascii() else json.dumps(character)[1:-1] for character in text)
    typer.echo(text)


def echo_json(data: Any) -> None:
    say_json(json_text(data, indent=2))


def never_refuse_a_character() -> None:
    """A character that the output cannot hold (a name that is no UTF-8, a locale without it) is written out.

    Of those that our own tables use some have a plain form that everybody reads.
    """
    codecs.register_error(PLAIN_FORMS, plain_form)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=PLAIN_FORMS)


def plain_form(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for the first character that could not be encoded, and where encoding goes on."""
    if not isinstance(error, UnicodeEncodeError):
        return codecs.backslashreplace_errors(error)
    character, rest = error.object[error.start], error.start + 1
    if character in PLAIN:
        return PLAIN[character], rest
    one = UnicodeEncodeError(error.encoding, error.object, error.start, rest, error.reason)
    return codecs.backslashreplace_errors(one)
