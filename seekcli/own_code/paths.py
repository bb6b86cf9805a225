"""`package.module:name` in a setting: whether a text is such a path, and what it names. Imports no torch."""

from __future__ import annotations

import importlib
import os
import re
import sys
from types import ModuleType
from typing import Any

from seekcli.errors import BadInput, unknown

FORM = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_path(text: str) -> bool:
    """Whether it has the form of an import path: words with dots between, a colon, one word."""
    return FORM.fullmatch(text) is not None


def imported(path: str, said: str, what: str = "name") -> Any:
    """What `package.module:name` names; modules in the current folder count, as with `python -m`.

    `said` is how the user said it, such as `--base my_models:tiny`; `what` is the sort of thing that it names. Raises
    BadInput that begins with `said` where the module cannot be imported, or has no such name.
    """
    module_name, _, name = path.partition(":")
    module = imported_module(module_name, said)
    if not hasattr(module, name):
        public = [public for public in vars(module) if not public.startswith("_")]
        raise unknown(f"{what} in {said}:", name, public)
    return getattr(module, name)


def imported_module(name: str, said: str) -> ModuleType:
    """The module. Raises BadInput where its import fails, in whatever way."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # anybody's code
        gone = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
        where = " (looked for in the current folder and on PYTHONPATH)" if gone else ""
        raise BadInput(f"{said}: cannot import {name}: {line_of(error)}{where}") from error


def line_of(error: BaseException) -> str:
    """`KeyError: 'percent'`, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
