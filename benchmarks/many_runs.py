"""How long do `seek list runs` and `seek compare` take over 10,000 runs? Prepared records, nothing is trained.

    make many             (or: python benchmarks/many_runs.py --runs 10000 --limit-seconds 10 --limit-gb 1)

Every run folder holds what a finished run of 20 epochs leaves: config.json, environment.json, status.json with digests,
epochs.parquet, and its model files (hard links to one small file a role). The runs are 20 seeds of two baselines and
eight arms, at as many learning rates as it takes. Prints seconds and peak memory of each command, in a process of its
own, and exits with 1 where one is over a limit.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from seekcli.config.identity import run_id
from seekcli.config.layers import load_recipe, merge
from seekcli.config.schema import RunConfig
from seekcli.documents import SCHEMA_VERSION, digest_of
from seekcli.files import sha256_of
from seekcli.runs import records
from seekcli.runs.parquet import VERSION_KEY

SEEDS, EPOCHS, STEPS = 20, 20, 23
MACS = {"base": 2.5e6, "motivated": 4.3e6}
SETTINGS = {
    "recipe": "digits",
    "train.epochs": EPOCHS,
    "pair.map": "aligned",
    "pair.recalibrate_batches": 10,
    "runtime.device": "cpu",
    "runtime.precision": "fp32",
    "runtime.layout": "channels_last",
}
VARIANTS: tuple[dict[str, Any], ...] = (
    {"schedule": "base"},
    {"schedule": "motivated"},
    *({"pair.init": init, "motivation.k": k} for init in ("identity", "paper") for k in (2, 3, 4)),
    {"pair.init": "identity", "motivation.condition": "random-count"},
    {"pair.init": "identity", "motivation.condition": "periodic", "motivation.every_steps": 6},
)
COMMANDS = {
    "list runs": ["list", "runs", "--out"],
    "compare": ["compare"],
    "compare --claims": ["compare", "--claims"],
    "compare --format json": ["compare", "--format", "json"],
}


def configs(count: int) -> Iterator[RunConfig]:
    recipe = load_recipe("digits")
    for number in range(count):
        seed, rest = number % SEEDS, number // SEEDS
        if seed == 0:
            rate = round(0.01 + 0.01 * (rest // len(VARIANTS)), 4)
            chosen = SETTINGS | {"schedule": "alternating", "pair.init": "identity"} | VARIANTS[rest % len(VARIANTS)]
            config = merge([("recipe", recipe), ("bench", chosen | {"optimizer.lr": rate})]).config
        yield config.model_copy(update={"seed": seed})


def epoch_rows(config: RunConfig, draw: random.Random) -> list[records.Row]:
    taken = 0 if config.classic else max(0, round(draw.gauss(4, 0.5)))
    rows = []
    for epoch in range(1, EPOCHS + 1):
        shared = _shared(config, epoch, taken, draw)
        for role in config.roles:
            accuracy = 97 + draw.gauss(0, 0.5)
            rows.append(shared | {
                "model": config.model_name(role),
                "role": role,
                "forward_macs_per_image": MACS[role],
                "test_accuracy_percent": accuracy,
                "test_accuracy_as_trained_percent": accuracy,
                "test_accuracy_recalibrated_percent": accuracy + 0.1,
            })  # fmt: skip
    return rows


def _shared(config: RunConfig, epoch: int, taken: int, draw: random.Random) -> records.Row:
    steps = {"base_steps": STEPS - taken, "motivated_steps": taken}
    if config.schedule == "motivated":
        steps = {"base_steps": 0, "motivated_steps": STEPS}
    images = {"base_images": 64 * steps["base_steps"], "motivated_images": 64 * steps["motivated_steps"]}
    cost = 6 * (images["base_images"] * MACS["base"] + images["motivated_images"] * MACS["motivated"])
    row = dict.fromkeys(records.EPOCH_SCHEMA.names) | {
        "run_id": run_id(config), "schema_version": 1, "schedule": config.schedule, "data": config.data.name,
        "recipe": config.recipe, "seed": config.seed, "batch_size": config.train.batch_size, "precision": "fp32",
        "device_type": "cpu", "epoch": epoch, "train_loss": 1 / epoch, "test_loss": 0.5, "switches": 2 * taken,
        "learning_rate": 0.01, "train_flops": cost, "evaluation_flops": 1e9, "condition_flops": 0.0,
        "copied_bytes": 1000 * taken, "epoch_seconds": 0.5 + draw.random() / 10, "images_per_second": 2000.0,
        "recalibration_flops": 1e8, **steps, **images,
    }  # fmt: skip
    if not config.classic:
        row |= {"pair": config.pair_name, "condition": config.motivation.condition, "k": config.motivation.k}
        row |= {"init": config.pair.init, "map": config.pair.map, "coverage": 1.0}
        row |= {"buffers": config.pair.buffers, "recalibrate_batches": config.pair.recalibrate_batches}
        row |= {"added_blocks_usage": 0.05, "answers_differ_percent": 0.5}
        row |= {"base_accuracy_where_differ_percent": 50.0, "motivated_accuracy_where_differ_percent": 40.0}
    return row


def link_or_copy(source: Path, target: Path) -> None:
    """A file may have so many names (65,000 on ext4)."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        shutil.copyfile(source, target)


