"""A real Ray of two fake nodes (`make test-ray`): a worker is killed, a node goes, and every point is done once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from resumed_runs import content

from seekcli.runs import records

# Of the module `ray` alone this folder would do, where Ray is not installed.
pytest.importorskip("ray.cluster_utils", reason="not run: no ray (pip install 'seekcli[ray]')")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

GRID = """
seeds = 2
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:400"
train = { epochs = 15, batch_size = 8 }
runtime.threads = 1
[[arms]]
name = "loss"
[[arms]]
schedule = "base"
"""


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.5)


def processes(of: str) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        with suppress(OSError):
            if path.name.isdigit() and of in (path / "cmdline").read_bytes().replace(b"\0", b" ").decode():
                found.append(int(path.name))
    return found


def seek(*words: object) -> subprocess.Popen[str]:
    """As after `nohup seek ... &`, which ignores Ctrl-C."""
    whole = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-m", "seekcli", *map(str, words)]
    return subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "g.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


def test_a_worker_is_killed_and_a_node_goes_and_every_point_is_done_once(grid: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    out, store = tmp_path / "r", 100_000_000
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": store})
    try:
        nodes = [cluster.add_node(num_cpus=2, object_store_memory=store) for _ in range(2)]
        run = seek("grid", "run", grid, "--out", out, "--engine", "ray", "--ray-address", cluster.address)
        wait_until(lambda: len(list(out.glob("runs/*/epochs.parquet"))) >= 3)
        os.kill(processes("ray::run_worker")[0], signal.SIGKILL)
        time.sleep(3)
        cluster.remove_node(nodes[1], allow_graceful=False)
        _, said = run.communicate(timeout=400)
        assert run.returncode == 0, said
    finally:
        cluster.shutdown()
    local = tmp_path / "local"
    assert seek("grid", "run", grid, "--out", local).wait(timeout=400) == 0
    one, other = (sorted((folder / "runs").iterdir()) for folder in (out, local))
    assert [path.name for path in one] == [path.name for path in other]
    assert [content(path) for path in one] == [content(path) for path in other]


def test_a_stop_reaches_the_workers_and_the_local_engine_goes_on(grid: Path, tmp_path: Path) -> None:
    out = tmp_path / "r"
    grid.write_text(GRID.replace("epochs = 15", "epochs = 60"), encoding="utf-8")  # none is done before the stop
    run = seek("grid", "run", grid, "--out", out, "--engine", "ray")
    wait_until(lambda: list(out.glob("runs/*/epochs.parquet")))
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=120)
    assert run.returncode == 75, said
    assert "the same command goes on" in said
    assert {records.read_status(path.parent).state for path in out.glob("runs/*/epochs.parquet")} == {"stopped"}
    wait_until(lambda: not processes(f"grid work {grid}"), 60)
    assert seek("grid", "run", grid, "--out", out).wait(timeout=400) == 0
