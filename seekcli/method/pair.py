"""A pair: two modules, the map between them, and the copies that a switch makes (paper 3.2, 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from seekcli.method.weights_map import Link, WeightsMap, tensors_of, view

# Parameter name -> optimizer state by key ("momentum_buffer", "exp_avg", "step", ...), tensors that stay in place.
OptimizerState = Mapping[str, Mapping[str, Tensor]]
# Buffers of BatchNorm (and of InstanceNorm that tracks) that describe activations, and so belong to one model.
RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, repr=False)
class Pair:
    """The base and the motivated model and the weights map between them.

    `after_copy_up` is called on the motivated model after each copy into it until its first own step. An identity start
    that must write more than the mapped region lives there (none for depth).

    `identity_error` is how far the two were from equal outputs at the start, where that was measured. An `unverified`
    start was made to be an identity, and nobody has looked yet whether it is one. `silenced` are the motivated
    parameters that are zero for it.
    """

    base: nn.Module
    motivated: nn.Module
    weights_map: WeightsMap
    after_copy_up: Callable[[nn.Module], None] | None = field(default=None)
    identity_error: float | None = None
    unverified: bool = False
    silenced: tuple[str, ...] = ()

    @classmethod
    def nested(cls, base: nn.Module, motivated: nn.Module, **options: Any) -> Pair:
        """A pair of any two modules, linked by their names and shapes: all options are those of `nested_pair`."""
        from seekcli.method.nested import nested_pair

        return nested_pair(base, motivated, **options)

    @property
    def coverage(self) -> float:
        """Share of base elements (parameters and buffers) that have a counterpart: 0 to 1."""
        return self.weights_map.coverage

    @property
    def unlinked(self) -> tuple[str, ...]:
        """Base tensors that have no counterpart at all."""
        return self.weights_map.unlinked

    def __repr__(self) -> str:
        """In a line: modules and links are long."""
        kinds = f"{type(self.base).__name__} in {type(self.motivated).__name__}"
        return f"<Pair of {kinds}: coverage {self.coverage:.1%}, {len(self.unlinked)} base tensors unlinked>"


class CopyPlan:
    """One direction of a copy, over views that were made once, in groups of one dtype and device.

    Optimizers keep their step counts on the host, mostly.
    """

    def __init__(self, tensors: list[tuple[Tensor, Tensor]]) -> None:
        groups: dict[tuple[torch.dtype, torch.device], tuple[list[Tensor], list[Tensor]]] = {}
        for target, source in tensors:
            targets, sources = groups.setdefault((target.dtype, target.device), ([], []))
            targets.append(target)
            sources.append(source)
        self.groups = list(groups.values())
        self.bytes = sum(target.numel() * target.element_size() for target, _ in tensors)

    @torch.no_grad()
    def run(self) -> None:
        for targets, sources in self.groups:
            torch._foreach_copy_(targets, sources)


class StateTransfer:
    """Carries weights, buffers and optimizer state between the two models of a pair.

    The views hold as long as nobody replaces a parameter, buffer or state tensor: load checkpoints with `copy_`.

    With buffers "own" the running statistics stay with their model: they describe its activations, not the other's.
    Until its first own step the motivated model has seen no batch, so it takes the base's. With "carried" they travel
    as every other buffer does.
    """

    def __init__(
        self, pair: Pair, base_state: OptimizerState, motivated_state: OptimizerState, buffers: str = "own"
    ) -> None:
        links = pair.weights_map.links
        staying = running_statistics(pair.motivated) if buffers == "own" else frozenset()
        carried = link_tensors(pair, [link for link in links if link.motivated not in staying])
        own = link_tensors(pair, [link for link in links if link.motivated in staying])
        state = list(state_views(pair.weights_map, base_state, motivated_state))
        self._pair = pair
        self._weights_up = CopyPlan([(large, small) for small, large in carried])
        self._statistics_up = CopyPlan([(large, small) for small, large in own])
        self._up = CopyPlan([(large, small) for small, large in carried + state])
        self._down = CopyPlan([(small, large) for small, large in carried + state])

    def up(self, fresh: bool) -> int:
        """Base -> motivated, optimizer state included. `fresh`: the motivated model has made no step of its own yet.

        Returns the bytes copied.
        """
        self._up.run()
        return self._up.bytes + self._finish_copy_up(fresh)

    def down(self) -> int:
        """Motivated -> base, optimizer state included. Returns the bytes copied."""
        self._down.run()
        return self._down.bytes

    def refresh(self, fresh: bool) -> None:
        """Base weights and buffers into the motivated model, in place, to evaluate and export: no optimizer state."""
        self._weights_up.run()
        self._finish_copy_up(fresh)

    def start_statistics(self) -> int:
        """Base -> motivated, the running statistics that otherwise stay with their model. Returns the bytes copied."""
        self._statistics_up.run()
        return self._statistics_up.bytes

    def _finish_copy_up(self, fresh: bool) -> int:
        """What a copy into a motivated model without a step of its own adds. Returns the bytes copied."""
        if not fresh:
            return 0
        if self._pair.after_copy_up is not None:
            self._pair.after_copy_up(self._pair.motivated)
        return self.start_statistics()


def running_statistics(model: nn.Module) -> frozenset[str]:
    """Names of the running statistics among the tensors of a model: those of every normalisation that keeps some."""
    return frozenset(
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        if isinstance(module, _NormBase)
        for name in RUNNING_STATISTICS
        if getattr(module, name) is not None
    )


def link_tensors(pair: Pair, links: Iterable[Link]) -> list[tuple[Tensor, Tensor]]:
    """(base view, motivated view) of each link."""
    base, motivated = tensors_of(pair.base), tensors_of(pair.motivated)
    return [link_views(link, base[link.base], motivated[link.motivated]) for link in links]


def link_views(link: Link, base: Tensor, motivated: Tensor) -> tuple[Tensor, Tensor]:
    return view(base, link.base_region), view(motivated, link.motivated_region)


def state_views(
    weights_map: WeightsMap, base_state: OptimizerState, motivated_state: OptimizerState
) -> Iterator[tuple[Tensor, Tensor]]:
    """(base view, motivated view) of every state tensor; per-parameter tensors follow the regions, scalars go whole.

    Raises ValueError when the two optimizers keep different state for linked parameters.
    """
    carried: set[tuple[str, str, str]] = set()
    for link in weights_map.links:
        small, large = base_state.get(link.base, {}), motivated_state.get(link.motivated, {})
        if small.keys() != large.keys():
            raise ValueError(f"optimizer state of {link.base} and {link.motivated} differs: {set(small) ^ set(large)}")
        for key, tensor in small.items():
            if tuple(tensor.shape) == tuple(weights_map.base_shapes[link.base]) and tensor.dim() > 0:
                yield link_views(link, tensor, large[key])
            elif (link.base, link.motivated, key) not in carried:
                # A scalar such as Adam's step belongs to the whole tensor: once, however many regions it has.
                carried.add((link.base, link.motivated, key))
                yield tensor, large[key]
