"""What a family of scalable models says of itself: one object, in a file of its own under families/.

Everything that differs between families is asked of this object, and nothing else knows a family by its name. It is
read without torch (`seek list`, the completion of a shell, the check of a command): what needs torch is a function,
which imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from seekcli.method.pair import Pair
    from seekcli.method.weights_map import Shapes, WeightsMap
    from seekcli.models.added_blocks import Blocks

ALIGNED: Mapping[str, str | None] = {"aligned": None}


@dataclass(frozen=True)
class ModelSpec:
    """One model: models of a family are ordered, and a smaller one can be the base of any larger one."""

    name: str
    family: str
    order: int
    image_size: int  # pixels a side the family was designed for; folders of photographs are resized to it by default


@dataclass(frozen=True)
class Recipes:
    """Names of the recipes that train a family; what is None is trained by the usual one."""

    usual: str
    small_images: str | None = None  # for sets of small images that stay at their own size (digits, synthetic)
    imagenet: str | None = None
    given_weights: str | None = None  # for a start from weights from elsewhere (--init-from, --pretrained)


@dataclass(frozen=True)
class TimmForm:
    """`timm.create_model(name, **arguments)`, and then the `modules` of torch.nn: their type and its arguments.

    It is for loading, also by others (an export's card has it): how the weights start is no part of it.
    """

    name: str
    arguments: dict[str, Any]
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)

    def create(self, **only_at_start: Any) -> nn.Module:
        """The module, freshly initialised; further arguments say how its weights start."""
        import timm
        from torch import nn

        model = timm.create_model(self.name, **self.arguments, **only_at_start)
        for name, made in self.modules.items():
            setattr(model, name, getattr(nn, made["type"])(**{key: made[key] for key in made if key != "type"}))
        return model


def always_nests(base: ModelSpec, motivated: ModelSpec) -> str | None:
    """For families in which every base element has a counterpart in every larger model."""
    return None


@dataclass(frozen=True)
class Family:
    """A family of models of growing size, each of which contains the smaller ones.

    Raises ValueError unless its models are of this family, in growing order.
    """

    name: str
    models: tuple[ModelSpec, ...]  # smallest first

    build: Callable[[ModelSpec, int, int, int], nn.Module]  # spec, classes, channels, image size -> module
    link: Callable[[Shapes, Shapes, str], WeightsMap]  # shapes of base and motivated, map name -> weights map
    identity: Callable[[Pair], Pair]  # makes the motivated model compute what the base computes

    head: str  # the module that knows the classes, such as "fc"
    stem: str  # the tensor that knows the channels of an image, such as "conv1.weight"
    stem_in_words: Callable[[int], str | None]  # image size -> the first layers; None where they are patches
    recipes: Recipes

    # Whether a larger one (by its order) contains a smaller one.
    nests: Callable[[ModelSpec, ModelSpec], bool] = lambda base, motivated: True
    # Why the map between two of its models is partial; None where every base element has a counterpart.
    partial: Callable[[ModelSpec, ModelSpec], str | None] = always_nests
    # The weights maps it has (`--map`), each with what keeps it from an identity start, if anything does.
    maps: Mapping[str, str | None] = field(default_factory=lambda: ALIGNED)
    only_deeper: bool = False  # a larger model has more residual blocks and nothing else
    residual_blocks: Callable[[], Blocks] | None = None  # where a larger model has more of them
    timm: Callable[[ModelSpec, int, int, int], TimmForm] | None = None  # as `build`; None for what timm has not
    timm_start: Callable[[nn.Module], None] | None = None  # timm's own start of a model, where it is another than ours

    reads_text: bool = False  # tokens instead of images: `image_size` is then the length of a window
    # Of transformers: (smallest image, patch) in pixels a side, largest first. Their models are built for one size.
    patches: tuple[tuple[int, int], ...] = ()
    large_stem_from: int | None = None  # pixels a side from which on the stem is another one than below
    running_statistics: bool = True  # it has BatchNorm; False where it normalises by LayerNorm alone
    channels_last: bool = True  # the layout that `--set runtime.layout=auto` stands for
    papers_flops: bool = False  # the paper counts it in its own kind of FLOPs (table 8)

    def __post_init__(self) -> None:
        orders = [spec.order for spec in self.models]
        if any(spec.family != self.name for spec in self.models) or orders != sorted(set(orders)):
            raise ValueError(f"the models of {self.name} are not of this family, or not in growing order")

    @cached_property
    def blocks(self) -> Blocks | None:
        """Its residual blocks, where a larger model has more of them. Imports torch."""
        return None if self.residual_blocks is None else self.residual_blocks()

    def patch_at(self, image_size: int) -> int | None:
        """Pixels a side of a patch, for images of this size; None for a family without patches."""
        return next((patch for smallest, patch in self.patches if image_size >= smallest), None)

    def divides(self, image_size: int) -> bool:
        """Whether whole patches make up an image of this size."""
        return image_size % (self.patch_at(image_size) or 1) == 0
