"""A program that trains the run of a folder again and again, and kills it with SIGKILL at given steps.

It is a process of its own, and trains nothing itself, because it forks: a process that has computed gradients or used
CUDA must not be forked. Each forked one starts in milliseconds, not in the seconds of an import.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tiny import tiny

from seekcli.config.layers import Resolved
from seekcli.engines.run import train_run
from seekcli.runs import records
from seekcli.runs.folder import RunFolder


def kill_at(target: int, resolved: Resolved, results: Path) -> dict[str, Any]:
    """Go on with the run until it has saved step `target`, and kill it: how it ended, where, and what it says."""
    folder = RunFolder.of(results, resolved.config).path
    child = os.fork()
    if child == 0:
        train_run(resolved, results)
        os._exit(0)
    wait_for_step(folder, target)
    os.kill(child, signal.SIGKILL)
    _, code = os.waitpid(child, 0)
    status = records.read_status(folder) if (folder / records.STATUS).exists() else None
    return {
        "code": os.waitstatus_to_exitcode(code),
        "step": newest_step(folder),
        "state": None if status is None else status.state,
    }


def newest_step(folder: Path) -> int:
    found = sorted((folder / records.CHECKPOINTS).glob("step-*.safetensors"))
    return int(found[-1].stem.partition("-")[2]) if found else 0


def wait_for_step(folder: Path, target: int) -> None:
    deadline = time.monotonic() + 60
    while newest_step(folder) < target:
        assert time.monotonic() < deadline
        time.sleep(0.005)


if __name__ == "__main__":
    to, settings, *steps = sys.argv[1:]
    one = tiny(**json.loads(settings))
    print(json.dumps([kill_at(int(step), one, Path(to)) for step in steps]))
