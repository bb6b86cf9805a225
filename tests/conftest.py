"""What every test gets: one thread, no network, and a home folder of its own."""

from __future__ import annotations

import atexit
import copy
import functools
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import typer.main
import typer.testing
from hypothesis import settings

# Read by torch and by every child process when they start, so they are set before anything imports torch. One thread:
# xdist workers share few cores, and the last bits of a sum depend on the thread count.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a test asks for two threads and the cores are taken, one would spin for the other for seconds.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
# matplotlib lists the machine's fonts once per configuration folder, which takes seconds: not once per test.
os.environ["MPLCONFIGDIR"] = os.path.join(tempfile.gettempdir(), f"seekcli-tests-matplotlib-{os.getuid()}")
# Rich and Typer lay out their output for the terminal: the same wide, colourless one everywhere.
os.environ.update(COLUMNS="200", NO_COLOR="1", TERM="dumb")
os.environ.pop("FORCE_COLOR", None)

# Until the tests are collected next to nothing is garbage, and looking for it would take every worker two seconds.
gc.disable()

# Rewritten asserts and compiled modules are kept, in __pycache__, even where the environment asks for no bytecode: to
# make them anew takes every worker ten seconds, and every child process one.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Tests send Ctrl-C to processes of theirs, which what was started in the background (`nohup make test &`) would ignore.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# No test cuts the power. What was asked to be on the disk, and when, is what tests/test_files.py looks at.
os.fsync = lambda handle: None
# CliRunner builds the commands anew for every call, which takes as long as a short command: once for each app.
typer.testing._get_command = functools.cache(typer.main.get_command)  # type: ignore[attr-defined]

settings.register_profile("all", deadline=None, derandomize=True, database=None)
settings.register_profile("fast", settings.get_profile("all"), max_examples=20)


def pytest_configure(config: pytest.Config) -> None:
    """Properties are tried on 20 examples where the slow tests are left out (`make test`), else on hypothesis' 100."""
    settings.load_profile("fast" if config.option.markexpr == "not slow" else "all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that fork go first: torch computes no gradients in the fork of a process that has exported many graphs."""
    items.sort(key=lambda item: not hasattr(getattr(item, "module", None), "in_processes"))


def pytest_collection_finish() -> None:
    """The modules and tests that are loaded stay: to look through them for garbage again and again takes seconds."""
    if (datasets := sys.modules.get("sklearn.datasets")) is not None:
        datasets.load_digits = read_once(datasets.load_digits)
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # tests leave much that is gone at once, and few rings
    gc.enable()


# At the very end: pytest looks for garbage once more after its last hook, and libraries would report what is frozen.
atexit.register(gc.unfreeze)


HOMES = count()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="session", autouse=True)
def one_core() -> Iterator[None]:
    """`seek grid run` in a test is this process, however many cores there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seekcli.engines.slots.physical_cores", lambda: 1)
        yield


# No `monkeypatch` or `tmp_path` here: hypothesis refuses tests that get function-scoped fixtures they did not ask for.
@pytest.fixture(autouse=True)
def home(homes: Path) -> Iterator[Path]:
    """An empty home folder, so that no test reads or writes the user's caches."""
    folder = homes / str(next(HOMES))
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))
        patch.delenv("TORCH_HOME", raising=False)
        yield folder
    try:
        folder.rmdir()
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What is logged meanwhile. pytest's own plugin, which `caplog` is of, sets up two handlers for each step of every
    test: it is off (pyproject.toml)."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


@pytest.fixture(scope="session", autouse=True)
def few_forwards() -> Iterator[None]:
    """`seek export` times 5 forwards of each model and not 50; `seek bench` is short."""
    with pytest.MonkeyPatch.context() as patch:
        if "torch" in sys.modules:
            patch.setattr("seekcli.export.latency.ROUNDS", 5)
            patch.setattr("seekcli.engines.speed.BLOCK_SECONDS", 0.01)
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_processor() -> Iterator[None]:
    """A CPU without bf16 units: what is said on one that has them is one line more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seekcli.runs.environment.cpu_flags", set)
        yield


@pytest.fixture(autouse=True)
def counted_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every run counts the operations of its two models, a sixth of a tiny run: equal models are counted once.

    Not in tests/models, which test the counting.
    """
    costs: Any = sys.modules.get("seekcli.models.costs")
    if costs is None or request.path.parent.name == "models":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "count_operations", counting_once(costs.count_operations))
        yield


def read_once(load_digits: Callable[..., Any]) -> Callable[..., Any]:
    """Examples and modules of users read scikit-learn's digits, 30 ms each time, and get a copy of what was read."""
    read = functools.cache(load_digits)
    return functools.wraps(load_digits)(lambda *words, **more: copy.deepcopy(read(*words, **more)))


@functools.cache
def counting_once(count_operations: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    counted: dict[tuple[Any, ...], list[Any]] = {}

    def count_operations_once(module: Any, name: str, image_shape: Any, rules: dict[str, Any]) -> list[Any]:
        shapes = tuple((key, tuple(tensor.shape)) for key, tensor in module.state_dict().items())
        key = (type(module), repr(module), shapes, name, tuple(image_shape), tuple(rules.items()))
        if key not in counted:
            counted[key] = count_operations(module, name, image_shape, rules)
        return list(counted[key])

    return count_operations_once
