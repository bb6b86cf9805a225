"""seekcli: train two nested networks in one run. `seek --help` lists the commands.

In Python (docs/python.md): `seekcli.train`, `compare` and `report` do what the commands do; `seekcli.epochs(paths)` and
`seekcli.steps(paths)` are the records of runs as pandas DataFrames; `seekcli.load_model(path)` is an exported model and
its card; `seekcli.plots` has the pictures. A loop of one's own: `Pair.nested`, `Alternating`, `conditions`, `Record`,
and `Alone` for the baselines. `OwnTask` is what `seek train --task` takes.
"""

import sys
from types import FunctionType, ModuleType

__version__ = "0.1.0"

# What this package offers by its own name, and the module that has it. Nothing is imported before it is asked for.
_OFFERED = {
    "train": "seekcli.in_python",
    "compare": "seekcli.in_python",
    "report": "seekcli.in_python",
    "epochs": "seekcli.report.frames",
    "steps": "seekcli.report.frames",
    "load_model": "seekcli.export.load",
    "plots": "seekcli.report.plots",
    "Pair": "seekcli.method.pair",
    "Alternating": "seekcli.own_loop.alternating",
    "Alone": "seekcli.own_loop.alone",
    "conditions": "seekcli.own_loop.conditions",
    "Record": "seekcli.own_loop.record",
    "OwnTask": "seekcli.train.tasks.own",
}
__all__ = ["__version__", *_OFFERED]


def __getattr__(name: str) -> object:
    if name not in _OFFERED:
        raise AttributeError(f"module 'seekcli' has no attribute {name!r}")
    from importlib import import_module

    try:
        found = import_module(_OFFERED[name])
        return found if _OFFERED[name].endswith(f".{name}") else getattr(found, name)
    except Exception as error:
        from seekcli.torch_pair import explained

        if (reason := explained(error)) is None:
            raise
        raise ImportError(f"{reason}; `seek doctor` shows what is installed") from error


def _function(name: str) -> FunctionType:
    from importlib import import_module

    found: FunctionType = getattr(import_module(_OFFERED[name]), name)
    return found


class _CallableRoom(ModuleType):
    """A folder of this package that has the name of a function of `in_python.py`: calling it calls that."""

    def __call__(self, *arguments: object, **named: object) -> object:
        found: object = _function(self.__name__.rpartition(".")[2])(*arguments, **named)
        return found


class _Face(ModuleType):
    """This module: Python sets `seekcli.train` to the folder as soon as anything in it is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name in ("train", "report"):
            value.__class__ = _CallableRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
