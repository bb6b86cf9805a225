"""What of a user's code counts for the identity of a run under a condition of their own."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seekcli.own_code.sources import digest_of_sources

NUMBERS = itertools.count()
CLASS = "class Mine:\n    pass\n"


OWN = ("alone", "beside", "between", "cond", "pack", "space")


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """The digest of `module:Mine` over files with these texts, in a folder of their own at the front of the path."""

    def found(module: str, **texts: str) -> tuple[str, str] | None:
        folder = tmp_path / str(next(NUMBERS))
        for name, text in texts.items():
            file = folder / f"{name.replace('__in__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        forget()
        monkeypatch.syspath_prepend(str(folder))
        return digest_of_sources(importlib.import_module(module).Mine)

    yield found
    forget()


def test_code_in_one_file_is_known_by_the_bytes_of_that_file(digest) -> None:
    """As it was from the beginning: runs keep their ids. What is installed, and seekcli, does not count."""
    text = f"import json\nimport numpy as np\nfrom seekcli.method.condition import Condition\n{CLASS}"
    own = hashlib.sha256(text.encode()).hexdigest()
    assert digest("alone", alone=text, beside="unused = 1") == (own, own)
    assert digest("pack.alone", pack__in____init__="1", pack__in__alone=text) == (own, own)


@pytest.mark.parametrize(
    ("module", "importing"),
    [
        ("cond", {"cond": f"import beside\n{CLASS}"}),
        ("cond", {"cond": f"import between\n{CLASS}", "between": "from beside import limit"}),
        (
            "cond",
            {"cond": "import between\nclass Mine(between.Above): pass", "between": "import beside\nclass Above: 1"},
        ),
        ("cond", {"cond": "class Mine:\n    def __init__(self, k, options):\n        from beside import limit\n"}),
        ("pack.cond", {"pack__in____init__": "", "pack__in__cond": f"import beside\n{CLASS}"}),
        ("space.cond", {"space__in__cond": f"import beside\n{CLASS}"}),
    ],
)
def test_what_it_imports_from_beside_it_counts(digest, module: str, importing: dict[str, str]) -> None:
    one, same, other = (digest(module, **importing, beside=f"limit = {limit}") for limit in (1, 1, 2))
    assert one == same
    assert one[0] != other[0]
    assert one[1] == other[1] != one[0]


@pytest.mark.parametrize("statement", ["from .part import limit", "from . import part", "import pack.part"])
def test_modules_of_its_package_count(digest, statement: str) -> None:
    files = {"pack__in____init__": "", "pack__in__cond": f"{statement}\n{CLASS}"}
    assert len({digest("pack.cond", **files, pack__in__part=f"limit = {limit}") for limit in (1, 1, 2)}) == 2


def test_a_module_that_is_not_there_is_no_error(digest) -> None:
    text = f"try:\n    import no_such_module.at_all\nexcept ImportError:\n    pass\n{CLASS}"
    assert digest("alone", alone=text) == (hashlib.sha256(text.encode()).hexdigest(),) * 2


def test_a_class_of_no_file_has_none() -> None:
    assert digest_of_sources(type("Mine", (), {"__module__": "made.in_a_session"})) is None
    assert digest_of_sources(3) is None
