"""JSON and TOML from files that anybody may have written, and JSON for programs that are strict."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from seekcli.plain_data import json_text, parse_json, parse_toml

DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * DEEP + "]" * DEEP, "nested too deep"),
        ("[" * DEEP, "nested too deep"),
        ('{"a":' * DEEP + "1" + "}" * DEEP, "nested too deep"),
        ("[" * 60 + "]" * 60, "nested too deep"),
        ("9" * 4301, "4,300 digits"),
        ('{"a": [1, NaN]}', "out of range"),
        ("-Infinity", "out of range"),
        ("1e999", "out of range"),
        ("9" * 400, "out of range"),
        ("{", "Expecting"),
    ],
)
def test_json_that_no_reader_could_use_says_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_json(text.encode())


def test_bytes_that_are_no_text_are_no_json() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse_json(b'"\xff"')


def test_good_json_is_read() -> None:
    value = {"a": [1, 2.5, None, True, "größer"], "b": {"c": 10**300}}
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", ["[" * 60 + "]" * 60, "9" * 400, "9" * 4301, '{"a": 1,}', '"\t"', "-NaN", "01", "1 2"])
def test_documents_are_bounded_too(text: str) -> None:
    with pytest.raises(ValueError, match=r"deep|range|digits|Expecting|control|Extra"):
        parse_json(text.encode(), finite_only=False)


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "-0", "-0.0", "1e-08", "1e22", "5e-324", "9007199254740993", "1" * 300, "NaN", "-Infinity", "1e999"),
        *('"\\ud800"', '"\\ud83d\\ude00"', '{"b": 1, "a": 2, "b": 3}'),
    ],
)
def test_documents_hold_what_json_holds(text: str) -> None:
    assert repr(parse_json(text.encode(), finite_only=False)) == repr(json.loads(text))


def test_documents_in_other_encodings_are_read() -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert parse_json('{"ä": 1}'.encode(encoding), finite_only=False) == {"ä": 1}


@pytest.mark.parametrize("text", ["a = " + "[" * DEEP + "]" * DEEP, "a = " + "{a = " * DEEP, "a." * 100 + "b = 1"])
def test_toml_is_bounded_too(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_toml(text)


def test_toml_has_numbers_that_json_has_not() -> None:
    assert parse_toml("a = inf") == {"a": inf}
    with pytest.raises(ValueError, match="4,300 digits"):
        parse_toml(f"a = {'9' * 4301}")


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_json_for_others_has_null_for_what_is_no_number(value: float) -> None:
    written = json_text({"a": [value, 1.5, (value,)], "b": {"c": value}}, indent=2)
    assert json.loads(written, parse_constant=refuse) == {"a": [None, 1.5, [None]], "b": {"c": None}}


def test_json_steers_no_terminal_and_loses_nothing() -> None:
    value = {"größer": "\x1b[31m\x9b\u202e\n\udce9"}
    written = json_text(value)
    assert written == '{"größer": "\\u001b[31m\\u009b\\u202e\\n\\udce9"}'
    assert json.loads(written) == value


def refuse(name: str) -> Any:
    raise AssertionError(name)
