"""What the first process of a run tells the others: to build, to take its state, to train an epoch, to leave.

They do nothing by themselves (`following.py`). To one process alone all this is nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from seekcli import launched
from seekcli.config.schema import RunConfig
from seekcli.data.sets.sources import Dataset
from seekcli.errors import BadInput, LostProcess, RunFailed
from seekcli.ranks import Ranks
from seekcli.train.trainer import Trainer

BUILD, TAKE_STATE, TRAIN_EPOCH, LEAVE = "build", "take state", "train epoch", "leave"
HOW = "torchrun --nproc-per-node {} -m seekcli train ..."


def require_processes(config: RunConfig, ranks: Ranks) -> None:
    """Raise BadInput unless the processes are as many as the run is split over."""
    wanted, there = config.train.processes, launched.place().size
    if ranks.size == wanted and (there == 1 or ranks.size > 1):
        return
    if wanted == 1 and ranks.size == 1:
        launched.refuse_several()
    here = "there is one process" if ranks.size == 1 else f"there are {ranks.size} processes"
    raise BadInput(f"train.processes is {wanted}, and {here} here: {HOW.format(wanted)}")


def others_build(ranks: Ranks, config: RunConfig, dataset: Dataset) -> None:
    """The data and the models, as they are here. Raises RunFailed where one of the others cannot."""
    if ranks.size == 1:
        return
    ranks.order({"do": BUILD, "config": config.model_dump(mode="json"), "data": facts_of(dataset)})
    problems = [(rank, problem) for rank, problem in enumerate(ranks.answers(None)) if problem is not None]
    if problems:
        rank, problem = problems[0]
        raise RunFailed(f"process {rank} of {ranks.size} (counted from 0): {problem}")


def facts_of(dataset: Dataset) -> list[Any]:
    """What two processes with the same data have alike: sizes, the split in words, and the labels in their order."""
    labels = dataset.train_labels
    digest = hashlib.sha256(labels.cpu().contiguous().numpy().tobytes()).hexdigest()
    return [len(labels), len(dataset.test_labels), dataset.split, digest]


def others_take_state(trainer: Trainer) -> None:
    """All that a checkpoint of this trainer would hold."""
    if trainer.ranks.size == 1:
        return
    tensors, plain = trainer.state()
    trainer.ranks.order({"do": TAKE_STATE, "plain": plain})
    trainer.ranks.copy_from_first(tensors)


def train_epoch(trainer: Trainer, after_step: Callable[[], None]) -> None:
    """In all processes together."""
    trainer.ranks.order({"do": TRAIN_EPOCH})
    with trainer.ranks.in_step():
        trainer.train_epoch(after_step)


def agreed(ranks: Ranks, reason: str | None, save: bool) -> tuple[str | None, bool]:
    """After a step, in every process: why all stop, if any was asked to, and whether the first one saves."""
    stop, save = ranks.any([reason is not None, save])
    return (next(words for words in ranks.from_each(reason) if words is not None) if stop else None), save


def others_leave(ranks: Ranks) -> None:
    """At the end of the command, however it ended; those that are gone already are not told."""
    with suppress(LostProcess):
        ranks.order({"do": LEAVE})
    ranks.leave()
