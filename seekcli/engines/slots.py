"""What each worker process gets of the machine: CPU threads, and a GPU where it is pinned to one. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Libraries of linear algebra read these when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


# What a worker needs at least, with its own copy of torch and of a small data set, and some to spare.
BYTES_OF_A_WORKER = 2_000_000_000
CGROUP, CPUS = Path("/sys/fs/cgroup"), Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Slot:
    """What a worker gets of the machine: so many CPU threads, and one GPU where it is pinned to one."""

    threads: int
    gpu: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        found = {name: str(self.threads) for name in THREAD_VARIABLES}
        return found | ({} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu})


def cpu_slots(jobs: int, threads: int | None = None) -> list[Slot]:
    """`jobs` workers that share the processor's cores evenly; `threads` gives each another number."""
    return [Slot(threads or max(1, usable_cores() // jobs))] * jobs


def fitting_slots(runs: int, threads: int | None = None) -> list[Slot]:
    """As many workers as `runs`, the cores and the memory allow: runs of small models have no work for more threads.

    Each has `threads`, or its part of the cores where the number is open.
    """
    cores = physical_cores()
    workers = max(1, min(runs, cores // (threads or 1), memory_bytes() // BYTES_OF_A_WORKER))
    return [Slot(threads or max(1, cores // workers))] * workers


def gpu_slots(per_gpu: int, gpus: Sequence[str], threads: int | None = None) -> list[Slot]:
    """`per_gpu` workers on each GPU, by their names or numbers. One GPU after the other is filled evenly."""
    share = threads or max(1, usable_cores() // (per_gpu * len(gpus)))
    return [Slot(share, gpu) for _ in range(per_gpu) for gpu in gpus]


def visible_gpus() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def usable_cores() -> int:
    """Those that this process may run on: a container or a scheduler may have given it a few of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def physical_cores() -> int:
    """As `usable_cores`, each once where it shows as two, and no more than the time that a container may use."""
    cores = usable_cores()
    with suppress(OSError, AttributeError):  # where the system does not say, they count as they show
        names = [f"cpu{number}/topology/thread_siblings_list" for number in os.sched_getaffinity(0)]
        cores = min(cores, len({(CPUS / name).read_text() for name in names}))
    with suppress(OSError, ValueError):  # ValueError: "max"
        quota, period = map(int, (CGROUP / "cpu.max").read_text().split())
        cores = min(cores, quota // period)
    return max(1, cores)


def memory_bytes() -> int:
    """Of the machine, or what a container may use of it."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        found = min(found, int((CGROUP / "memory.max").read_text()))
    return found
