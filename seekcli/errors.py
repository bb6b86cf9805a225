"""What a user can be told: one clear line, and the exit code that goes with it."""

from __future__ import annotations

import difflib
import errno
import itertools
import re
from collections.abc import Iterable, Sequence

EXIT_RUN_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_RESUMABLE = 75
EXIT_INTERRUPTED = 130


# Set in the environment, it brings back the traceback of an error that nobody foresaw.
TRACEBACK = "SEEK_TRACEBACK"
# What a terminal obeys instead of showing it: control characters, line separators, marks that turn the direction of
# text; and bytes of a file name that are not UTF-8, which Python keeps as surrogates.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
    # Characters of no width, by which two names can differ that look equal.
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    r"\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# The system refuses the path itself: whoever named it can mend that.
WRONG_PATH = (
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM),
    *(errno.EROFS, errno.EILSEQ, errno.EINVAL),
)
# A word of a message that is longer than any path may be is cut in its middle.
LONGEST_WORD, WORD_ENDS = 1000, 40


class SeekError(Exception):
    """Anything that ends a command with one line on stderr and no traceback."""

    exit_code = EXIT_RUN_FAILED


class BadInput(SeekError, ValueError):
    """The user asked for something impossible: names the flag, file or key. Nothing was written."""

    exit_code = EXIT_BAD_INPUT


class BadInputs(BadInput):
    """Several things that are wrong with one file, each a line of its own."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class MissingSource(BadInput):
    """A run or an export that others start from, or take counts or costs of, is not there or not finished yet."""


class MissingData(MissingSource):
    """The folder of a data set is not there, or not yet."""


def reworded(error: BadInput, message: str) -> BadInput:
    """The error with another message; a source that is missing stays one."""
    kinds = (MissingData, MissingSource)
    return next((kind for kind in kinds if isinstance(error, kind)), BadInput)(message)


class NewerFile(BadInput):
    """A file that a later version of this program wrote, in a form that this one does not know."""


class DamagedRun(BadInput):
    """A run folder is not as a run leaves it: something in it is damaged, foreign or gone."""


class HeldElsewhere(BadInput):
    """Another process that lives writes to this run folder: `owner`, such as "process 7 on box"."""

    def __init__(self, message: str, owner: str = "") -> None:
        super().__init__(message)
        self.owner = owner


class RunFailed(SeekError):
    """A run started and could not finish (a non-finite loss, a full disk); finished work is kept."""

    exit_code = EXIT_RUN_FAILED


class AgreedFailure(RunFailed):
    """A failure that every process of a run has met alike, at the same step: a non-finite loss."""


class LostLease(RunFailed):
    """Another process took the run over, since this one gave no sign of life for a while."""


class Stopped(SeekError):
    """The run was asked to stop, saved its state, and can be resumed."""

    exit_code = EXIT_RESUMABLE


class LostProcess(Stopped):
    """Another process of the run is gone. What was saved is kept, and the run can be resumed."""


def unforeseen(error: BaseException) -> tuple[str, int]:
    """One line, and the exit code, for an error that nobody foresaw: a traceback tells a user nothing."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        name = error.filename.decode(errors="surrogateescape") if isinstance(error.filename, bytes) else error.filename
        what = error.strerror if name is None else f"cannot use {name}: {error.strerror}"
        return what, EXIT_BAD_INPUT if error.errno in WRONG_PATH else EXIT_RUN_FAILED
    if isinstance(error, MemoryError):
        return f"out of memory ({error})" if str(error) else "out of memory", EXIT_RUN_FAILED
    from seekcli.torch_pair import explained

    if (reason := explained(error)) is not None:
        return f"{reason}; `seek doctor` shows what is installed", EXIT_RUN_FAILED
    what = f"{type(error).__name__}: {error}"
    return f"{what} (unexpected: please report it; {TRACEBACK}=1 shows where)", EXIT_RUN_FAILED


def visible(text: str, keep: str = "") -> str:
    """The text with everything that a terminal would obey written out, `\\x1b`; characters of `keep` stay."""
    return UNSEEN.sub(lambda found: found[0] if found[0] in keep else _written_out(found[0]), text)


def one_line(message: str) -> str:
    """A message as it may reach a terminal: on one line, nothing in it obeyed, no word of thousands of characters."""
    words = (word if len(word) <= LONGEST_WORD else _cut(word) for word in message.split())
    return visible(" ".join(words))


def shown_value(value: object) -> str:
    """A value that somebody gave, for a message about it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no more digits than that
        return "a number of more than 4,300 digits"
    return text if len(text) <= LONGEST_WORD // 5 else _cut(text)


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 epoch`, `2 epochs`, `1,297 images`; `nouns` is the plural of a word that does not take an s."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def human_bytes(count: float) -> str:
    """1234567 -> "1.23 MB" (decimal units, three digits)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB" if count < 999.5 else f"{count:,.0f} TB"


def human_flops(count: float) -> str:
    """1.234e15 -> "1.23 PFLOPs" (three digits)."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if count < 999.5:
            return f"{count:.3g} {prefix}FLOPs"
        count /= 1000
    return f"{count:,.3g} EFLOPs" if count < 999.5 else f"{count:,.0f} EFLOPs"


def human_hours(hours: float) -> str:
    """`40 s`, `12 min`, `3.4 h`."""
    seconds = hours * 3600
    return f"{seconds:.0f} s" if seconds < 99.5 else f"{seconds / 60:.0f} min" if hours < 1.66 else f"{hours:,.1f} h"


def _written_out(character: str) -> str:
    byte = ord(character) - 0xDC00  # 0x80 to 0xff: a byte of a name that is not UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(character)[1:-1]


def _cut(text: str) -> str:
    return f"{text[:WORD_ENDS]}...{text[-WORD_ENDS:]} ({len(text):,} characters)"


def unknown(what: str, word: str, choices: Iterable[str], listed_by: str = "") -> BadInput:
    """A BadInput that names the wrong word, the nearest valid one and, when they are few, all of them; of more the
    command that lists them."""
    names = sorted(choices)
    close = nearest(word, names)
    hint = f"; did you mean {close!r}?" if close else ""
    listing = f" (one of: {', '.join(map(visible, names))})" if len(names) <= 12 else ""
    if listed_by and not listing:
        listing = f"; `{listed_by}` has all"
    return BadInput(f"unknown {what} {shown_value(word)}{hint}{listing}")


def nearest(word: str, names: Sequence[str]) -> str | None:
    """The name most like the word; of equally like ones the one that begins like it (resnet21 is near resnet20).

    Of names with a dot those go first whose last part is like the word's: `train.lrr` is near `optimizer.lr`.
    """
    last = word.rpartition(".")[2]
    dotted = [name for name in names if "." in name] if "." in word else []
    alike = [name for name in dotted if difflib.SequenceMatcher(None, name.rpartition(".")[2], last).ratio() >= 0.75]
    close = alike or difflib.get_close_matches(word, names, n=5, cutoff=0.4)

    def likeness(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, word).ratio(), sum(
            1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, word, strict=False))
        )

    return max(close, key=likeness, default=None)
