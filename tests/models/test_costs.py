"""Costs against formulas worked out by hand, the paper's table 8, and torch's own counter on the meta device."""

import copy
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from seekcli.errors import BadInput
from seekcli.method.condition import ConditionSettings, expected_share
from seekcli.method.cost_measures import mean_forward_cost, training_flops_per_image
from seekcli.models.catalog import MODELS, ModelSpec
from seekcli.models.cifar_resnet import CifarResNet
from seekcli.models.conventions import CONVENTIONS
from seekcli.models.costs import forward_cost
from seekcli.models.pairs import build_model

PAPER_MFLOPS = {20: 82.82, 32: 140.13, 44: 197.44, 56: 254.76}  # arXiv 2602.21064, table 8, classic rows


def half(size: int) -> int:
    """Pixels a side after a stride of 2 with "same" padding."""
    return (size + 1) // 2


def resnet_by_hand(depth: int, size: int, channels: int, classes: int) -> dict[str, tuple[int, int]]:
    """Stage -> (MACs, extra elements of the paper's convention), from the layer shapes alone."""
    blocks = (depth - 2) // 6
    pixels = {"layer1": size**2, "layer2": half(size) ** 2, "layer3": half(half(size)) ** 2}
    costs = {"stem": (9 * channels * 16 * size**2, 3 * 16 * size**2)}
    for stage, entering, width in (("layer1", 16, 16), ("layer2", 16, 32), ("layer3", 32, 64)):
        projected = entering != width
        weights = 9 * entering * width + 9 * width**2 * (2 * blocks - 1) + projected * entering * width
        elements = (2 * (2 * blocks + projected) + 2 * blocks) * width  # BatchNorms twice, ReLUs once
        costs[stage] = (weights * pixels[stage], elements * pixels[stage])
    costs["classifier"] = (64 * classes, 64 * pixels["layer3"])
    return costs


@pytest.mark.parametrize(("depth", "size", "channels", "classes"), [(20, 32, 3, 10), (8, 8, 1, 10), (14, 9, 3, 7)])
def test_a_cifar_resnet_costs_what_its_shapes_say(depth: int, size: int, channels: int, classes: int) -> None:
    model = CifarResNet(depth, classes, channels)
    by_hand = resnet_by_hand(depth, size, channels, classes)
    expected = {
        "macs": {stage: macs for stage, (macs, _) in by_hand.items()},
        "flops": {stage: 2 * macs for stage, (macs, _) in by_hand.items()},
        "paper": {stage: 2 * (macs + elements) for stage, (macs, elements) in by_hand.items()},
    }
    for convention in CONVENTIONS:
        cost = forward_cost(model, f"resnet{depth}", (channels, size, size), convention)
        assert cost.per_stage == expected[convention]
        assert list(cost.per_stage) == ["stem", "layer1", "layer2", "layer3", "classifier"]
        assert cost.per_image == sum(expected[convention].values())
        assert (cost.convention, cost.image_shape) == (convention, (channels, size, size))
        assert cost.unit == ("MACs" if convention == "macs" else "FLOPs")


def test_the_well_known_figure_of_resnet20() -> None:
    assert forward_cost(CifarResNet(20, 10), "resnet20", (3, 32, 32)).per_image == 40_813_184


@pytest.mark.parametrize(
    ("depth", "mflops"),
    [pytest.param(*each, marks=() if each[0] in (20, 56) else pytest.mark.slow) for each in PAPER_MFLOPS.items()],
)
def test_the_papers_convention_gives_the_papers_figures(depth: int, mflops: float) -> None:
    cost = forward_cost(CifarResNet(depth, 10), f"resnet{depth}", (3, 32, 32), "paper")
    assert cost.per_image == pytest.approx(mflops * 1e6, rel=2e-4)


@pytest.mark.parametrize(("k", "mflops"), [(2, 92.47), pytest.param(3, 85.12, marks=pytest.mark.slow)])
def test_the_expected_mean_cost_meets_the_papers_alternating_runs(k: int, mflops: float) -> None:
    costs = [forward_cost(CifarResNet(d, 10), f"resnet{d}", (3, 32, 32), "paper").per_image for d in (20, 32)]
    share = expected_share("loss", ConditionSettings(k=k))
    assert share is not None
    assert mean_forward_cost(*costs, share) == pytest.approx(mflops * 1e6, rel=5e-3)


