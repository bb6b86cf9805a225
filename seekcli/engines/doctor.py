"""What this machine offers to a run: versions that fit together, devices, data sets, a disk that keeps promises.

Each finding is measured or looked up here; what is not right says what to do about it.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import seekcli
from seekcli import files, torch_pair
from seekcli.config.settings import DataConfig
from seekcli.config.value_types import TRACKERS
from seekcli.data.images.cache import cache_folder
from seekcli.data.images.decoding import decode_file
from seekcli.data.images.places import Place
from seekcli.data.sets.folders import FolderListing
from seekcli.data.sets.imagenet import ImageNetListing
from seekcli.data.sets.kind import NamedSet
from seekcli.data.sets.kinds import KINDS
from seekcli.data.sets.listings import listing_of
from seekcli.data.splitting.splits import first_few
from seekcli.errors import BadInput, SeekError, human_bytes
from seekcli.runs.exclusive import create_exclusive

FindingState = Literal["ok", "note", "wrong"]
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pyarrow", "pandas", "fvcore", "scikit-learn", "scipy")
# What pyproject.toml declares beyond these, by extra, without those of the developers.
EXTRAS: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "slurm": ("submitit",),
    "ray": ("ray",),
    **{name: (name,) for name in TRACKERS},
}
PROBE_BYTES = 32 * 2**20
PROBE_SIZE = 32  # pixels: every byte of a file is decoded, whatever it is brought to


@dataclass(frozen=True)
class Finding:
    """One line of the answer. `wrong` is what keeps runs from working here."""

    topic: str
    state: FindingState
    text: str


def examine(results: Path, data_dir: Path | None) -> Iterator[Finding]:
    """Findings one after the other. Leaves nothing on the disk: `results` is written to where it is, or would be."""
    yield from versions()
    yield torch_and_torchvision()
    yield from extras()
    yield from devices()
    yield processes()
    yield from data_sets(data_dir)
    yield from disk(results)


def examine_images(name: str) -> Iterator[Finding]:
    """Every image file of a `folder:`, `imagenet:`, `hf:` or `wds:` set that cannot be read, and what is left out.

    Raises BadInput for other data, and as the listing of the folder does.
    """
    data = DataConfig(name=name, rules=2)
    listing = listing_of(data)
    if isinstance(listing, FolderListing):
        paths: list[Place] = [file.place(listing.root) for file in listing.files_to_read]
    elif isinstance(listing, ImageNetListing):
        paths = [*listing.located(listing.train), *listing.located(listing.test)]
    else:
        known = "folder:DIR, imagenet:DIR, hf:DIR or wds:PATTERN"
        raise BadInput(f"--data {name}: expected {known}, whose image files can be examined")
    broken = 0
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor() as pool:
        for problem in pool.map(problem_of, paths):
            if problem is not None:
                broken += 1
                yield Finding("images", "wrong", problem)
    readable = f"{len(paths) - broken:,} of {len(paths):,} image files can be read"
    yield Finding("images", "ok", f"{readable}, {len(listing.class_names)} classes ({first_few(listing.class_names)})")
    yield Finding("layout", "note" if "left out" in listing.split else "ok", listing.split)


def problem_of(place: Place) -> str | None:
    try:
        decode_file(place, PROBE_SIZE)
    except BadInput as error:
        return str(error)
    return None


def versions() -> Iterator[Finding]:
    yield Finding("versions", "ok", f"seekcli {seekcli.__version__}, Python {platform.python_version()}")
    for name in LIBRARIES:
        try:
            yield Finding("versions", "ok", f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding("versions", "wrong", f"{name} is not installed: pip install {name}")


def extras() -> Iterator[Finding]:
    """What may be installed beside the rest. Nothing is wrong where it is not: the command that needs it says so."""
    for extra, names in EXTRAS.items():
        found = {}
        for name in names:
            with suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
        lacking = [name for name in names if name not in found]
        here = ", ".join(f"{name} {version}" for name, version in found.items())
        text = f"{', '.join(lacking)} not installed: pip install 'seekcli[{extra}]'" if lacking else here
        yield Finding("extras", "note" if lacking else "ok", f"{extra}: {text}")


def torch_and_torchvision() -> Finding:
    """Whether torchvision was built for the torch that is here: it says for which, and is loaded to be sure."""
    try:
        problem = torch_pair.misfit()
        import torchvision.transforms.v2.functional  # noqa: F401
    except metadata.PackageNotFoundError as error:
        problem = f"{error.name} is not installed"
    except torch_pair.OF_ANOTHER_BUILD as error:
        problem = problem or torch_pair.not_loaded(error)
    state: FindingState = "ok" if problem is None else "wrong"
    return Finding("torch and torchvision", state, problem or "fit each other")


def devices() -> Iterator[Finding]:
    import torch

    from seekcli.runs.environment import bf16_units, cpu_name

    bf16 = bf16_units()
    units = f"bf16 by {' and '.join(bf16)}" if bf16 else "no bf16 units"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("devices", "ok", f"cpu: {cpu_name()}, {cores} cores, {torch.get_num_threads()} threads, {units}")
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        bf16_words = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no bf16"
        memory = human_bytes(facts.total_memory)
        text = f"cuda:{index}: {facts.name}, {memory}, sm_{facts.major}{facts.minor}, {bf16_words}"
        yield Finding("devices", "ok", text)
    if torch.backends.mps.is_available():
        yield Finding("devices", "ok", "mps")
    if not torch.cuda.is_available():
        built = f"this torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "this torch is for CPUs"
        yield Finding("devices", "note", f"no CUDA device; {built}")


def processes() -> Finding:
    """Whether one run can be split over several processes (torchrun): gloo brings them together, NCCL its GPUs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_gloo_available()):
        return Finding("processes", "note", "this torch has no gloo: a run is trained in one process")
    found = "gloo (CPUs) and NCCL (GPUs)" if dist.is_nccl_available() else "gloo (CPUs), and no NCCL (GPUs)"
    return Finding("processes", "ok", f"one run can be split by torchrun: this torch has {found}")


