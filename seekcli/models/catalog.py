"""Which families, models and pairs there are, by name: what exists, in which order, what can be. Imports no torch."""

from __future__ import annotations

from seekcli.config.pair_settings import PairConfig, is_own_model
from seekcli.config.schema import RunConfig
from seekcli.config.settings import pair_name
from seekcli.errors import BadInput, unknown
from seekcli.models.families import cifar_resnet, efficientnet, gpt, imagenet_resnet, vit
from seekcli.models.family import Family, ModelSpec as ModelSpec
from seekcli.models.own_models import OWN, OWN_FAMILIES, is_own_pair, of_pair, own_family, own_spec

FAMILIES: dict[str, Family] = {}
MODELS: dict[str, ModelSpec] = {}  # by family, smallest first


def register(family: Family) -> None:
    """Make a family known under its name, and its models under theirs. Raises ValueError for a name that is taken."""
    taken = [spec.name for spec in family.models if spec.name in MODELS]
    if family.name in FAMILIES or taken:
        raise ValueError(f"the name {(taken or [family.name])[0]} is taken")
    FAMILIES[family.name] = family
    MODELS.update((spec.name, spec) for spec in family.models)


# The order of `seek list models`. 18, 34, 50, 101 and 152 always mean the ImageNet ResNets.
for _shipped in (cifar_resnet.FAMILY, imagenet_resnet.FAMILY, vit.FAMILY, efficientnet.FAMILY, gpt.FAMILY):
    register(_shipped)


def family_named(name: str) -> Family:
    """A family by its name: of the catalog, or what stands for one of modules of one's own."""
    return FAMILIES[name] if name in FAMILIES else next(family for family in OWN_FAMILIES if family.name == name)


def family_of(name: str) -> Family:
    """The family of a model by the model's name. Raises BadInput for an unknown one."""
    return own_family(name) if is_own_model(name) else FAMILIES[model_spec(name).family]


def family_of_pair(pair: PairConfig) -> Family:
    """The family that links the two models and starts the larger one; of modules of one's own as their settings say."""
    return of_pair(pair) if is_own_pair(pair) else family_of(pair.base)


def _family_of(base: str, motivated: str) -> Family:
    """Where one of the two is of one's own nothing is known of the pair but what its settings say."""
    return OWN if is_own_model(base) or is_own_model(motivated) else family_of(base)


def check_image_size(name: str, image_size: int) -> None:
    """Raise BadInput, with the nearest sizes that do, when the patch of a transformer does not divide the image."""
    family = family_of(name)
    if family.divides(image_size):
        return
    smaller = (size for size in range(image_size - 1, 0, -1) if family.divides(size))
    larger = (size for size in range(image_size + 1, 2 * image_size + 2) if family.divides(size))
    nearest = " or ".join(str(size) for size in (next(smaller, None), next(larger)) if size)
    patch = family.patch_at(image_size)
    raise BadInput(f"--image-size {image_size} is no multiple of the patch of {name}, {patch} px there; use {nearest}")


def nests_fully(base: str, motivated: str) -> bool:
    """Whether every base element has a counterpart: not so for basic blocks in bottlenecks (ResNet-18 in ResNet-50).

    Of modules of one's own it is not known by their names: False.
    """
    if is_own_model(base) or is_own_model(motivated):
        return False
    return family_of(base).partial(model_spec(base), model_spec(motivated)) is None


def model_spec(name: str, flag: str = "model") -> ModelSpec:
    if is_own_model(name):
        return own_spec(name, flag)
    if name not in MODELS:
        raise unknown(flag, name, MODELS, "seek list models")
    return MODELS[name]


def pair_names() -> list[str]:
    """Every pair of one family in growing order, by family and size."""
    specs = list(MODELS.values())
    return [pair_name(base.name, motivated.name) for base in specs for motivated in specs if contains(base, motivated)]


def contains(base: ModelSpec, motivated: ModelSpec) -> bool:
    """Whether the second model is a larger one of the first one's family, and holds it."""
    larger = base.family == motivated.family and base.order < motivated.order
    return larger and FAMILIES[base.family].nests(base, motivated)


