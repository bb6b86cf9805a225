"""What a loop of one's own is refused for before its first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from seekcli.errors import BadInput
from seekcli.own_loop.conditions import COUNTING


def require_condition(condition: object, steps_per_epoch: int | None) -> None:
    if not callable(getattr(condition, "observe", None)):
        raise BadInput(f"condition: a {type(condition).__name__} has no observe; seekcli.conditions has some")
    if isinstance(condition, COUNTING) and steps_per_epoch is None:
        raise BadInput(f"condition: {type(condition).__name__} counts batches: say steps_per_epoch")


def checked_recalibration(
    model: nn.Module, recalibrate: Callable[[], Iterable[Tensor]] | bool | None
) -> Callable[[], Iterable[Tensor]] | None:
    tracking = [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    if tracking and recalibrate is None:
        raise BadInput(
            f"the models have BatchNorm ({tracking[0]}), whose statistics lag behind after a switch: say "
            "recalibrate=lambda: (x for x, _ in some training batches), or recalibrate=False"
        )
    if recalibrate is True or not (recalibrate in (None, False) or callable(recalibrate)):
        raise BadInput("recalibrate: a function that gives the inputs of some training batches, or False")
    return recalibrate if tracking and callable(recalibrate) else None


def require_one_process() -> None:
    """Each process would decide by its own part of the batch, and the models would part."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        raise BadInput(
            f"Alternating runs in one process, and here are {distributed.get_world_size()} (torch.distributed)"
        )


def require_optimizers(optimizers: object) -> None:
    """Raise BadInput unless they are two optimizers of torch."""
    given = optimizers if isinstance(optimizers, tuple | list) else (optimizers,)
    kinds = ", ".join(type(one).__name__ for one in given)
    if len(given) != 2 or not all(isinstance(one, torch.optim.Optimizer) for one in given):
        raise BadInput(
            f"optimizers: two of torch are needed, (that of the base, that of the motivated model), not {kinds}"
        )


def require_record(record: object) -> None:
    from seekcli.own_loop.record import Record

    if record is not None and not isinstance(record, Record):
        raise BadInput(
            f"record: a seekcli.Record is needed, not {record!r}: it has the folder, and what is to be known of the "
            "run (docs/python.md)"
        )