def data_sets(data_dir: Path | None) -> Iterator[Finding]:
    """Which published sets lie where runs look for them. None is needed: digits come with scikit-learn."""
    folder = data_dir if data_dir is not None else cache_folder() / "data"
    for kind in KINDS.values():
        if not isinstance(kind, NamedSet) or not (kind.places or kind.bundled):
            continue
        found = next((folder / place for place in kind.places if (folder / place).exists()), None)
        where = f"not in {folder}; downloaded when a run asks for it" if found is None else str(found)
        text = f"{kind.word}: {'bundled' if kind.bundled else where}"
        yield Finding("data", "ok" if found or kind.bundled else "note", text)


def disk(results: Path) -> Iterator[Finding]:
    """Free room, how fast a file is written and synced, and whether a file can be created by exactly one process."""
    with files.no_empty_folders(results):
        for topic, probe in (("disk", write_speed), ("file locks", exclusive_file)):
            try:
                yield Finding(topic, "ok", probe(results))
            except SeekError as error:
                yield Finding(topic, "wrong", str(error))


def write_speed(folder: Path) -> str:
    files.make_folder(folder)
    path, data = folder / ".doctor", os.urandom(PROBE_BYTES)
    clock = time.perf_counter()
    try:
        files.write_bytes(path, data)
        seconds = time.perf_counter() - clock
    finally:
        files.remove(path)
    room = os.statvfs(folder)
    free = human_bytes(room.f_bavail * room.f_frsize)
    return f"{folder}: {free} free, {PROBE_BYTES / 2**20 / seconds:,.0f} MiB/s written and synced"


def exclusive_file(folder: Path) -> str:
    files.make_folder(folder)
    path = folder / ".doctor-lock"
    try:
        if not create_exclusive(path, b"1") or create_exclusive(path, b"2"):
            raise BadInput(f"{folder}: two processes can create the same file: leases do not hold there")
    finally:
        files.remove(path)
    return f"{folder}: a file is created by one process alone"
