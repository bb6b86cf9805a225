"""How two modules of somebody's own are linked and start, from the settings of their pair; and what is found by names.

The rules are those of `seekcli.Pair.nested` (method/nested.py). Where a setting is not given, the numbered blocks, the
layers by which an added block writes, and stacked projections are looked for under the names that they usually have.
Whether what was found is right is measured: an identity start is verified, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seekcli.config.pair_settings import PairConfig
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput
from seekcli.method.identity import IdentityStart, identity_error, require_identity, require_learning
from seekcli.method.layers import named
from seekcli.method.nested import nested_pair
from seekcli.method.pair import Pair
from seekcli.method.roles import ROLES
from seekcli.method.weights_map import WeightsMap, shapes_of
from seekcli.models.pairs import seeded_model

# By which layers a residual block writes, under the names of timm and torchvision: the first line whose names are all
# in a block is taken. A scale of the whole branch comes first, since all else can then stay as it starts.
WRITERS = (
    ("ls1", "ls2"),
    ("gamma_1", "gamma_2"),
    ("layer_scale1", "layer_scale2"),
    ("gamma",),
    ("layer_scale",),
    ("attn.proj", "mlp.fc2"),
    ("mlp_tokens.fc2", "mlp_channels.fc2"),
    ("attn.proj", "mlp.proj"),
    ("pw_proj.bn",),
    ("conv3.bn",),
    ("bn3",),
    ("conv3",),
    ("bn2",),
    ("conv2",),
    ("self_attn.out_proj", "linear2"),
    ("bn",),
    ("fc2",),
)
QKV = "qkv"
IMAGES = 4  # that a start is verified on


def linked(pair: PairConfig, models: Mapping[str, nn.Module]) -> Pair:
    """The pair, linked and not started. Raises ValueError as `nested_pair` does."""
    return nested_pair(
        models["base"],
        models["motivated"],
        blocks=words(pair.blocks),
        alignment=pair.alignment,
        fused=fused_parts(pair.fused),
        rename=renames(pair.rename),
        identity=False,
    )


def link(pair: PairConfig, base: nn.Module, motivated: nn.Module) -> WeightsMap:
    return linked(pair, {"base": base, "motivated": motivated}).weights_map


def identity(settings: PairConfig, pair: Pair) -> Pair:
    """The motivated model gives what the base gives. Raises BadInput, with the reason, where that is impossible."""
    try:
        return identity_start(settings, pair)
    except ValueError as error:
        raise BadInput(no_identity(settings, error)) from None


def identity_start(settings: PairConfig, pair: Pair) -> Pair:
    return IdentityStart(pair, words(settings.blocks), words(settings.silence), words(settings.stream)).made()


def verify_identity(settings: PairConfig, pair: Pair, images: Tensor) -> float:
    """How far the outputs of the two are apart at the first switch, on images [B, C, H, W].

    Raises BadInput, with that error in it, for more than rounding. The pair is changed as a run would change it.
    """
    try:
        started = identity_start(settings, pair)
        error = identity_error(started, images)
        require_identity(started, error)
        require_learning(started, images)
    except ValueError as problem:
        raise BadInput(no_identity(settings, problem)) from None
    return error


def no_identity(settings: PairConfig, problem: ValueError) -> str:
    """In the words of the command line: the method says how it is done in Python."""
    text = str(problem)
    for said, shown in (
        ("identity=False starts without one", "--init paper starts without one"),
        ("or identity=False", "or use --init paper"),
        ("stream, such as ('tok_emb', 'pos_emb', 'attn.proj', 'mlp.fc2')", "pair.stream, by comma"),
        ("silence, such as ('attn.proj', 'mlp.fc2') or ('bn2',)", "pair.silence, such as attn.proj,mlp.fc2"),
        ("silence: ", "pair.silence: "),
        ("name the numbered blocks in blocks", "name the numbered blocks in pair.blocks"),
        ("Look at silence (", "Look at pair.silence ("),
        (", stream (", ", pair.stream ("),
        (", fused (", ", pair.fused ("),
    ):
        text = text.replace(said, shown)
    return f"--init identity is impossible for {settings.base} in {settings.motivated}: {text}"


# --- settings as text ----------------------------------------------------------------------------------------------


def words(text: str | None) -> tuple[str, ...]:
    """`attn.proj,mlp.fc2` -> its words; none where it is not set, or empty."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def fused_parts(text: str | None) -> dict[str, int]:
    """`attn.qkv:3` -> {"attn.qkv": 3}. Raises BadInput for another form."""
    found = {}
    for word in words(text):
        name, _, count = word.rpartition(":")
        if not name or not count.isdecimal() or int(count) < 2:
            raise BadInput(
                f"pair.fused {word}: expected a layer and how many projections it stacks, such as attn.qkv:3"
            )
        found[name] = int(count)
    return found


