"""What has to be there before a run may begin: its data, its models on the device, and room on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from seekcli.config.schema import RunConfig
from seekcli.data.sets import sources
from seekcli.data.sets.kept_listings import listings_kept
from seekcli.data.sets.sources import Dataset
from seekcli.data.splitting.holdout import hold_out
from seekcli.data.splitting.overlap import overlap_note, watched_overlap_note
from seekcli.errors import BadInput, counted
from seekcli.models.catalog import same_start_note
from seekcli.models.transplant import SourceWeights
from seekcli.ranks import ALONE, Ranks
from seekcli.resolve.build import build_trainer
from seekcli.resolve.extension import ParentState, extension_note, parent_state
from seekcli.resolve.plan import partial_map
from seekcli.resolve.short_epochs import few_steps_note
from seekcli.resolve.transfer import start_weights
from seekcli.runs.data_contents import refuse_other_images
from seekcli.runs.folder import RunFolder
from seekcli.train.progress import Progress
from seekcli.train.trainer import Trainer


def has_begun(folder: RunFolder) -> bool:
    """Whether the run needs no start any more: it has a checkpoint to go on from, or is done."""
    return bool(folder.checkpoints()) or folder.finished_status() is not None


@dataclass(frozen=True)
class Beginning:
    """What a new run begins with that was trained before; nothing of it for one that starts from nothing."""

    source: SourceWeights | None = None
    parent: ParentState | None = None


def beginning_of(config: RunConfig, results: Path) -> Beginning:
    """Raises BadInput where that is gone, or has changed since the run was planned."""
    return Beginning(start_weights(config, results), parent_state(config, results))


def trained_before(config: RunConfig) -> bool:
    """Whether a new run begins with something that was trained before."""
    return config.transfer.sha256 is not None or config.extend.run is not None


def load_and_build(
    config: RunConfig,
    progress: Progress,
    beginning: Beginning,
    resumed: RunFolder | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Dataset, Trainer]:
    """The data and the trainer of the run. A folder is listed anew: it may have changed since the run was planned.

    `resumed` is the folder of a run that goes on. Raises BadInput where it began with other images, or where the run
    that is extended did, or its state does not fit; and where a process has no device.
    """
    source, parent = beginning.source, beginning.parent
    device = device_of(config, ranks)
    with listings_kept(anew=True):
        dataset = load_data(config, progress)
        for before in (resumed, parent.folder if parent is not None else None):
            if before is not None:
                refuse_other_images(before, dataset)
        trainer = build_trainer(config, dataset, device, source, ranks)
    if parent is not None:
        try:
            trainer.go_on_from(parent.tensors, parent.plain)
        except (ValueError, LookupError, TypeError) as error:
            trainer.batches.close()
            raise BadInput(f"--extend {parent.run_id}: its state does not fit these settings: {error}") from None
    return dataset, trainer


def device_of(config: RunConfig, ranks: Ranks) -> torch.device:
    """The device of this process. Raises BadInput where there are fewer than processes on this machine."""
    if ranks.size == 1 or config.runtime.device != "cuda":
        return torch.device(config.runtime.device)
    devices = torch.cuda.device_count()
    if ranks.local_rank >= devices:
        raise BadInput(
            f"--device cuda: process {ranks.local_rank + 1} of this machine finds {counted(devices, 'CUDA device')}; "
            f"use --nproc-per-node {devices}"
        )
    torch.cuda.set_device(ranks.local_rank)
    return torch.device("cuda", ranks.local_rank)


def say_beginning(config: RunConfig, beginning: Beginning, progress: Progress) -> None:
    if (source := beginning.source) is not None:
        progress.note(f"starting from {source.label}: {' and '.join(source.models)}, with a new head")
    if (note := extension_note(config)) is not None:
        progress.note(note)


def load_data(config: RunConfig, progress: Progress) -> Dataset:
    """The data of the run, without the images that it holds out.

    Says first what of the base has no counterpart, since data may take long, and then whether training images are
    among the test images. Raises BadInput as `sources.load` does.
    """
    for note in (partial_map(config), same_start_note(config)):
        if note is not None:
            progress.note(note)
    dataset = hold_out(sources.load(config.data, progress.decoding), config.data.holdout_images, config.seed)
    if (overlap := overlap_note(config.data, dataset)) is not None:
        progress.note(overlap)
    if (watched := watched_overlap_note(dataset)) is not None:
        progress.note(watched)
    return dataset


def say_few_steps(config: RunConfig, steps_done: int, progress: Progress) -> None:
    """Of a run that begins: that its motivated model will hardly be trained, where that is so."""
    note = None if steps_done else few_steps_note(config)
    if note is not None:
        progress.note(note)


def needed_bytes(trainer: Trainer, folder: RunFolder | None) -> int:
    """Room for three checkpoints (two kept, one being written) and the model files, less what `folder` holds already.

    `folder` is None for a run that begins anew: what is set aside stays on the disk.
    """
    tensors, _ = trainer.state()
    there = len(folder.checkpoints()) if folder else 0
    return (4 - min(there, 2)) * sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) + 2**20
