"""What one forward of one image costs, per model and per stage, counted by tracing it (conventions: `conventions.py`).

Attention counts q @ k and attention @ v in full, also where a mask hides half of it. What is like a matrix product and
has no rule here is an error that names it, never a silent zero.

Shapes: C channels, H x W pixels.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from seekcli.config.pair_settings import is_own_model
from seekcli.errors import BadInput
from seekcli.method.weights_map import Shape
from seekcli.models.conventions import FACTOR, ModelCost, check_convention

# Counting runs a real forward: of a larger image it would take minutes and tens of GB.
MAX_PIXELS = 2048

Rule = Callable[[list[Any], list[Any]], int]  # traced inputs and outputs of one operation -> its count


@dataclass(frozen=True)
class CountedOperation:
    """One counted operation: the dotted name of the module it ran in ("" for the model itself), and its count."""

    module: str
    count: int


def forward_cost(module: nn.Module, name: str, image_shape: tuple[int, ...], convention: str = "macs") -> ModelCost:
    """Count one forward of one [C, H, W] image, or one window of [T] tokens, through `module`, in eval mode.

    A copy on the CPU is traced: the module itself, its mode, its buffers and its device are left alone. `name` is the
    model's name in the catalog (or any label, for a module of the caller's own).

    Raises BadInput for an unknown convention, for `paper` on anything but a CIFAR ResNet, for an image that the model
    cannot take or that is larger than `MAX_PIXELS`, and for an operation that would have to be counted and has no rule.
    """
    check_convention(name, convention)
    if image_shape[-1] > MAX_PIXELS and not (is_own_model(name) and len(image_shape) < 3):
        setting, unit = ("--image-size", "pixels") if len(image_shape) == 3 else ("data.context_length", "tokens")
        raise BadInput(f"{setting} {image_shape[-1]}: costs are counted up to {MAX_PIXELS} {unit}")
    rules = PAPER_RULES if convention == "paper" else MAC_RULES
    factor = FACTOR[convention]
    per_stage: dict[str, int] = {}
    for stage, count in by_stage(module, count_operations(module, name, image_shape, rules)):
        per_stage[stage] = per_stage.get(stage, 0) + factor * count
    return ModelCost(name, convention, image_shape, per_stage)


# --- counting ---------------------------------------------------------------------------------------------------------


def count_operations(
    module: nn.Module, name: str, image_shape: tuple[int, ...], rules: dict[str, Rule]
) -> list[CountedOperation]:
    """Every operation of one forward that has a rule, in order of execution. Raises BadInput as `forward_cost` does."""
    operations: list[CountedOperation] = []

    def recorded(rule: Rule) -> Rule:
        def record(inputs: list[Any], outputs: list[Any]) -> int:
            scope = outputs[0].node().scopeName().rpartition("/")[2]
            operations.append(CountedOperation(scope, rule(inputs, outputs)))
            return operations[-1].count

        return record

    # A copy, because a trace that fails leaves fvcore's hooks behind; on the CPU in fp32, where every operation exists.
    traced = copy.deepcopy(module).to("cpu", torch.float32).eval()
    analysis = quiet_analysis(traced, blank_input(image_shape, name))
    analysis.set_op_handle(**{kind: recorded(rule) for kind, rule in rules.items()})
    try:
        with torch.no_grad(), unfused_multi_head_attention():
            analysis.total()
    except BadInput as error:
        raise BadInput(f"cannot count the cost of {name}: {error}") from None
    except (RuntimeError, ValueError, AssertionError) as error:
        shape = "x".join(str(size) for size in image_shape)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadInput(f"cannot count the cost of {name} for a {shape} image: {reason}") from error
    uncounted = sorted(kind for kind in analysis.unsupported_ops() if must_be_counted(kind))
    if uncounted:
        raise BadInput(f"cannot count the cost of {name}: no rule for {', '.join(uncounted)}")
    return operations


def blank_input(image_shape: tuple[int, ...], name: str) -> torch.Tensor:
    """A batch of one: a black image [1, C, H, W], a window of the first token, [1, T], or of a module of somebody's
    own, which reads no text, a row of zeros [1, ...]."""
    tokens = len(image_shape) == 1 and not is_own_model(name)
    return torch.zeros(1, *image_shape, dtype=torch.int64 if tokens else torch.float32)


def quiet_analysis(module: nn.Module, images: torch.Tensor) -> Any:
    """fvcore's tracer with no rules of its own and no log lines: what it would warn of, `count_operations` raises."""
    with warnings.catch_warnings():
        # fvcore scripts a few losses when it is imported; torch warns of that to whoever imports it.
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script", category=DeprecationWarning)
        from fvcore.nn.jit_analysis import JitModelAnalysis
    return JitModelAnalysis(module, images).unsupported_ops_warnings(False).uncalled_modules_warnings(False)


