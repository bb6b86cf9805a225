"""Whether the torchvision that is installed was built for the torch that is: a pair that does not fit fails on import,
in the words of its insides. Imports neither."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

# What a torchvision raises that was built for another torch.
OF_ANOTHER_BUILD = (ImportError, RuntimeError, OSError, AttributeError)
LONGEST_REASON = 120


def required_torch() -> str | None:
    """The one version of torch that the installed torchvision asks for."""
    for wanted in metadata.requires("torchvision") or ():
        if found := re.match(r"torch\s*\(?==\s*([\w.]+)", wanted):
            return found[1]
    return None


def misfit() -> str | None:
    """What does not fit by the versions, and what helps; None where they fit. Raises PackageNotFoundError."""
    here, needed = metadata.version("torch"), required_torch()
    if needed in (None, here.partition("+")[0]):
        return None
    return (
        f"torchvision {metadata.version('torchvision')} was built for torch {needed}, and here is torch {here}: "
        f"`pip install torch=={needed}`, or `pip install --upgrade torch torchvision` together"
    )


def explained(error: BaseException) -> str | None:
    """What lies behind an error that torchvision raised while it was imported; None for any other error."""
    for cause in causes(error):
        if isinstance(cause, OF_ANOTHER_BUILD) and is_of_import(cause):
            try:
                return misfit() or not_loaded(cause)
            except metadata.PackageNotFoundError as missing:
                return f"{missing.name} is not installed: `pip install torch torchvision`"
    return None


def not_loaded(error: BaseException) -> str:
    reason = " ".join(str(error).split())[:LONGEST_REASON]
    both = f"torchvision {metadata.version('torchvision')} does not load beside torch {metadata.version('torch')}"
    return f"{both} ({reason}): install both together, from one index"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_of_import(error: BaseException) -> bool:
    """Whether it came from the top of a module of torchvision: what its functions raise later is about their work."""
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_name == "<module>" and re.search(r"[\\/]torchvision[\\/]", code.co_filename):
            return True
        step = step.tb_next
    return isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in ("torch", "torchvision")
