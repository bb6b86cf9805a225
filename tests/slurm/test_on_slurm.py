"""A real Slurm (`make test-slurm`): signalled elements queue again, a node dies, and every point is done once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm, wait_until, why_not
from resumed_runs import content

from seekcli.grid.schema import read_grid
from seekcli.grid.submission import Submissions
from seekcli.runs import records

REASON = why_not()
pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=f"not run: {REASON}")]

GRID = """
seeds = 2
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:400"
train = {{ epochs = {epochs}, batch_size = 8 }}
runtime.threads = 1
[[arms]]
name = "loss"
[[arms]]
schedule = "base"
"""


@pytest.fixture(scope="module")
def slurm() -> Iterator[PrivateSlurm]:
    with PrivateSlurm() as one:
        yield one


class Grid:
    """A grid of four points in a folder of its own, and the commands for it."""

    def __init__(self, slurm: PrivateSlurm, folder: Path, epochs: int) -> None:
        self.slurm, self.path, self.out = slurm, folder / "g.toml", folder / "r"
        self.path.write_text(GRID.format(epochs=epochs), encoding="utf-8")

    def seek(self, command: str, *words: str, out: Path | None = None) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "seekcli", "grid", command, str(self.path), "--out", str(out or self.out)]
        return subprocess.run(
            [*whole, *words], env=self.slurm.environment, capture_output=True, text=True, timeout=500, check=False
        )

    def submit(self) -> str:
        done = self.seek("run", "--engine", "slurm", "--slurm", "elements=4 time=30")
        assert done.returncode == 0, done.stderr
        return str(json.loads((self.submission / "submission.json").read_text())["job"])

    def element(self, number: int) -> str:
        return str(json.loads((self.submission / f"element-{number}.json").read_text())["state"])

    @property
    def submission(self) -> Path:
        return Submissions.of(self.out, read_grid(self.path)).folders()[-1].path

    def states(self) -> dict[str, int]:
        return dict(json.loads(self.seek("status", "--format", "json").stdout)["states"])

    def waiting(self) -> list[str]:
        """The elements that Slurm has in its queue."""
        lines = self.slurm.ask("squeue", "-h", "-r", "-o", "%i %t").splitlines()
        return [line.split()[0] for line in lines if line.endswith(" PD")]

    @property
    def begun(self) -> list[Path]:
        return list(self.out.glob("runs/*/epochs.parquet"))


def test_one_is_preempted_and_a_node_dies_and_every_point_is_done_once(slurm: PrivateSlurm, tmp_path: Path) -> None:
    grid = Grid(slurm, tmp_path, epochs=12)
    job = grid.submit()
    wait_until(lambda: len(grid.begun) == 4, 120)
    running = json.loads(grid.seek("status", "--format", "json").stdout)["runs"]
    assert {(one["job"], one["node"]) for one in running if one["state"] == "running"} <= {
        (f"{job}_{number}", node) for number in range(4) for node in ("n1", "n2")
    }
    slurm.ask("scancel", "--signal=USR2", f"{job}_0")
    wait_until(lambda: grid.waiting())
    assert grid.waiting() == [f"{job}_0"], "the element, and not the array"
    assert grid.element(0) == "requeued"
    slurm.kill_node("n2")
    wait_until(lambda: grid.states() == {"finished": 4}, 400)
    local = tmp_path / "local"
    assert grid.seek("run", out=local).returncode == 0
    one, other = (sorted((folder / "runs").iterdir()) for folder in (grid.out, local))
    assert [path.name for path in one] == [path.name for path in other]
    assert [content(path) for path in one] == [content(path) for path in other]
    slurm.daemons["n2"] = slurm.start("slurmd", "-D", "-N", "n2")


def test_what_is_cancelled_saves_and_does_not_come_back_and_another_engine_goes_on(
    slurm: PrivateSlurm, tmp_path: Path
) -> None:
    wait_until(lambda: slurm.ask("sinfo", "-h", "-o", "%t %D") == "idle 2" or slurm.ask("scancel", "--user=root"), 120)
    grid = Grid(slurm, tmp_path, epochs=30)
    grid.submit()
    wait_until(lambda: len(grid.begun) >= 2, 120)
    done = grid.seek("cancel")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not slurm.ask("squeue", "-h"), 60)
    stopped = {records.read_status(path.parent).state for path in grid.begun}
    assert stopped == {"stopped"}
    grid.path.write_text(GRID.format(epochs=30).replace("seeds = 2", "seeds = 1"), encoding="utf-8")
    assert grid.seek("run").returncode == 0
    assert grid.states() == {"finished": 2}


def test_the_sbatch_script_of_the_documentation_queues_again(slurm: PrivateSlurm, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    script = "#!/bin/bash" + page.partition("#!/bin/bash")[2].partition("```")[0]
    grid = Grid(slurm, tmp_path, epochs=200)
    script = script.replace("1-16", "1-2").replace("/16", "/2").replace(" --gpus-per-task=1", "")
    here = f"{sys.executable} -m seekcli grid work {grid.path} --out {grid.out}"
    script = script.replace("seek grid work grids/digits.toml", here)
    (tmp_path / "job.sh").write_text(script, encoding="utf-8")
    job = slurm.ask("sbatch", "--parsable", f"--output={tmp_path}/%a.log", str(tmp_path / "job.sh"))
    wait_until(lambda: len(grid.begun) == 2, 120)
    slurm.ask("scancel", "--batch", "--signal=USR2", f"{job}_1")
    wait_until(lambda: grid.waiting(), 60)
    assert grid.waiting() == [f"{job}_1"]
    assert sorted(records.read_status(path.parent).state for path in grid.begun) == ["running", "stopped"]
    slurm.ask("scancel", job)
