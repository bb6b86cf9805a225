"""What a switch carries in somebody's own loop, where anything may be replaced between two switches."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import tensors_of
from seekcli.own_loop.optimizers import LaidOutState


class CarriedState:
    """A `StateTransfer` that is made anew whenever a tensor that it copies was replaced.

    `load_state_dict` of an optimizer and `model.to(...)` put new tensors in the place of those that it had views of.
    """

    def __init__(self, pair: Pair, state: LaidOutState, buffers: str) -> None:
        self.pair, self.state, self.buffers = pair, state, buffers
        self._made: StateTransfer | None = None
        self._made_of: list[Tensor] = []
        self._addresses: list[int] = []

    def up(self, fresh: bool) -> int:
        return self._current().up(fresh)

    def down(self) -> int:
        return self._current().down()

    def refresh(self, fresh: bool) -> None:
        self._current().refresh(fresh)

    def _current(self) -> StateTransfer:
        tensors = self.state.tensors()
        now = list(self._tensors(tensors["base"], tensors["motivated"]))
        addresses = [tensor.data_ptr() for tensor in now]
        if self._made is None or addresses != self._addresses:
            self._made = StateTransfer(self.pair, tensors["base"], tensors["motivated"], self.buffers)
            self._made_of, self._addresses = now, addresses  # held, so that no other tensor gets an address of theirs
        return self._made

    def _tensors(self, *states: object) -> Iterator[Tensor]:
        for model in (self.pair.base, self.pair.motivated):
            yield from tensors_of(model).values()
        for state in states:
            assert isinstance(state, dict)
            for each in state.values():
                yield from each.values()