@contextmanager
def unfused_multi_head_attention() -> Iterator[None]:
    """nn.MultiheadAttention as its parts: in eval mode it would become one operation that hides four products."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


MATRIX_PRODUCT_LIKE = re.compile(
    r"conv|mm|matmul|mv$|dot|einsum|attention|multi_head|transformer|linear|lstm|gru|rnn|bilinear"
    r"|outer|inner|addr$|ger$|cdist|kron|fft|matrix_(power|exp)|inv|solve|cholesky|svd|eig|(^|_)qr"
)


def must_be_counted(kind: str) -> bool:
    """Whether an operation without a rule may hide multiply-accumulates: a product, or one whose inside is not seen."""
    namespace, _, operation = kind.partition("::")
    if namespace != "aten":
        return True
    return not operation.startswith("upsample") and bool(MATRIX_PRODUCT_LIKE.search(operation))


# --- rules: traced inputs and outputs -> count ------------------------------------------------------------------------


def shape_of(value: Any) -> Shape:
    if not value.isCompleteTensor():
        raise BadInput(f"the trace has no shape for {value.debugName()!r}, a value of {value.node().kind()}")
    return tuple(value.type().sizes())


def elements(value: Any) -> int:
    return prod(shape_of(value))


def convolution_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """Weights [C_out, C_in/groups, *kernel], each used once per output pixel (per input pixel when transposed)."""
    image, weight, output = shape_of(inputs[0]), shape_of(inputs[1]), shape_of(outputs[0])
    transposed = len(inputs) > 7 and inputs[6].toIValue()  # `padding="same"` has no such argument
    return image[0] * prod(weight) * prod((image if transposed else output)[2:])


def product_macs(left: int) -> Rule:
    """A matrix product with its left factor at input `left`, whose last dimension is summed for each output element."""

    def count(inputs: list[Any], outputs: list[Any]) -> int:
        return elements(outputs[0]) * shape_of(inputs[left])[-1]

    return count


def attention_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """q [..., L, E] @ k [..., S, E] and the weights [..., L, S] @ v [..., S, E_v] -> [..., L, E_v]."""
    queries, keys, output = shape_of(inputs[0]), shape_of(inputs[1]), shape_of(outputs[0])
    return prod(output[:-1]) * keys[-2] * (queries[-1] + output[-1])


def einsum_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """Two factors: one MAC per combination of all their indices."""
    equation = inputs[0].toIValue().replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    shapes = [shape_of(value) for value in inputs[1].node().inputs()]
    if len(terms) != 2 or "." in equation:
        raise BadInput(f"no rule for aten::einsum of {equation!r} (two factors without an ellipsis have one)")
    sizes: dict[str, int] = {}
    for letter, size in zip("".join(terms), [size for shape in shapes for size in shape], strict=True):
        sizes[letter] = max(size, sizes.get(letter, 1))  # a size of 1 is broadcast
    return prod(sizes.values())


MAC_RULES: dict[str, Rule] = {
    "aten::_convolution": convolution_macs,
    "aten::_convolution_mode": convolution_macs,
    "aten::linear": product_macs(0),
    **dict.fromkeys(("aten::matmul", "aten::mm", "aten::bmm", "aten::mv", "aten::dot"), product_macs(0)),
    **dict.fromkeys(("aten::addmm", "aten::baddbmm"), product_macs(1)),
    "aten::einsum": einsum_macs,
    "aten::scaled_dot_product_attention": attention_macs,
}
PAPER_RULES: dict[str, Rule] = MAC_RULES | {
    "aten::batch_norm": lambda inputs, outputs: 2 * elements(inputs[0]),
    **dict.fromkeys(("aten::relu", "aten::relu_"), lambda inputs, outputs: elements(inputs[0])),
    **dict.fromkeys(("aten::adaptive_avg_pool2d", "aten::avg_pool2d"), lambda inputs, outputs: elements(inputs[0])),
}


# --- stages -----------------------------------------------------------------------------------------------------------


def stage_prefixes(module: nn.Module) -> list[str]:
    """Names of the modules that are its stages: `layer1`, `layer2`, ...; or `blocks.0`, `blocks.1`, ...

    A stage is a top-level sequence of composite modules; where there is only one such sequence, each of its items. A
    model without any has its top-level children for stages.
    """
    sequences = [name for name, child in module.named_children() if is_sequence_of_blocks(child)]
    if len(sequences) == 1:
        return [f"{sequences[0]}.{item}" for item, _ in module.get_submodule(sequences[0]).named_children()]
    return sequences or [name for name, _ in module.named_children()]


def is_sequence_of_blocks(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential | nn.ModuleList) and any(
        next(item.children(), None) is not None for item in module.children()
    )


def by_stage(module: nn.Module, operations: list[CountedOperation]) -> Iterator[tuple[str, int]]:
    """(stage, count) of each operation, in order. Before the first stage is the `stem`, after the last `classifier`."""
    prefixes = stage_prefixes(module)

    def stage_of(operation: CountedOperation) -> str | None:
        return next((prefix for prefix in prefixes if f"{operation.module}.".startswith(f"{prefix}.")), None)

    stages = [stage_of(operation) for operation in operations]
    last = max((index for index, stage in enumerate(stages) if stage), default=-1)
    current = "stem" if last >= 0 else "model"
    for index, (stage, operation) in enumerate(zip(stages, operations, strict=True)):
        current = "classifier" if index > last >= 0 else stage or current
        yield current, operation.count
