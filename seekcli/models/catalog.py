"""The names of models and pairs: what exists, in which family, in which order. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seekcli.config import pair_name
from seekcli.errors import BadInput, unknown


@dataclass(frozen=True)
class ModelSpec:
    """One model: models of a family are ordered, and a smaller one can be the base of any larger one."""

    name: str
    family: str
    order: int
    image_size: int  # pixels a side the family was designed for; folders of photographs are resized to it by default


def catalog() -> list[ModelSpec]:
    """Every model, by family, smallest first. 18, 34, 50, 101, 152 always mean the ImageNet ResNets."""
    efficientnet_sizes = (224, 240, 260, 300, 380, 456, 528, 600)  # Tan and Le 2019; native, per model
    return [
        *(ModelSpec(f"resnet{depth}", "cifar-resnet", depth, 32) for depth in (8, 14, 20, 32, 44, 56, 110)),
        *(ModelSpec(f"resnet{depth}", "resnet", depth, 224) for depth in (18, 34, 50, 101, 152)),
        *(ModelSpec(f"vit-{size}", "vit", order, 224) for order, size in enumerate(("tiny", "small", "base"))),
        *(ModelSpec(f"efficientnet-b{i}", "efficientnet", i, size) for i, size in enumerate(efficientnet_sizes)),
    ]


MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in catalog()}
TRANSFORMERS = ("vit",)
BASIC_BLOCK_DEPTHS = (18, 34)  # of the ImageNet ResNets; deeper ones have bottleneck blocks


def nests_fully(base: str, motivated: str) -> bool:
    """Whether every base element has a counterpart: not so for basic blocks in bottlenecks (ResNet-18 in ResNet-50)."""
    small, large = model_spec(base), model_spec(motivated)
    basic = [spec.order in BASIC_BLOCK_DEPTHS for spec in (small, large)]
    return small.family != "resnet" or basic[0] == basic[1]


def model_spec(name: str, flag: str = "model") -> ModelSpec:
    if name not in MODELS:
        raise unknown(flag, name, MODELS)
    return MODELS[name]


def pair_names() -> list[str]:
    """Every pair of one family in growing order, by family and size."""
    specs = list(MODELS.values())
    return [
        pair_name(base.name, motivated.name)
        for base in specs
        for motivated in specs
        if base.family == motivated.family and base.order < motivated.order
    ]


def parse_pair(text: str) -> tuple[str, str]:
    """`resnet20-to-32` -> ("resnet20", "resnet32"). Raises BadInput for what is no pair."""
    base, separator, _ = text.partition("-to-")
    if not separator:
        raise unknown("pair", text, pair_names())
    for name in MODELS:
        if text in (pair_name(base, name), f"{base}-to-{name}") and base in MODELS:
            check_pair(base, name)
            return base, name
    raise unknown("pair", text, pair_names())


def check_pair(base: str, motivated: str) -> None:
    """Raise BadInput unless the base can be contained in the motivated model."""
    small, large = model_spec(base, "base model"), model_spec(motivated, "motivated model")
    if small.family != large.family:
        raise BadInput(
            f"{base} ({small.family}) and {motivated} ({large.family}) are of different families and do not nest"
        )
    if small.order == large.order:
        raise BadInput(f"a pair needs two different models, got {base} twice")
    if small.order > large.order:
        raise BadInput(f"{base} is larger than {motivated}; did you mean {pair_name(motivated, base)!r}?")
