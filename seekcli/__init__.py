"""seekcli: train two nested networks in one run. `seek --help` lists the commands.

In Python: `seekcli.epochs(paths)` and `seekcli.steps(paths)` are the records of runs as pandas DataFrames,
`seekcli.load_model(path)` is an exported model with its card, `seekcli.plots` has the pictures of `seek report`.
"""

__version__ = "0.1.0"

# What this package offers by its own name, and the module that has it. Nothing is imported before it is asked for.
_OFFERED = {
    "epochs": "seekcli.report.frames",
    "steps": "seekcli.report.frames",
    "load_model": "seekcli.export.load",
    "plots": "seekcli.report.plots",
    "Pair": "seekcli.method.pair",
    "Alternating": "seekcli.own_loop.alternating",
    "conditions": "seekcli.own_loop.conditions",
    "Record": "seekcli.own_loop.record",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