def test_the_mean_cost_runs_from_base_to_motivated() -> None:
    assert [mean_forward_cost(100, 160, share) for share in (0, 0.25, 1)] == [100, 115, 160]
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="share"):
            mean_forward_cost(100, 160, share)


def test_a_training_step_is_three_forwards_at_two_flops_a_mac() -> None:
    assert training_flops_per_image(7) == 42


# --- single operations ------------------------------------------------------------------------------------------------


class Calls(nn.Module):
    """`function(image)` as a model."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image)


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


PRODUCTS = {
    "matmul": (lambda x: ones(5, 2, 3, 4) @ ones(4, 6), 5 * 2 * 3 * 4 * 6),
    "matmul that broadcasts its left factor": (lambda x: ones(3, 4) @ ones(5, 4, 6), 5 * 3 * 4 * 6),
    "matrix @ vector": (lambda x: ones(5, 3, 4) @ ones(4), 5 * 3 * 4),
    "vector @ matrix": (lambda x: ones(4) @ ones(4, 6), 4 * 6),
    "dot": (lambda x: torch.dot(ones(7), ones(7)), 7),
    "mv": (lambda x: torch.mv(ones(3, 7), ones(7)), 21),
    "mm": (lambda x: torch.mm(ones(3, 7), ones(7, 2)), 42),
    "bmm": (lambda x: torch.bmm(ones(5, 3, 7), ones(5, 7, 2)), 5 * 42),
    "addmm": (lambda x: torch.addmm(ones(2), ones(3, 7), ones(7, 2)), 42),
    "baddbmm": (lambda x: torch.baddbmm(ones(5, 3, 2), ones(5, 3, 7), ones(5, 7, 2)), 5 * 42),
    "einsum": (lambda x: torch.einsum("bhqd, bhkd -> bhqk", ones(2, 3, 4, 5), ones(2, 3, 6, 5)), 2 * 3 * 4 * 6 * 5),
    "einsum that broadcasts": (lambda x: torch.einsum("bij,bjk->bik", ones(5, 3, 4), ones(1, 4, 6)), 5 * 3 * 4 * 6),
    "linear": (lambda x: functional.linear(ones(2, 3, 4), ones(6, 4), ones(6)), 2 * 3 * 4 * 6),
    "attention": (
        lambda x: functional.scaled_dot_product_attention(ones(2, 3, 4, 5), ones(2, 3, 6, 5), ones(2, 3, 6, 7)),
        2 * 3 * 4 * 6 * (5 + 7),
    ),
    "masked attention counts in full": (
        lambda x: functional.scaled_dot_product_attention(*[ones(1, 2, 4, 5)] * 3, is_causal=True),
        2 * 4 * 4 * (5 + 5),
    ),
    "conv1d": (lambda x: functional.conv1d(ones(1, 4, 10), ones(6, 4, 3)), 6 * 4 * 3 * 8),
    "grouped strided conv": (
        lambda x: functional.conv2d(ones(1, 8, 9, 9), ones(8, 2, 3, 3), stride=2, groups=4),
        8 * 2 * 9 * 16,
    ),
    "depthwise conv": (
        lambda x: functional.conv2d(ones(1, 8, 9, 9), ones(8, 1, 3, 3), padding=1, groups=8),
        8 * 9 * 81,
    ),
    "conv with same padding": (
        lambda x: functional.conv2d(ones(1, 4, 9, 9), ones(6, 4, 3, 3), padding="same"),
        6 * 4 * 9 * 81,
    ),
    "transposed conv": (
        lambda x: functional.conv_transpose2d(ones(1, 4, 5, 5), ones(4, 6, 2, 2), stride=2),
        4 * 6 * 4 * 25,
    ),
    "conv of a batch": (lambda x: functional.conv1d(ones(2, 4, 10), ones(6, 4, 3)), 2 * 6 * 4 * 3 * 8),
    "norms, activations, pooling": (
        lambda x: functional.layer_norm(functional.max_pool2d(functional.gelu(x).sqrt() * x + x, 2), [4]),
        0,
    ),
    "resizing": (lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"), 0),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_counts_what_its_shapes_say(name: str) -> None:
    function, macs = PRODUCTS[name]
    assert forward_cost(Calls(function), "mine", (3, 8, 8)).per_image == macs


class Opaque(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x @ x


UNCOUNTED = {
    "aten::cdist": lambda x: torch.cdist(x, x),
    "aten::bilinear": lambda x: functional.bilinear(x, x, ones(2, 8, 8)),
    "aten::tensordot": lambda x: torch.tensordot(x, x, dims=([3], [3])),
    "aten::fft_fft2": lambda x: torch.fft.fft2(x).real,
    "aten::lstm": lambda x: nn.LSTM(8, 8)(x[0])[0],
    "PythonOp.Opaque": Opaque.apply,
    "aten::einsum of 'bcij,bcjk,bckl->bcil'": lambda x: torch.einsum("bcij,bcjk,bckl->bcil", x, x, x),
    "aten::einsum of '...ij,...jk->...ik'": lambda x: torch.einsum("...ij,...jk->...ik", x, x),
}


@pytest.mark.parametrize("operation", UNCOUNTED)
def test_a_product_without_a_rule_is_an_error_that_names_it(operation: str) -> None:
    with pytest.raises(BadInput) as caught:
        forward_cost(Calls(UNCOUNTED[operation]), "mine", (3, 8, 8))
    assert operation in str(caught.value)
    assert "mine" in str(caught.value)


# --- attention --------------------------------------------------------------------------------------------------------


def vit_by_hand(size: int, patch: int, width: int, depth: int, classes: int) -> dict[str, int]:
    """Stage -> MACs of a ViT with an MLP of four times its width and a class token."""
    patches = (size // patch) ** 2
    tokens = patches + 1
    linear = tokens * width * (3 * width + width + 4 * width + 4 * width)
    attention = 2 * tokens * tokens * width  # q @ k and attention @ v, over all heads
    blocks = {f"blocks.{index}": linear + attention for index in range(depth)}
    return {"stem": patches * 3 * patch**2 * width, **blocks, "classifier": width * classes}


def test_vit_tiny_counts_both_attention_products_once() -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    cost = forward_cost(model, "vit-tiny", (3, 224, 224))
    assert cost.per_stage == vit_by_hand(224, 16, 192, 12, 1000)
    assert cost.per_image == pytest.approx(1.26e9, rel=6e-3)
    for block in model.blocks:
        assert block.attn.fused_attn
        block.attn.fused_attn = False
    assert forward_cost(model, "vit-tiny", (3, 224, 224)) == cost


class SelfAttention(nn.Module):
    """[1, S, T, D] -> S sequences of T tokens, each attending to itself."""

    def __init__(self, need_weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.need_weights = need_weights

    def forward(self, image: Tensor) -> Tensor:
        tokens = image[0]  # one object three times, without which torch never fuses
        return self.attention(tokens, tokens, tokens, need_weights=self.need_weights)[0]


@pytest.mark.parametrize("need_weights", [False, True])
def test_torchs_own_attention_module_hides_nothing(need_weights: bool) -> None:
    sequences, tokens, width = 3, 5, 8
    torch.backends.mha.set_fastpath_enabled(True)
    cost = forward_cost(SelfAttention(need_weights), "mine", (sequences, tokens, width))
    assert cost.per_image == sequences * (4 * tokens * width**2 + 2 * tokens**2 * width)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(
    ("name", "gmacs", "stages"),
    [
        ("efficientnet_b0", 0.39, [f"blocks.{i}" for i in range(7)]),
        pytest.param("resnet50", 4.09, [f"layer{i}" for i in range(1, 5)], marks=pytest.mark.slow),
    ],
)
def test_published_figures_of_photograph_models(name: str, gmacs: float, stages: list[str]) -> None:
    timm = pytest.importorskip("timm")
    cost = forward_cost(timm.create_model(name, pretrained=False), name, (3, 224, 224))
    assert cost.per_image == pytest.approx(gmacs * 1e9, rel=0.015)
    assert list(cost.per_stage) == ["stem", *stages, "classifier"]


@pytest.mark.slow
def test_torchs_own_counter_agrees() -> None:
    timm = pytest.importorskip("timm")
    builders = {
        "resnet20": lambda: CifarResNet(20, 10),
        "vit": lambda: timm.create_model("vit_tiny_patch16_224", pretrained=False, depth=2, img_size=64),
        "efficientnet": lambda: timm.create_model("efficientnet_b0", pretrained=False),
    }
    for name, build in builders.items():
        size = 32 if name == "resnet20" else 64
        with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
            build().eval()(torch.empty(1, 3, size, size))
        assert forward_cost(build(), name, (3, size, size), "flops").per_image == counter.get_total_flops()


@pytest.mark.parametrize(("name", "context"), [("gpt-2x64", 8), ("gpt-4x64-ff128", 16), ("gpt-4x128", 33)])
def test_torchs_own_counter_agrees_on_language_models(name: str, context: int) -> None:
    vocabulary = 11
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        model = build_model(name, vocabulary, 1, context).eval()
        model(torch.zeros(1, context, dtype=torch.int64))
    own = forward_cost(build_model(name, vocabulary, 1, context), name, (context,), "flops")
    assert own.per_image == counter.get_total_flops()


# --- stages -----------------------------------------------------------------------------------------------------------


def test_a_model_without_sequences_of_blocks_has_its_children_for_stages() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 4))
    assert forward_cost(model, "mlp", (3, 8, 8)).per_stage == {"1": 192 * 8, "3": 8 * 4}


def test_a_model_without_children_is_one_stage() -> None:
    assert forward_cost(nn.Linear(8, 4), "mine", (3, 8, 8)).per_stage == {"model": 3 * 8 * 8 * 4}


class Stages(nn.Module):
    """Two stages, one of them called twice, with products of the model's own before, between and after."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Sequential(nn.Linear(8, 8)))
        self.first_and_more = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x @ ones(8, 8)) @ ones(8, 8)
        return self.first_and_more[0](self.first_and_more[0](x)) @ ones(8, 2)