def renames(text: str | None) -> dict[str, str] | None:
    """`head:fc` -> {"head": "fc"}. Raises BadInput for another form."""
    found = {}
    for word in words(text):
        old, _, new = word.partition(":")
        if not old or not new or ":" in new:
            raise BadInput(f"pair.rename {word}: expected a name of the base and one of the motivated model, head:fc")
        found[old] = new
    return found or None


# --- what is found by names ----------------------------------------------------------------------------------------


def settled(pair: PairConfig, sizes: tuple[int, int, int], shape: tuple[int, ...]) -> dict[str, str]:
    """Settings that are not set, and are found by names, for the two modules built for `sizes` on inputs of `shape`.

    An identity start is verified with them. Raises BadInput where the two do not nest, or that start is impossible.
    """
    models = {role: seeded_model(getattr(pair, role), 0, *sizes) for role in ROLES}
    found = found_settings(pair, models)
    pair = with_settings(pair, found)
    try:
        made = linked(pair, models)
    except ValueError as error:
        text = str(error).replace("name rename or links", "--set pair.rename=OLD:NEW says what is what")
        raise BadInput(f"{pair.base} does not nest in {pair.motivated}: {text}") from None
    if pair.init not in ("auto", "identity"):
        return found
    if pair.silence is None and (silence := found_silence(pair, made)):
        found["pair.silence"] = silence
        pair = with_settings(pair, found)
    verify_identity(pair, made, sample_inputs(shape))
    return found


def measured_error(config: RunConfig) -> float:
    """The error of the identity start of a resolved pair: see `verify_identity`."""
    data = config.data
    assert data.classes and data.channels and data.image_size, "the config is not resolved"
    sizes = data.classes, data.channels, data.image_size
    models = {role: seeded_model(config.model_name(role), 0, *sizes) for role in ROLES}
    shape = data.input_shape or (data.channels, data.image_size, data.image_size)
    return verify_identity(config.pair, linked(config.pair, models), sample_inputs(tuple(shape)))


def sample_inputs(shape: tuple[int, ...]) -> Tensor:
    """[4, ...], always the same."""
    return torch.randn((IMAGES, *shape), generator=torch.Generator().manual_seed(0))


def with_settings(pair: PairConfig, found: Mapping[str, str]) -> PairConfig:
    return pair.model_copy(update={key.partition(".")[2]: value for key, value in found.items()})


def found_settings(pair: PairConfig, models: Mapping[str, nn.Module]) -> dict[str, str]:
    """Values for `pair.blocks` and `pair.fused` where they are not set and something is found."""
    found = {}
    if pair.blocks is None:
        found["pair.blocks"] = ",".join(numbered_blocks(models["base"], models["motivated"]))
    if pair.fused is None and all(has_part(model, QKV) for model in models.values()):
        found["pair.fused"] = f"{QKV}:3"
    return {key: value for key, value in found.items() if value}


def numbered_blocks(base: nn.Module, motivated: nn.Module) -> list[str]:
    """Where both models number blocks of one kind, and the motivated model has more of them."""
    small, large = numbers_of(base), numbers_of(motivated)
    return [prefix for prefix, count in large.items() if 0 < small.get(prefix, 0) < count]


def numbers_of(model: nn.Module) -> dict[str, int]:
    """Prefix -> how many numbered modules with tensors are under it: `layer1` of `layer1.0.conv1.weight`."""
    found: dict[str, set[str]] = {}
    for name in shapes_of(model):
        for part in re.finditer(r"\.(\d+)(?=\.)", name):
            found.setdefault(name[: part.start()], set()).add(part[1])
    return {prefix: len(numbers) for prefix, numbers in found.items()}


def has_part(model: nn.Module, word: str) -> bool:
    return any(named(name, word) for name in shapes_of(model))


def found_silence(settings: PairConfig, pair: Pair) -> str | None:
    """Value for `pair.silence` where it is not set: what the added blocks write by, under the usual names.

    One list serves all blocks where they are of one kind; else each layer is named by its path. Raises BadInput for a
    block in which nothing is known by its name.
    """
    start = IdentityStart(pair, words(settings.blocks), (), ())
    by_block = {path: writers_of(block) for path, block in start.added_blocks().items()}
    kinds = set(by_block.values())
    if len(kinds) <= 1:
        return ",".join(kinds.pop()) if kinds else None
    return ",".join(f"{path}.{word}" for path, writers in by_block.items() for word in writers)


def writers_of(block: nn.Module) -> tuple[str, ...]:
    names = [name for name, _ in block.named_parameters()]
    return next((line for line in WRITERS if all(any(named(name, word) for name in names) for word in line)), ())
