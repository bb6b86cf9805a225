"""The names of models and pairs: what exists, in which family, in which order. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seekcli.config.schema import RunConfig
from seekcli.config.settings import pair_name
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
WITHOUT_RUNNING_STATISTICS = TRANSFORMERS  # families that normalise by LayerNorm alone
TIMM_STARTS = ("resnet",)  # families in which timm's own start is another than the usual one
GROW_IN_DEPTH = ("cifar-resnet", "resnet")  # families in which a larger model has more blocks and nothing else
BASIC_BLOCK_DEPTHS = (18, 34)  # of the ImageNet ResNets; deeper ones have bottleneck blocks
# Tan and Le 2019, section 5.2: dropout grows from 0.2 for B0 to 0.5 for B7; stochastic depth with survival 0.8.
EFFICIENTNET_DROPOUT = (0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5)
STOCHASTIC_DEPTH = 0.2
PATCHES = ((128, 16), (64, 8), (16, 4), (0, 2))  # of transformers: (smallest image, patch), pixels a side


def patch_pixels(image_size: int) -> int:
    """The patch of a transformer at this image size: 16 from 128 pixels on, 8 from 64, 4 from 16, else 2."""
    return next(patch for smallest, patch in PATCHES if image_size >= smallest)


def check_image_size(name: str, image_size: int) -> None:
    """Raise BadInput, with the nearest sizes that do, when the patch of a transformer does not divide the image."""
    if model_spec(name).family not in TRANSFORMERS or divides(image_size):
        return
    smaller = (size for size in range(image_size - 1, 0, -1) if divides(size))
    larger = (size for size in range(image_size + 1, 2 * image_size + 2) if divides(size))
    nearest = " or ".join(str(size) for size in (next(smaller, None), next(larger)) if size)
    patch = patch_pixels(image_size)
    raise BadInput(f"--image-size {image_size} is no multiple of the patch of {name}, {patch} px there; use {nearest}")


def divides(image_size: int) -> bool:
    return image_size % patch_pixels(image_size) == 0


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
        larger = [spec.name for spec in MODELS.values() if spec.family == small.family and spec.order > small.order]
        hint = f"; {base} nests in {', '.join(larger)}" if larger else ""
        raise BadInput(
            f"{base} ({small.family}) and {motivated} ({large.family}) are of different families and do not nest{hint}"
        )
    if small.order == large.order:
        raise BadInput(f"a pair needs two different models, got {base} twice")
    if small.order > large.order:
        raise BadInput(f"{base} is larger than {motivated}; did you mean {pair_name(motivated, base)!r}?")


def has_running_statistics(name: str) -> bool:
    """Whether the model has BatchNorm, and with it running statistics to keep, carry or estimate anew."""
    return model_spec(name).family not in WITHOUT_RUNNING_STATISTICS


def default_init(base: str, motivated: str, map_name: str) -> str:
    """What `--init auto` means: identity where the motivated model can start as the base, else paper."""
    return "paper" if identity_obstacle(base, motivated, map_name) else "identity"


def identity_obstacle(base: str, motivated: str, map_name: str) -> str | None:
    """Why the motivated model cannot start by computing what the base computes; None when it can."""
    if not nests_fully(base, motivated):
        return "the weights map is partial (basic blocks in bottlenecks)"
    if map_name != "aligned" and model_spec(base).family in TRANSFORMERS:
        return "--map leading puts the base's keys among the motivated model's queries"
    return None


def check_start(base: str, motivated: str, init: str, map_name: str) -> None:
    """Raise BadInput for a `--map` or an `--init` that means nothing, or is impossible, for the pair."""
    pair, family = pair_name(base, motivated), model_spec(base).family
    if map_name != "aligned" and family not in TRANSFORMERS:
        raise BadInput(f"--map {map_name}: {pair} has no fused q/k/v weights to slice; leave --map at aligned")
    if init == "timm" and family not in TIMM_STARTS:
        raise BadInput(f"--init timm: timm starts {family} models no other way; use --init paper for {pair}")
    if init == "stack" and family in TRANSFORMERS:
        raise BadInput(f"--init stack: the models of {pair} have equally many blocks; use --init identity or paper")
    obstacle = identity_obstacle(base, motivated, map_name)
    if init == "identity" and obstacle:
        raise BadInput(f"--init identity is impossible for {pair}: {obstacle}; use --init paper")


def same_start_note(config: RunConfig) -> str | None:
    """Said where another `--init` gives the same numbers under another run id; None where none is known to."""
    pair = config.pair
    family = model_spec(pair.base).family
    if config.classic or family not in GROW_IN_DEPTH or not nests_fully(pair.base, pair.motivated):
        return None
    if pair.init == "identity" and pair.added_scale == 1.0:
        return "pair.added_scale=1 is how --init paper starts these models: the same numbers under another run id"
    if pair.init == "timm":
        return "--init timm starts this pair as --init identity does: the same numbers under another run id"
    return None


def starts_of(base: str, motivated: str, map_name: str) -> list[str]:
    """The values of `--init` that are possible for the pair, but for `source`, which takes what it is given."""
    possible = []
    for init in ("identity", "stack", "timm", "paper"):
        try:
            check_start(base, motivated, init, map_name)
        except BadInput:
            continue
        possible.append(init)
    return possible
