"""Depth: the residual blocks that only the motivated model has, how they may start, and how much they are used.

A block is added when none of its tensors holds an element of the base. A stage is the module that numbers its blocks:
`layer1` of `layer1.0`, `blocks.2` of `blocks.2.1`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Blocks:
    """What a family's residual blocks are, and the names of their normalisations, the last one first.

    There are none where what a block writes is not normalised (pre-norm transformers).
    """

    kinds: tuple[type[nn.Module], ...]
    norms: tuple[str, ...]

    def last_scale(self, block: nn.Module) -> Tensor:
        """The scale of the block's last normalisation, which its output is multiplied by: [channels]."""
        return self.last_norm(block).weight

    def last_norm(self, block: nn.Module) -> nn.BatchNorm2d:
        norm: nn.BatchNorm2d = next(getattr(block, name) for name in self.norms if hasattr(block, name))
        return norm


@dataclass(frozen=True)
class Stage:
    """The blocks of one stage of the motivated model by their number: mapped ones hold base elements."""

    mapped: dict[int, nn.Module]
    added: dict[int, nn.Module]


def stages_of(motivated: nn.Module, linked: Collection[str], blocks: Blocks) -> list[Stage]:
    """Every stage, in order. `linked` are the motivated tensors that hold base elements."""
    stages: dict[str, Stage] = defaultdict(lambda: Stage({}, {}))
    for name, module in motivated.named_modules():
        parent, _, number = name.rpartition(".")
        if isinstance(module, blocks.kinds) and number.isdigit():
            is_mapped = any(tensor.startswith(f"{name}.") for tensor in linked)
            (stages[parent].mapped if is_mapped else stages[parent].added)[int(number)] = module
    return list(stages.values())


@torch.no_grad()
def set_last_scale(motivated: nn.Module, linked: Collection[str], blocks: Blocks, scale: float) -> None:
    """The last normalisation of every added block starts at this scale and at zero shift.

    At zero the block adds nothing to its shortcut, and so the motivated model computes what the base computes.
    """
    for stage in stages_of(motivated, linked, blocks):
        for block in stage.added.values():
            nn.init.constant_(blocks.last_scale(block), scale)
            nn.init.zeros_(blocks.last_norm(block).bias)


def copier_of_neighbours(linked: Collection[str], blocks: Blocks) -> Callable[[nn.Module], None]:
    """Stacking: a function that writes into every added block of a model the mapped block nearest to it.

    Of two that are equally near it takes the one before. A block stays as it is where no mapped one has its shape.
    Literature: Gong et al. 2019, "Efficient Training of BERT by Progressively Stacking".
    """

    @torch.no_grad()
    def copy_neighbours(motivated: nn.Module) -> None:
        for stage in stages_of(motivated, linked, blocks):
            for number, block in stage.added.items():
                near = sorted(stage.mapped, key=lambda other: (abs(other - number), other))
                source = next((stage.mapped[other] for other in near if same_shapes(stage.mapped[other], block)), None)
                if source is not None:
                    block.load_state_dict(source.state_dict())

    return copy_neighbours


def same_shapes(left: nn.Module, right: nn.Module) -> bool:
    shapes = [{name: tensor.shape for name, tensor in block.state_dict().items()} for block in (left, right)]
    return shapes[0] == shapes[1]


def usage_of_added_blocks(motivated: nn.Module, linked: Collection[str], blocks: Blocks) -> Tensor | None:
    """How much the added blocks write, against the mapped ones of their stage: a 0-d tensor on the model's device.

    It is the mean absolute last scale of the added blocks over that of the mapped blocks, the mean over the stages that
    have both: 0 where the added blocks do nothing, about 1 where they do as much as the others. None for a model
    without added blocks, and for blocks without such a scale.
    """
    if not blocks.norms:
        return None
    ratios = [
        mean_scale(stage.added, blocks) / mean_scale(stage.mapped, blocks)
        for stage in stages_of(motivated, linked, blocks)
        if stage.added and stage.mapped
    ]
    return torch.stack(ratios).mean() if ratios else None


def mean_scale(members: dict[int, nn.Module], blocks: Blocks) -> Tensor:
    return torch.stack([blocks.last_scale(block).detach().abs().mean() for block in members.values()]).mean()