def write_run(folder: Path, config: RunConfig, models: dict[str, tuple[Path, str]], draw: random.Random) -> None:
    """Without the fsync of real runs: nothing here is worth keeping."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, identifier = epoch_rows(config, draw), run_id(config)
    table = pa.Table.from_pylist(rows, schema=records.EPOCH_SCHEMA)
    table = table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    pq.write_table(table, folder / records.EPOCHS, write_page_checksum=True)
    for role in config.roles:
        link_or_copy(models[role][0], folder / f"{role}.safetensors")
    status = records.RunStatus(
        run_id=identifier,
        state="finished",
        epochs_done=EPOCHS,
        epochs=EPOCHS,
        steps_done=EPOCHS * STEPS,
        steps_per_epoch=STEPS,
        final=rows[-len(config.roles) :],
        totals=records.totals_of(rows),
        expected_share=None if config.classic else 0.16,
        models={role: config.model_name(role) for role in config.roles},
        weights_sha256={role: models[role][1] for role in config.roles},
        tables_sha256={records.EPOCHS: sha256_of(folder / records.EPOCHS)},
    )
    document = {"schema_version": 1, "run_id": identifier, "config": config.model_dump(mode="json")}
    _write(folder / records.CONFIG, document | {"origins": {}, "facts": {"test_images": 1297, "train_images": 500}})
    _write(folder / records.ENVIRONMENT, {"run_id": identifier, "threads": 1, "command": ["seek", "train"]})
    _write(folder / records.STATUS, json.loads(status.model_dump_json()))


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps({**content, "sha256": digest_of(content)}, indent=2), encoding="utf-8")


def model_file(path: Path) -> tuple[Path, str]:
    """A safetensors file of 16 kB, by hand: its header, and zeros."""
    size = 16_384
    header = json.dumps({"weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(size))
    return path, sha256_of(path)


def write_runs(results: Path, count: int) -> None:
    results.mkdir(parents=True)
    draw = random.Random(0)
    models = {role: model_file(results / f".{role}") for role in MACS}
    for config in configs(count):
        write_run(results / "runs" / run_id(config), config, models, draw)


def measured(words: list[str]) -> tuple[float, float]:
    """(seconds, peak GB) of a command that has to succeed."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "seekcli", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"seek {' '.join(words)} failed")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return time.monotonic() - started, peak / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="keep the runs here, and take those that are there")
    parser.add_argument("--limit-seconds", type=float, default=10.0)
    parser.add_argument("--limit-gb", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        results = options.folder or Path(temporary) / "results"
        if not results.exists():
            started = time.monotonic()
            write_runs(results, options.runs)
            print(f"wrote {options.runs:,} runs in {time.monotonic() - started:.0f} s", flush=True)
        slow = False
        for name, words in COMMANDS.items():
            seconds, gigabytes = measured([*words, str(results)])
            slow |= seconds > options.limit_seconds or gigabytes > options.limit_gb
            print(f"seek {name:<22} {seconds:6.1f} s  {gigabytes:5.2f} GB", flush=True)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
