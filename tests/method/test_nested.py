"""Pair.nested: any two modules by names and shapes, and a start that is an identity or is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seekcli.method.identity import identity_error
from seekcli.method.pair import Pair, StateTransfer
from seekcli.method.weights_map import Link, tensors_of
from tests.own_models import CONTEXT, DEPTH, STREAM, SYMBOLS, ConvNet, Gpt, images, tokens


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


PAIRS = {
    "depth": lambda: (Gpt(2), Gpt(4), DEPTH, tokens()),
    "feed-forward": lambda: (Gpt(hidden=16), Gpt(hidden=40), {}, tokens()),
    "width": lambda: (Gpt(), Gpt(width=24, hidden=48), {"fused": {"attn.qkv": 3}, "stream": STREAM}, tokens()),
    "all": lambda: (
        Gpt(),
        Gpt(depth=3, width=16, hidden=40),
        DEPTH | {"fused": {"attn.qkv": 3}, "stream": STREAM},
        tokens(),
    ),
    "tied": lambda: (Gpt(tied=True), Gpt(depth=3, hidden=40, tied=True), DEPTH, tokens()),
    "convolutions": lambda: (
        ConvNet(),
        ConvNet(depth=3, width=6, kernel=5),
        {"blocks": ("layers",), "silence": ("bn",)},
        images(),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_start_is_an_identity_and_stays_one_as_the_base_learns(name):
    base, motivated, options, sample = PAIRS[name]()
    pair = Pair.nested(base, motivated, **options, sample=sample)
    assert pair.coverage == 1
    assert pair.unlinked == ()
    assert not pair.unverified
    assert pair.identity_error < 1e-5
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.add_(torch.randn_like(parameter))
    assert identity_error(pair, sample) < 1e-4
    StateTransfer(pair, {}, {}).up(fresh=True)
    torch.testing.assert_close(motivated.eval()(sample), base.eval()(sample), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("pair", "changed"),
    [
        ("depth", {"silence": ("mlp.fc2",)}),
        ("depth", {"silence": ("attn.qkv", "mlp.fc2")}),
        ("width", {"stream": ("tok_emb", "attn.proj", "mlp.fc2")}),
        ("width", {"fused": {}}),
        ("convolutions", {"silence": ("conv",)}),
    ],
)
def test_a_start_that_is_none_is_refused_with_its_error(pair, changed):
    base, motivated, options, sample = PAIRS[pair]()
    if "conv" in changed.get("silence", ()):
        nn.init.ones_(motivated.layers[1].bn.bias)
    with pytest.raises(ValueError, match=r"is no identity: .* differ by [\d.e+-]+ of the base's") as error:
        Pair.nested(base, motivated, **options | changed, sample=sample)
    assert float(str(error.value).split("differ by ")[1].split()[0]) > 1e-3
    assert "identity=False" in str(error.value)


def test_tied_weights_over_a_repeated_stream_are_found_out():
    options = {"fused": {"attn.qkv": 3}, "stream": STREAM}
    with pytest.raises(ValueError, match="no identity"):
        Pair.nested(Gpt(tied=True), Gpt(width=16, hidden=32, tied=True), **options, sample=tokens())


def test_verification_looks_behind_a_last_layer_of_zeros_and_changes_nothing():
    base, motivated = Gpt(2), Gpt(4)
    nn.init.zeros_(base.head.weight)
    nn.init.zeros_(motivated.head.weight)
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    sample, state = tokens(), torch.get_rng_state()
    with pytest.raises(ValueError, match="no identity"):
        Pair.nested(base, motivated, blocks=("blocks",), silence=("mlp.fc2",), sample=sample)
    assert all(torch.equal(before[name], tensor) for name, tensor in base.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert base.training
    assert motivated.training


def test_without_a_sample_the_start_is_unverified():
    pair = Pair.nested(Gpt(2), Gpt(4), **DEPTH)
    assert pair.unverified
    assert pair.identity_error is None


def test_without_an_identity_the_motivated_model_stays_as_it_is():
    base, motivated = Gpt(), Gpt(depth=3, width=12, hidden=20)
    before = {name: tensor.clone() for name, tensor in motivated.state_dict().items()}
    pair = Pair.nested(base, motivated, blocks=("blocks",), identity=False)
    assert not pair.unverified
    assert pair.coverage == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in motivated.state_dict().items())


def test_fused_projections_are_sliced_each():
    pair = Pair.nested(Gpt(), Gpt(width=16, hidden=32), fused={"attn.qkv": 3}, identity=False)
    links = [link for link in pair.weights_map.links if link.base == "blocks.0.attn.qkv.weight"]
    assert [link.base_region[0] for link in links] == [(0, 8), (8, 16), (16, 24)]
    assert [link.motivated_region[0] for link in links] == [(0, 8), (16, 24), (32, 40)]
    assert {link.motivated_region[1] for link in links} == {(0, 8)}


def test_layers_that_keep_weights_as_in_out_are_fused_by_columns():
    class Conv1D(nn.Module):  # as Hugging Face's GPT-2 has it
        def __init__(self, outputs, inputs):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

        def forward(self, x):
            return x @ self.weight + self.bias

    def model(hidden):
        return nn.ModuleDict({"a": Conv1D(2 * hidden, 3), "b": Conv1D(5, 2 * hidden)})

    pair = Pair.nested(model(4), model(6), fused={"a": 2})
    links = {link.base: [] for link in pair.weights_map.links}
    for link in pair.weights_map.links:
        links[link.base].append(link.motivated_region)
    assert links["a.weight"] == [((0, 3), (0, 4)), ((0, 3), (6, 10))]
    assert links["a.bias"] == [((0, 4),), ((6, 10),)]
    # b reads 12 hidden channels, of which the rule maps the first 8: the other rows of [in, out] are silent
    assert pair.motivated["b"].weight[8:].abs().sum() == 0
    assert pair.motivated["b"].weight[:8].abs().min() > 0


def test_names_may_differ():
    base, motivated = nn.ModuleDict({"h": Gpt(2).blocks}), nn.ModuleDict({"blocks": Gpt(4).blocks})
    for rename in ({"h": "blocks"}, lambda name: name.replace("h.", "blocks.", 1)):
        pair = Pair.nested(base, motivated, rename=rename, **DEPTH)
        assert pair.coverage == 1
        targets = {link.base: link.motivated for link in pair.weights_map.links}
        assert targets["h.0.mlp.fc1.weight"] == "blocks.0.mlp.fc1.weight"
        assert targets["h.1.mlp.fc1.weight"] == "blocks.3.mlp.fc1.weight"
    assert len(targets) == len(tensors_of(base))


def test_regions_and_links_by_hand():
    def last_rows(name, small, large):
        return [
            (
                ((0, small[0]), *((0, n) for n in small[1:])),
                ((large[0] - small[0], large[0]), *((0, n) for n in small[1:])),
            )
        ]

    base, motivated = nn.ModuleDict({"a": nn.Linear(2, 3)}), nn.ModuleDict({"a": nn.Linear(2, 5), "b": nn.Linear(2, 5)})
    pair = Pair.nested(base, motivated, regions=last_rows, identity=False)
    assert {link.motivated_region[0] for link in pair.weights_map.links} == {(2, 5)}
    hand = Link("a.weight", "b.weight", ((0, 3), (0, 2)), ((1, 4), (0, 2)))
    pair = Pair.nested(base, motivated, links=[hand], identity=False)
    assert hand in pair.weights_map.links
    assert [link.motivated for link in pair.weights_map.links] == ["a.bias", "b.weight"]


def tied_once(base_tied):
    return Gpt(tied=base_tied), Gpt(tied=not base_tied)


def frozen(model, name):
    dict(model.named_parameters())[name].requires_grad_(False)
    return model


class DistributedDataParallel(nn.Module):
    """By its name what torch wraps around a model."""


class OptimizedModule(nn.Module):
    """By its name what `torch.compile(model)` gives."""


REFUSED = {
    "no name in common": (lambda: (nn.Linear(2, 3), nn.ModuleDict({"a": nn.Linear(2, 3)})), {}, "share no tensor"),
    "not a module": (lambda: (Gpt(), "gpt"), {}, "the motivated model is a str, not a torch.nn.Module"),
    "rename": (
        lambda: (Gpt(), Gpt()),
        {"rename": {"block": "b"}},
        "rename: the base has no 'block'; did you mean 'blocks",
    ),
    "blocks": (lambda: (Gpt(), Gpt()), {"blocks": ("layers",)}, "no numbered blocks under 'layers'"),
    "fewer blocks": (
        lambda: (Gpt(3), Gpt(2)),
        {"blocks": ("blocks",)},
        "a stage of 3 blocks does not fit into one of 2",
    ),
    "silence missing": (
        lambda: (Gpt(2), Gpt(4)),
        {"blocks": ("blocks",)},
        "blocks.1, blocks.2 have nothing of the base",
    ),
    "silence unknown": (
        lambda: (Gpt(2), Gpt(4)),
        DEPTH | {"silence": ("mlp.fc3",)},
        "silence: blocks.1 has no 'mlp.fc3'; it has ln1, attn.qkv, attn.proj",
    ),
    "silence of nothing": (lambda: (Gpt(2), Gpt(2)), DEPTH, "no block of the motivated model is added"),
    "stream missing": (lambda: (Gpt(), Gpt(width=16)), {}, "normalises over 16 channels, and over 8 in the base"),
    "stream no multiple": (lambda: (Gpt(), Gpt(width=12)), {"stream": STREAM}, "no multiple of the base's 8"),
    "stream unknown": (lambda: (Gpt(), Gpt(width=16)), {"stream": ("tok_em",)}, "did you mean 'tok_emb'"),
    "fused unknown": (lambda: (Gpt(), Gpt()), {"fused": {"attn.kqv": 3}}, "no 'attn.kqv'; did you mean 'attn.qkv'"),
    "fused no stack": (lambda: (Gpt(), Gpt()), {"fused": {"attn.proj": 3}}, "no stack of 3 projections"),
    "not inside": (lambda: (Gpt(width=16), Gpt()), {}, "covers .* of the base, and an identity start needs all"),
    "base tied": (lambda: tied_once(True), {}, "the base ties .*head.weight to .*, and the motivated model does not"),
    "larger tied": (
        lambda: tied_once(False),
        {},
        "the motivated model ties .*head.weight to .*, and the base does not",
    ),
    "frozen once": (
        lambda: (frozen(Gpt(), "head.weight"), Gpt()),
        {},
        "head.weight is trained in one .* frozen in the base",
    ),
    "dtype": (lambda: (Gpt(), Gpt().double()), {}, "is torch.float32 in the base and torch.float64 in the motivated"),
    "meta": (lambda: (Gpt(), Gpt().to("meta")), {}, "parameters without memory"),
    "compiled": (lambda: (Gpt(), OptimizedModule()), {}, "compile it in place"),
    "wrapped": (lambda: (DistributedDataParallel(), Gpt()), {}, "wrapped by DistributedDataParallel"),
    "silence without identity": (lambda: (Gpt(2), Gpt(4)), DEPTH | {"identity": False}, "are of an identity start"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_name(case):
    models, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        Pair.nested(*models(), **options)
    assert "\n" not in str(error.value)


def test_outputs_of_other_shapes_are_no_identity():
    class Wider(ConvNet):
        def forward(self, x):
            return super().forward(x)[:, :3]

    with pytest.raises(ValueError, match=r"gives \(5, 4\) on the sample, the motivated model \(5, 3\)"):
        Pair.nested(ConvNet(), Wider(), sample=images())


def test_samples_are_arguments_and_outputs_may_be_named():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.gpt = Gpt()

        def forward(self, tokens, scale):
            return {"loss": torch.zeros(()), "logits": scale * self.gpt(tokens)}

    for sample in ((tokens(), 2.0), {"tokens": tokens(), "scale": 2.0}):
        assert Pair.nested(Named(), Named(), sample=sample).identity_error < 1e-6
    assert (SYMBOLS, CONTEXT) == (13, 8)


class TwoConvolutions(nn.Module):
    """A ResNet's basic block: what bn1 writes goes through a ReLU, what bn2 writes is added."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


def residual_net(depth, name="layer_"):
    net = ConvNet(depth=0)
    for number in range(depth):
        net.layers.add_module(f"{name}{number}", TwoConvolutions())
    return net


def test_a_silence_that_no_gradient_reaches_is_refused():
    options = {"blocks": ("layers.layer",), "sample": images()}
    assert Pair.nested(residual_net(1), residual_net(3), silence=("bn2",), **options).identity_error < 1e-5
    with pytest.raises(ValueError, match=r"no gradient reaches layers.layer_1.bn1, layers.layer_2.bn1 once it is zero"):
        Pair.nested(residual_net(1), residual_net(3), silence=("bn1",), **options)


def test_blocks_are_numbered_by_a_dot_or_an_underscore():
    pair = Pair.nested(residual_net(2), residual_net(3), blocks=("layers.layer",), silence=("bn2",), sample=images())
    links = {link.base: link.motivated for link in pair.weights_map.links}
    assert links["layers.layer_1.conv1.weight"] == "layers.layer_2.conv1.weight"
    assert pair.coverage == 1.0