def parse_pair(text: str) -> tuple[str, str]:
    """`resnet20-to-32` -> ("resnet20", "resnet32"). Raises BadInput for what is no pair."""
    base, separator, rest = text.partition("-to-")
    if not separator:
        raise unknown("pair", text, pair_names(), "seek list models")
    if is_own_model(text):
        return parse_own_pair(text, base, rest)
    for name in MODELS:
        if text in (pair_name(base, name), f"{base}-to-{name}") and base in MODELS:
            check_pair(base, name)
            return base, name
    raise unknown("pair", text, pair_names(), "seek list models")


def parse_own_pair(text: str, base: str, rest: str) -> tuple[str, str]:
    """`my_models:tiny-to-my_models:large`, `timm:resnet18-to-34`: the second may begin like the first."""
    stems = (base[:end] for end in range(len(base), 0, -1))
    found = [name for name in (rest, *(stem + rest for stem in stems)) if pair_name(base, name) == text]
    motivated = next((name for name in found if name in MODELS or is_own_model(name)), rest)
    check_pair(base, motivated)
    return base, motivated


def is_model(name: str | None) -> bool:
    """Whether it is the name of one model, not that of a pair."""
    return name is not None and (name in MODELS or (is_own_model(name) and "-to-" not in name))


def check_pair(base: str, motivated: str) -> None:
    """Raise BadInput unless the base can be contained in the motivated model."""
    small, large = model_spec(base, "base model"), model_spec(motivated, "motivated model")
    if base != motivated and (is_own_model(base) or is_own_model(motivated)):
        return
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
    if not contains(small, large):
        larger = [spec.name for spec in MODELS.values() if contains(small, spec)]
        raise BadInput(f"{base} is no part of {motivated}; it nests in {', '.join(larger) or 'no other'}")


def has_running_statistics(name: str) -> bool:
    """Whether the model has BatchNorm, and with it running statistics to keep, carry or estimate anew.

    Of a model that is of no family (a loop of one's own trained it, or it is a module of one's own) nothing is known by
    its name: False.
    """
    if is_own_model(name):
        return False
    try:
        return family_of(name).running_statistics
    except BadInput:
        return False


def has_papers_flops(name: str) -> bool:
    """Whether the paper counts the model in its own kind of FLOPs; it may be any name, that of a user's module too."""
    return name in MODELS and family_of(name).papers_flops


def default_init(base: str, motivated: str, map_name: str) -> str:
    """What `--init auto` means: identity where the motivated model can start as the base, else paper."""
    return "paper" if identity_obstacle(base, motivated, map_name) else "identity"


def identity_obstacle(base: str, motivated: str, map_name: str) -> str | None:
    """Why the motivated model cannot start by computing what the base computes; None when it can."""
    family = _family_of(base, motivated)
    return family.partial(model_spec(base), model_spec(motivated)) or family.maps.get(map_name)


def check_start(base: str, motivated: str, init: str, map_name: str) -> None:
    """Raise BadInput for a `--map` or an `--init` that means nothing, or is impossible, for the pair."""
    pair, family = pair_name(base, motivated), _family_of(base, motivated)
    if map_name not in family.maps:
        raise BadInput(f"--map {map_name}: {pair} has no fused q/k/v weights to slice; leave --map at aligned")
    if init in ("timm", "stack") and family is OWN:
        raise BadInput(f"--init {init} is for pairs of the catalog; use --init identity or paper for {pair}")
    if init == "timm" and family.timm_start is None:
        raise BadInput(f"--init timm: timm starts {family.name} models no other way; use --init paper for {pair}")
    if init == "stack" and family.residual_blocks is None:
        raise BadInput(f"--init stack: the models of {pair} have equally many blocks; use --init identity or paper")
    obstacle = identity_obstacle(base, motivated, map_name)
    if init == "identity" and obstacle:
        raise BadInput(f"--init identity is impossible for {pair}: {obstacle}; use --init paper")


def same_start_note(config: RunConfig) -> str | None:
    """Said where another `--init` gives the same numbers under another run id; None where none is known to."""
    pair = config.pair
    if config.classic or not family_of(pair.base).only_deeper or not nests_fully(pair.base, pair.motivated):
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
