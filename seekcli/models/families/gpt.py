"""Language models like GPT-2 (Radford et al. 2019), up to its small one: `gpt-BLOCKSxWIDTH`, `-ffH` for another H.

H: hidden units of the feed-forward layer, four times the width where the name does not say. A larger one is deeper,
wider, or has more hidden units in the same blocks (MatFormer, Devvrit et al. 2023, arXiv 2310.07707). Heads have 64
channels in every size. The head is not tied to the embedding: a wider model starts by repeating the base's residual
stream, and a tied head would read each repetition, which multiplies the logits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from seekcli.models.family import Family, ModelSpec, Recipes

if TYPE_CHECKING:
    from torch import nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap
    from seekcli.models.added_blocks import Blocks

NAMES = ("gpt-2x64", "gpt-4x64-ff128", "gpt-4x64", "gpt-4x128", "gpt-6x128", "gpt-6x256", "gpt-12x768")
CONTEXT = 128
STAGES = ("blocks",)
# The layers by which a block writes the residual stream, and all that writes it.
WRITERS = ("attn.proj", "mlp.fc2")
STREAM = ("tok_emb", "pos_emb", *WRITERS)


class Size(NamedTuple):
    blocks: int
    width: int
    hidden: int


def size_of(name: str) -> Size:
    """Of `gpt-4x64-ff128`."""
    found = re.fullmatch(r"gpt-(\d+)x(\d+)(?:-ff(\d+))?", name)
    assert found is not None, name
    width = int(found[2])
    return Size(int(found[1]), width, int(found[3] or 4 * width))


def nests(base: ModelSpec, motivated: ModelSpec) -> bool:
    """Whether the larger one has at least the base's blocks, width and hidden units."""
    return all(small <= large for small, large in zip(size_of(base.name), size_of(motivated.name), strict=True))


def build(spec: ModelSpec, classes: int, channels: int, image_size: int) -> nn.Module:
    """Tokens [B, T] of `classes` different ones -> logits [B, T, classes]; T is at most `image_size`."""
    from seekcli.models.gpt import Gpt

    return Gpt(*size_of(spec.name), classes, image_size)


def link(base: Shapes, motivated: Shapes, map_name: str) -> WeightsMap:
    """Leading slices, queries, keys and values each; the last block to the last, the others to the first."""
    from seekcli.method.weights_map import block_renames, fused, map_shapes

    renames = block_renames(list(base), list(motivated), STAGES, "last-to-last")
    return map_shapes(base, motivated, regions=fused(3, r"attn\.qkv\."), rename=renames)


def identity(pair: Pair) -> Pair:
    """Equal logits after the first copy: added blocks write nothing, and a wider stream repeats the base's."""
    from seekcli.method.identity import IdentityStart

    start = IdentityStart(pair, STAGES, (), STREAM)
    silence = WRITERS if start.added_blocks() else ()
    return IdentityStart(pair, STAGES, silence, STREAM).made()


def residual_blocks() -> Blocks:
    """For --init stack alone: no normalisation scales what a block writes."""
    from seekcli.models.added_blocks import Blocks
    from seekcli.models.gpt import Block

    return Blocks((Block,), ())


FAMILY = Family(
    name="gpt",
    models=tuple(ModelSpec(name, "gpt", order, CONTEXT) for order, name in enumerate(NAMES)),
    build=build,
    link=link,
    identity=identity,
    head="head",
    stem="tok_emb.weight",
    stem_in_words=lambda image_size: None,
    recipes=Recipes("text"),
    nests=nests,
    residual_blocks=residual_blocks,
    reads_text=True,
    running_statistics=False,
    channels_last=False,
)
