"""What a user is told: on one line, safe for a terminal, whatever stands in it."""

from __future__ import annotations

import errno
import os

import pytest

from seekcli.errors import EXIT_BAD_INPUT, EXIT_RUN_FAILED, human_flops, one_line, shown_value, unforeseen, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 日本, 😀", "plain, größer, 日本, 😀"),
        ("\x1b[31m\x07", "\\x1b[31m\\x07"),
        ("a\nb\tc\rd\0", "a\\nb\\tc\\rd\\x00"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("abc\u202etxt.exe", "abc\\u202etxt.exe"),
        ("zero\u200bwidth\ufeff, so\u00adft, tag\U000e0041", "zero\\u200bwidth\\ufeff, so\\xadft, tag\\U000e0041"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_line_ends_stay_where_they_are_meant() -> None:
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_a_message_is_one_short_line() -> None:
    assert one_line("a\n  b\x1b") == "a b\\x1b"
    assert one_line(f"cannot read {'d/' * 3000}x") == f"cannot read {'d/' * 20}...{'/d' * 19}/x (6,001 characters)"
    path = "d/" * 400
    assert one_line(path) == path


def test_values_are_shown_however_long() -> None:
    assert shown_value("3") == "'3'"
    assert shown_value(10**5000) == "a number of more than 4,300 digits"
    assert len(shown_value([10**4000])) < 120


def test_a_system_error_that_nobody_foresaw_needs_no_report() -> None:
    name_too_long = OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "aaa")
    assert unforeseen(name_too_long) == ("cannot use aaa: File name too long", EXIT_BAD_INPUT)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert unforeseen(full) == ("No space left on device", EXIT_RUN_FAILED)
    assert unforeseen(MemoryError()) == ("out of memory", EXIT_RUN_FAILED)
    message, code = unforeseen(KeyError("x"))
    assert message.startswith("KeyError: 'x' (unexpected: please report it")
    assert code == EXIT_RUN_FAILED


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 FLOPs"), (999.4, "999 FLOPs"), (999.6, "1 kFLOPs"), (1.234e15, "1.23 PFLOPs"), (5e21, "5,000 EFLOPs")],
)
def test_flops_are_shown_in_units_that_can_be_read(count: float, shown: str) -> None:
    assert human_flops(count) == shown
