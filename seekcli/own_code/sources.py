"""Code of somebody's own, as one digest: its source file, and what that imports from beside it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

INSTALLED = frozenset({"site-packages", "dist-packages"})
STANDARD = tuple(Path(sysconfig.get_path(name)).absolute() for name in ("stdlib", "platstdlib"))


def digest_of_sources(kind: Any) -> tuple[str, str] | None:
    """sha256 of the code of a class, and of its own file alone; None where it is written in no file.

    The code is the file that the class stands in, those of its base classes, and all modules of the same package or
    folder that these import, directly or through one another. Where that is one file both digests are equal. The
    standard library, installed packages and seekcli do not count.
    """
    file = source_file(kind)
    if file is None:
        return None
    found = {kind.__module__: file}
    for base in getattr(kind, "__mro__", ())[1:]:
        if (of_base := source_file(base)) is not None and not is_library(base.__module__, of_base):
            found.setdefault(base.__module__, of_base)
    return digests_of_files(kind.__module__, found)


def digest_of_callable(module: ModuleType, found: Any) -> str | None:
    """sha256 of the code of what a module names, by the same rule; None where the module is in no file.

    The module counts, and the file that a function stands in which it only imports.
    """
    file = source_file(module)
    if file is None:
        return None
    files = {module.__name__: file}
    name, other = getattr(found, "__module__", None), source_file(found)
    if isinstance(name, str) and other is not None and not is_library(name, other):
        files.setdefault(name, other)
    digests = digests_of_files(module.__name__, files)
    return digests and digests[0]


def digests_of_files(first: str, found: dict[str, Path]) -> tuple[str, str] | None:
    """sha256 of these files, by module, and of what they import from beside `first`; and of the file of `first`."""
    queue = list(found)
    home = home_of(first, found[first])
    while queue:
        importer = queue.pop()
        for name in imported_by(importer, found[importer]):
            if name not in found and (beside := file_beside(name, first, home)) is not None:
                found[name] = beside
                queue.append(name)
    try:
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
    except OSError:
        return None
    own = digests[first]
    if len(set(found.values())) == 1:
        return own, own
    whole = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(whole.encode()).hexdigest(), own


def source_file(kind: Any) -> Path | None:
    """None for a class that was made in a session, or compiled into the program."""
    try:
        return Path(inspect.getsourcefile(kind) or inspect.getfile(kind)).absolute()
    except (TypeError, OSError):
        return None


def is_library(name: str, file: Path) -> bool:
    """Whether it is seekcli, the standard library or an installed package."""
    if name.partition(".")[0] == "seekcli" or not INSTALLED.isdisjoint(file.parts):
        return True
    return any(file.is_relative_to(folder) for folder in STANDARD)


def home_of(module: str, file: Path) -> Path:
    """The folder that its outermost package, or the module itself, lies in."""
    levels = module.count(".") + (file.stem == "__init__")
    return file.parents[min(levels, len(file.parents) - 1)]


def imported_by(module: str, file: Path) -> Iterator[str]:
    """Full names of what its import statements may mean; those inside of functions count, code in text does not."""
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in statements(file):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = absolute_name(node, package)
            names = [origin, *(f"{origin}.{alias.name}" for alias in node.names)] if origin else []
        else:
            continue
        for name in names:
            yield from with_packages(name)


def statements(file: Path) -> list[ast.AST]:
    """All of its syntax; none of what is no Python source."""
    with suppress(SyntaxError, ValueError, OSError, RecursionError):
        return list(ast.walk(ast.parse(file.read_bytes())))
    return []


def absolute_name(node: ast.ImportFrom, package: str) -> str | None:
    """What `from ..a import b` imports from; None where that is above the outermost package."""
    with suppress(ImportError):
        return importlib.util.resolve_name("." * node.level + (node.module or ""), package)
    return None


def with_packages(name: str) -> Iterator[str]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`: all of them are run by its import."""
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def file_beside(name: str, first: str, home: Path) -> Path | None:
    """The file of a module, where it is of the package of `first` or lies in its folder; else None."""
    outermost, own = name.partition(".")[0], first.partition(".")[0]
    place = place_of(outermost)  # first: finding it imports nothing
    if place is None or outermost == "seekcli":
        return None
    if outermost != own and (is_library(outermost, place) or not place.is_relative_to(home)):
        return None
    found = place if name == outermost else place_of(name)
    return found if found is not None and found.is_file() else None


def place_of(name: str) -> Path | None:
    """The file of a module; of a package without `__init__` its folder."""
    if (loaded := getattr(sys.modules.get(name), "__file__", None)) is not None:
        return Path(loaded).absolute()
    spec = None
    with suppress(Exception, SystemExit):  # anybody's code: the package of a submodule is run
        spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
    return Path(places[0]).absolute() if places else None
