"""The processes that train one run together, and what they tell each other.

One process alone is `Ranks()`: it tells nobody anything, so that there is one path. Tensors travel over NCCL where they
are on a GPU; what the host has travels over gloo and waits for no device. Every method that tells is called by all
processes, in the same order.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from seekcli.errors import AgreedFailure, BadInput, LostProcess, Stopped
from seekcli.launched import Place, place

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

# How long a process is waited for that hangs. One that dies is noticed without a time. Within a step the longest work
# of one process alone is to save a checkpoint, or to measure a held-out loss.
HUNG_MINUTES, HUNG = 30.0, "SEEK_HUNG_MINUTES"
# Between epochs the others wait while the first one evaluates, decodes a data set or writes files.
ORDER_PATIENCE = timedelta(days=1)
AGAIN = "what was saved is kept, and the same command again goes on from there"


class Ranks:
    """The process `rank` of `size`, from 0; the process group of torch is there already where `size` is above 1.

    `orders` is a group of the same processes with more patience; without it orders go through the one that is there.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, local_rank: int = 0, orders: dist.ProcessGroup | None = None
    ) -> None:
        self.rank, self.size, self.local_rank, self._orders = rank, size, local_rank, orders
        self._parted = False

    @classmethod
    def join(cls, told: Place | None = None) -> Ranks:
        """Meet the processes that were started with this one.

        Raises LostProcess where they do not come, and BadInput where this torch cannot, or for a wrong
        SEEK_HUNG_MINUTES.
        """
        own = told or place()
        if own.size == 1:
            return cls()
        if not (dist.is_available() and dist.is_gloo_available()):
            raise BadInput(f"torch {torch.__version__} was built without gloo: a run is trained in one process here")
        from torch.distributed.rendezvous import rendezvous

        patience = patience_told()
        with noticing_the_lost():
            store, _, _ = next(rendezvous("env://", timeout=patience))
        return cls.meet(store, own, patience)

    @classmethod
    def meet(cls, store: Store, own: Place, patience: timedelta) -> Ranks:
        """Through a store. torchrun has one for all of its restarts, where the addresses of the dead still stand: each
        restart has keys of its own. Raises LostProcess."""
        from torch.distributed.distributed_c10d import PrefixStore

        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        keys = PrefixStore(f"seekcli restart {own.restarts}", store)
        with noticing_the_lost():
            dist.init_process_group(backend, timeout=patience, rank=own.rank, world_size=own.size, store=keys)
            orders = dist.new_group(backend="gloo", timeout=ORDER_PATIENCE)
        assert isinstance(orders, dist.ProcessGroup), "all of them are members"
        return cls(own.rank, own.size, own.local_rank, orders)

    def leave(self) -> None:
        """End the group. What the others still wait for does not come any more."""
        if self.size > 1:
            with suppress(RuntimeError):
                dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process decides, writes and speaks."""
        return self.rank == 0

    @property
    def facts(self) -> dict[str, Any]:
        """For the record of the environment; nothing of one process alone."""
        return {"processes": self.size, "backend": dist.get_backend_config()} if self.size > 1 else {}

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Work in which the processes wait for each other.

        What one of them alone meets there leaves the others waiting in its midst: it can tell them nothing after it.
        """
        try:
            yield
        except (AgreedFailure, Stopped):
            raise
        except BaseException:
            self._parted = True
            raise

    def from_first(self, value: Any = None) -> Any:
        """What the first process gives, in every process: plain data, as JSON has it."""
        return value if self.size == 1 else self._from(0, value)

    def from_each(self, value: Any) -> list[Any]:
        """What every process gives, in all of them: plain data."""
        return [value] if self.size == 1 else [self._from(rank, value) for rank in range(self.size)]

    def order(self, value: Any = None) -> Any:
        """As `from_first`, between steps: the first process may be long about something before it comes."""
        return value if self.size == 1 else self._from(0, value, self._orders)

    def answers(self, value: Any) -> list[Any]:
        """As `from_each`, of an order that may take long."""
        return [value] if self.size == 1 else [self._from(rank, value, self._orders) for rank in range(self.size)]

    def decided(self, decision: bool) -> bool:
        """The decision of the first process."""
        if self.size == 1:
            return decision
        flag = torch.tensor([decision], dtype=torch.uint8)
        with self._telling():
            dist.broadcast(flag, 0)
        return bool(flag.item())

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Of each flag whether it is set in any process."""
        if self.size == 1:
            return list(flags)
        numbers = torch.tensor(flags, dtype=torch.uint8)
        with self._telling():
            dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return [bool(number) for number in numbers.tolist()]

    def summed(self, value: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.size == 1:
            return value
        total = value.clone()
        with self._telling():
            dist.all_reduce(total)
        return total

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Make each gradient the sum over all processes, in place. One that no process has stays None.

        All of a dtype travel at once. Whether a parameter has one is known to the host, before the device is done.
        """
        if self.size == 1:
            return
        anywhere = self.any([parameter.grad is not None for parameter in parameters])
        of_dtype: dict[torch.dtype, list[Tensor]] = {}
        for parameter, has in zip(parameters, anywhere, strict=True):
            if has and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                of_dtype.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in of_dtype.values():
            total = self.summed(torch.cat([gradient.reshape(-1) for gradient in gradients]))
            parts = total.split([gradient.numel() for gradient in gradients])
            torch._foreach_copy_(
                gradients, [part.view(one.shape) for part, one in zip(parts, gradients, strict=True)]
            )

    def copy_from_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The first process's tensors of these names, shapes and types."""
        found = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
        if self.size > 1:
            with self._telling():
                for name in sorted(found):
                    dist.broadcast(found[name], 0)
        return found

    def gathered(self, own: Tensor, lengths: Sequence[int]) -> Tensor:
        """The tensors of all processes, one after the other along the first dimension; these are their lengths."""
        parts = [own.new_empty((length, *own.shape[1:])) for length in lengths]
        parts[self.rank] = own.contiguous()
        with self._telling():
            for rank, part in enumerate(parts):
                if len(part):
                    dist.broadcast(part, rank)
        return torch.cat(parts)

    def _from(self, rank: int, value: Any, group: dist.ProcessGroup | None = None) -> Any:
        data = json.dumps(value).encode() if rank == self.rank else b""
        length = torch.tensor([len(data)])
        with self._telling():
            dist.broadcast(length, rank, group)
            content = torch.zeros(int(length), dtype=torch.uint8)
            if data:
                content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
            dist.broadcast(content, rank, group)
        return json.loads(content.numpy().tobytes())

    @contextmanager
    def _telling(self) -> Iterator[None]:
        if self._parted:
            raise LostProcess(f"the processes have parted, since a run failed in the midst of a step; {AGAIN}")
        try:
            with noticing_the_lost():
                yield
        except LostProcess:  # one that hangs would not hear that all leave
            self._parted = True
            raise


@contextmanager
def noticing_the_lost() -> Iterator[None]:
    """Raise LostProcess for what torch raises where another process is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        late = "timed out waiting" in str(error).lower()
        what = f"did not answer in time and may hang ({HUNG})" if late else "is gone"
        raise LostProcess(f"another process of this run {what}; {AGAIN} ({words[0][:200]})") from error


def patience_told() -> timedelta:
    """Raises BadInput for a SEEK_HUNG_MINUTES that is no number of minutes."""
    word = os.environ.get(HUNG) or f"{HUNG_MINUTES}"
    try:
        minutes = float(word)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes <= ORDER_PATIENCE / timedelta(minutes=1):
        raise BadInput(f"{HUNG} is '{word}': a number of minutes above 0, and at most a day's (1440)")
    return timedelta(minutes=minutes)


ALONE = Ranks()