def test_work_between_stages_is_the_earlier_ones() -> None:
    rows = 3 * 8
    expected = {"stem": 64 * rows, "first": 128 * rows, "first_and_more": 256 * rows, "classifier": 16 * rows}
    assert forward_cost(Stages(), "mine", (3, 8, 8)).per_stage == expected


# --- manners ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_counting_leaves_the_model_and_the_random_state_alone(convention: str) -> None:
    model = CifarResNet(8, 10).train()
    model.layer2.eval()
    modes = {name: module.training for name, module in model.named_modules()}
    before, random_state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    forward_cost(model, "resnet8", (3, 8, 8), convention)
    with pytest.raises(BadInput):
        forward_cost(model, "resnet8", (4, 8, 8), convention)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_cost_is_a_matter_of_shapes_not_of_precision(dtype: torch.dtype) -> None:
    model = CifarResNet(8, 10)
    expected = forward_cost(model, "resnet8", (3, 8, 8))
    assert forward_cost(model.to(dtype), "resnet8", (3, 8, 8)) == expected
    assert model.fc.weight.dtype == dtype


def test_counting_is_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, logged) -> None:
    """Neither fvcore's import, nor its log of operations it does not know, nor the tracer reaches the user's screen."""
    for name in [name for name in sys.modules if name.startswith("fvcore")]:
        monkeypatch.delitem(sys.modules, name)
    model = CifarResNet(8, 10)
    model.unused = nn.Linear(2, 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forward_cost(model, "resnet8", (3, 8, 8))
    assert [str(warning.message) for warning in caught] == []
    assert logged == []
    assert capfd.readouterr() == ("", "")


def test_a_warning_of_the_models_own_is_heard() -> None:
    def warn(x: Tensor) -> Tensor:
        warnings.warn("this model is old", stacklevel=1)
        return x @ x

    with pytest.warns(UserWarning, match="this model is old"):
        forward_cost(Calls(warn), "mine", (3, 8, 8))


def test_a_model_that_can_only_take_one_image_in_eval_mode() -> None:
    """Training-mode batch statistics of one value are an error, so a model left in that mode would fail here."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8)).train()
    assert forward_cost(model, "mine", (3, 8, 8)).per_image == 192 * 8


def test_a_model_that_refuses_without_a_word() -> None:
    def refuse(x: Tensor) -> Tensor:
        raise AssertionError

    with pytest.raises(BadInput, match="cost of mine for a 3x8x8 image: AssertionError"):
        forward_cost(Calls(refuse), "mine", (3, 8, 8))


def test_an_image_that_the_model_cannot_take() -> None:
    with pytest.raises(BadInput, match=r"resnet8 for a 4x8x8 image: .*channels"):
        forward_cost(CifarResNet(8, 10), "resnet8", (4, 8, 8))


def test_an_unknown_convention_offers_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'macs'"):
        forward_cost(CifarResNet(8, 10), "resnet8", (3, 8, 8), "mac")


@pytest.mark.parametrize("name", ["vit-tiny", "my-own-model"])
def test_the_papers_convention_is_for_cifar_resnets_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "vit-tiny", ModelSpec("vit-tiny", "vit", 192, 224))
    with pytest.raises(BadInput, match=f"CIFAR ResNets only, not for '{name}'"):
        forward_cost(CifarResNet(8, 10), name, (3, 8, 8), "paper")
