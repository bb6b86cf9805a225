"""Do planning, claiming, status and compare of a grid stay linear in its points? Fake runs, nothing is trained.

    make scale            (or: python benchmarks/scale.py --points 1000 10000 100000)

A grid of 100 seeds, five arms and as many learning rates as it takes is planned, then worked through by four shards,
one after the other: each point is claimed by the lease of its folder and gets the files of a finished run, without the
second that it would train. Then `seek grid status` and `seek compare` read it. Prints CPU seconds (user and system, so
that a busy machine changes little) and peak memory of each, and CPU milliseconds a point. Exits with 1 where one takes
more than twice as long a point at the largest number as at the smallest.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import many_runs
import pyarrow as pa
import pyarrow.parquet as pq

from seekcli.documents import SCHEMA_VERSION, write_document
from seekcli.files import sha256_of
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.runs.parquet import VERSION_KEY

ARMS = ('schedule = "base"', 'schedule = "motivated"', "", "motivation.k = 3", 'motivation.condition = "always"')
SHARDS = 4
STAGES = ("plan", "claim", "status", "compare")


def grid_text(points: int) -> str:
    rates = [round(0.001 * (1 + number), 6) for number in range(points // (100 * len(ARMS)))]
    head = 'seeds = 100\n[settings]\nmodel = "resnet8-to-14"\ndata.name = "digits"\nruntime.device = "cpu"\n'
    return head + "".join(f"[[arms]]\n{arm}\noptimizer.lr = {rates}\n" for arm in ARMS)


def work(grid: Path, out: Path) -> None:
    """All points, shard after shard; called in a process of its own."""
    from seekcli.cli import grid_run
    from seekcli.config.identity import run_id
    from seekcli.engines import local
    from seekcli.engines.local import LocalEngine, Observer
    from seekcli.engines.shard_queue import ShardQueue
    from seekcli.grid.schema import read_grid
    from seekcli.grid.shards import Shard
    from seekcli.runs.lease import Lease

    draw = random.Random(0)
    (out / "runs").mkdir(parents=True)
    models = {role: many_runs.model_file(out / f".{role}") for role in many_runs.MACS}
    done: list[str] = []

    def fake_run(resolved, results, progress, **_):
        folder = RunFolder.of(results, resolved.config)
        with Lease.acquire(folder.path):
            many_runs.write_run(folder.path, resolved.config, models, draw)
            add_steps(folder)
            done.append(run_id(resolved.config))
        return folder.status()

    local.train_run = fake_run
    os.fsync = lambda handle: None  # nothing here is worth keeping; of a real run it is once a file
    for number in range(1, SHARDS + 1):
        plan = grid_run.plan_asked(grid_run.Asked(read_grid(grid), out))
        queue = ShardQueue(plan, Shard(number, SHARDS))
        own = queue.more(())
        LocalEngine(out, Observer(), again=queue.again).run(own[: len(plan.points) // SHARDS])  # the others do theirs
    assert len(done) == len(set(done)) == len(plan.points), "each point once"


def add_steps(folder: RunFolder) -> None:
    """The table of steps, which a grid asks for: one row, whatever the number of steps."""
    row = {"run_id": folder.owner, "epoch": 1, "step": 1, "role": "base", "loss": 1.0, "learning_rate": 0.1}
    table = pa.Table.from_pylist([row], schema=records.STEP_SCHEMA)
    table = table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    pq.write_table(table, folder.steps_path, write_page_checksum=True)
    status = folder.status()
    digests = {**status.tables_sha256, records.STEPS: sha256_of(folder.steps_path)}
    document = status.model_copy(update={"tables_sha256": digests}).model_dump(mode="json")
    write_document(folder.status_path, document)


def measured(words: list[str]) -> tuple[float, float]:
    """(CPU seconds, peak GB) of a process that has to succeed."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(words)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def stages(points: int, folder: Path, only: list[str]) -> dict[str, tuple[float, float]]:
    grid, out = folder / f"{points}.toml", folder / str(points)
    grid.write_text(grid_text(points), encoding="utf-8")
    seek = ["-m", "seekcli"]
    words = {
        "plan": [*seek, "grid", "status", str(grid), "--out", str(out)],
        "claim": [__file__, "--work", str(grid), str(out)],
        "status": [*seek, "grid", "status", str(grid), "--out", str(out)],
        "compare": [*seek, "compare", str(out)],
    }
    return {stage: measured(words[stage]) for stage in STAGES if stage in only}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--folder", type=Path, help="write there, and not to a temporary folder")
    parser.add_argument("--work", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work)
        return 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    each: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as temporary:
        for points in options.points:
            found = stages(points, options.folder or Path(temporary), options.stages)
            for stage, (seconds, gigabytes) in found.items():
                each[stage].append(seconds / points)
                what = f"{points:>7,} points  {stage:<8} {seconds:8.1f} s CPU  {gigabytes:5.2f} GB"
                print(f"{what}  {1000 * seconds / points:6.2f} ms a point", flush=True)
    return 1 if any(found and found[-1] > 2 * found[0] for found in each.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
