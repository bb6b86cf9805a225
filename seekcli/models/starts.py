"""How the differential parts of a motivated model start (`pair.init`), and how far each start is from an identity."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput
from seekcli.method.pair import Pair, StateTransfer
from seekcli.models.added_blocks import copier_of_neighbours, set_last_scale, stages_of
from seekcli.models.family import Family


def start(pair: Pair, family: Family, config: RunConfig) -> Pair:
    """The pair with its differential parts started: `paper` is how the family builds them, `source` as they came.

    Raises BadInput for an added scale where no block is added.
    """
    init = config.pair.init
    assert init != "auto", "the config is not resolved"
    if init == "identity":
        return identity_start(pair, family, config.pair.added_scale)
    if init == "timm":
        assert family.timm_start is not None, f"{family.name} has no start of timm's"
        family.timm_start(pair.motivated)
    if init == "stack":
        assert family.blocks is not None, f"{family.name} has no blocks to stack"
        copy_up = copier_of_neighbours(pair.weights_map.receivers, family.blocks)
        return Pair(pair.base, pair.motivated, pair.weights_map, after_copy_up=copy_up)
    return pair


def identity_start(pair: Pair, family: Family, added_scale: float) -> Pair:
    """The motivated model computes what the base computes; `added_scale` above 0 lets its added blocks learn at once.

    Raises BadInput where there is no added block that could start with a scale.
    """
    started = family.identity(pair)
    if not added_scale:
        return started
    receivers = pair.weights_map.receivers
    stages = stages_of(pair.motivated, receivers, family.blocks) if family.blocks else []
    if family.blocks is None or not any(stage.added for stage in stages):
        raise BadInput(f"pair.added_scale {added_scale:g}: the motivated model has no added blocks")
    if not family.blocks.norms:
        raise BadInput(f"pair.added_scale {added_scale:g}: no scale is last in the blocks of {family.name} models")
    set_last_scale(pair.motivated, receivers, family.blocks, added_scale)
    return started


@torch.no_grad()
def output_error_at_entry(pair: Pair, images: Tensor) -> float:
    """How far the motivated model is from the base when it is first entered, on images [B, C, H, W].

    The Euclidean norm of the difference of their logits over that of the base's, in evaluation mode: 0 for a start that
    is an identity, but for rounding. The pair stays as it is.
    """
    base, motivated = copy.deepcopy(pair.base), copy.deepcopy(pair.motivated)
    StateTransfer(Pair(base, motivated, pair.weights_map, pair.after_copy_up), {}, {}).refresh(fresh=True)
    expected, found = (logits_of(model, images) for model in (base, motivated))
    return float((found - expected).norm() / expected.norm())


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    return torch.as_tensor(model.eval()(images))
