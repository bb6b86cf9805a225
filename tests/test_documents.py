"""A document with one bit flipped is damaged or says the same; one of an earlier version is taken as it is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from record_rows import a_status

from seekcli import files
from seekcli.documents import read_document, write_document
from seekcli.errors import BadInput

CONTENT: dict[str, Any] = a_status().model_dump() | {"tables_sha256": {"epochs.parquet": "ab" * 32}}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text().filter(lambda key: key != "sha256"), values, max_size=4))
def test_a_document_comes_back(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "document.json"
    write_document(path, content)
    assert repr(read_document(path)) == repr(content)


def outcome(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except BadInput as error:
        return "named" if str(path) in str(error) else str(error)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_named_or_harmless(tmp_path: Path, every: int) -> None:
    """Every byte (every seventh), and of each the bit that a seeded draw takes."""
    path = tmp_path / "status.json"
    write_document(path, CONTENT)
    data, draw, named = path.read_bytes(), random.Random(0), 0
    for place in range(0, len(data), every):
        flipped = bytearray(data)
        flipped[place] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        found = outcome(path, read_document)
        assert found in ("named", CONTENT), place
        named += found == "named"
    assert named > 0.9 * len(data) / every


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda text: text.replace("finished", "finishes"), "does not match its sha256"),
        (lambda text: text.replace('"sha256"', '"sha257"'), "no sha256"),
        (lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != "sha256"}), "no sha"),
        (lambda text: text[: len(text) // 2], "not JSON"),
    ],
    ids=["content", "name of the digest", "no digest", "half"],
)
def test_what_is_wrong_is_said(tmp_path: Path, broken: Callable[[str], str], words: str) -> None:
    path = tmp_path / "status.json"
    write_document(path, CONTENT)
    path.write_text(broken(path.read_text()))
    with pytest.raises(BadInput, match=rf"status\.json is damaged.*{words}"):
        read_document(path, since="tables_sha256")


def test_documents_of_earlier_versions_and_other_indentations_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for value in ({"a": 1}, [], "text", None):
        files.write_json(path, value)
        assert read_document(path, since="b") == value
    write_document(path, {"b": 1.5, "a": ["ü"]})
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert read_document(path) == {"a": ["ü"], "b": 1.5}
