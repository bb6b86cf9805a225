"""What every test gets: one thread, no network, and a home folder of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read by torch and by every child process when they start, so they are set before anything imports torch. One thread:
# xdist workers share few cores, and the last bits of a sum depend on the thread count.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
# matplotlib lists the machine's fonts once per configuration folder, which takes seconds: not once per test.
os.environ["MPLCONFIGDIR"] = os.path.join(tempfile.gettempdir(), f"seekcli-tests-matplotlib-{os.getuid()}")
# Rich and Typer lay out their output for the terminal: the same wide, colourless one everywhere.
os.environ.update(COLUMNS="200", NO_COLOR="1", TERM="dumb")
os.environ.pop("FORCE_COLOR", None)

settings.register_profile("seekcli", deadline=None, derandomize=True, database=None)
settings.load_profile("seekcli")


# No `monkeypatch` or `tmp_path` here: hypothesis refuses tests that get function-scoped fixtures they did not ask for.
@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home folder, so that no test reads or writes the user's caches."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))
        patch.delenv("TORCH_HOME", raising=False)
        yield folder
