"""`seekcli.Alternating` against a naive reference, and against the package's own path: equal, bit for bit."""

from __future__ import annotations

import copy
import itertools
import math
from functools import partial

import pytest
import torch
from torch.nn import functional

import seekcli
from seekcli.data.sets import sources
from seekcli.errors import BadInput, RunFailed
from seekcli.method.weights_map import view
from seekcli.models.pairs import build_pair
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve
from tests.own_models import DEPTH, STREAM, SYMBOLS, ConvNet, Gpt, images, tokens

EPOCHS, STEPS = 4, 12
Loss = seekcli.conditions.Loss


def batches(epoch, count=STEPS):
    generator = torch.Generator().manual_seed(100 + epoch)
    return [tokens(4, generator) for _ in range(count)]


def loss_of(model, batch):
    logits = model(batch[:, :-1])
    return functional.cross_entropy(logits.reshape(-1, SYMBOLS), batch[:, 1:].reshape(-1))


def depth_pair(**options):
    torch.manual_seed(3)
    return seekcli.Pair.nested(Gpt(1), Gpt(3), **DEPTH, sample=tokens(), **options)


def wide_pair():
    torch.manual_seed(3)
    options = DEPTH | {"fused": {"attn.qkv": 3}, "stream": STREAM}
    return seekcli.Pair.nested(Gpt(1), Gpt(2, width=16, hidden=40), **options, sample=tokens())


OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 3e-3, amsgrad=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9, weight_decay=0.01),
    "plain sgd": lambda parameters: torch.optim.SGD(parameters, 0.1),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, 1e-3, momentum=0.9, centered=True),
    "nadam": lambda parameters: torch.optim.NAdam(parameters, 3e-3),
    "rprop": lambda parameters: torch.optim.Rprop(parameters, 1e-3),
    "asgd": lambda parameters: torch.optim.ASGD(parameters, 0.1, t0=3),
    "adagrad": lambda parameters: torch.optim.Adagrad(parameters, 0.01, initial_accumulator_value=0.1),
}


class Naive:
    """Algorithm 1 with `.item()`, plain copies by name, and state as torch makes it, which is lazily."""

    def __init__(self, pair, make, k=2):
        self.models = {"base": pair.base, "motivated": pair.motivated}
        self.optimizers = {role: make(model.parameters()) for role, model in self.models.items()}
        self.pair, self.k = pair, k
        self.role, self.previous, self.streak, self.stepped = "base", math.inf, 0, False
        self.log = []

    def switch(self, role):
        giver, self.role = self.role, role
        down = role == "base"
        tensors = {name: model.state_dict() for name, model in self.models.items()}
        named = {name: dict(model.named_parameters()) for name, model in self.models.items()}
        for link in self.pair.weights_map.links:
            names, regions = {"base": link.base, "motivated": link.motivated}, {"base": link.base_region}
            regions["motivated"] = link.motivated_region
            with torch.no_grad():
                view(tensors[role][names[role]], regions[role]).copy_(
                    view(tensors[giver][names[giver]], regions[giver])
                )
            if link.base not in named["base"]:
                continue
            parameters = {each: named[each][names[each]] for each in names}
            given = self.optimizers[giver].state.get(parameters[giver], {})
            taken = self.optimizers[role].state[parameters[role]]
            for key, value in given.items():
                if value is None:
                    continue
                if value.dim() == 0:
                    taken[key] = value.clone()
                    continue
                if key not in taken:
                    taken[key] = torch.full_like(parameters[role], 1e-3 if key == "step_size" else 0.0)
                view(taken[key], regions[role]).copy_(view(value, regions[giver]))
        if not down and not self.stepped and self.pair.after_copy_up is not None:
            self.pair.after_copy_up(self.models["motivated"])

    def epoch(self, epoch):
        for batch in batches(epoch):
            model, optimizer = self.models[self.role], self.optimizers[self.role]
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.stepped |= self.role == "motivated"
            self.log.append((self.role, loss.item()))
            self.streak = self.streak + 1 if loss.item() < self.previous else 0
            self.previous = loss.item()
            if self.streak >= self.k and self.role == "base":
                self.switch("motivated")
            elif self.streak < self.k and self.role == "motivated":
                self.switch("base")
        if self.role == "motivated":
            self.switch("base")


def train_epoch(alternating, epoch, log=None, first=0, scaler=None, parts=1):
    for batch in batches(epoch)[first:]:
        train_batch(alternating, batch, log, parts)
    alternating.end_epoch()


def train_batch(alternating, batch, log=None, parts=1):
    model, optimizer = alternating.active
    role = alternating.role
    optimizer.zero_grad()
    losses = []
    for part in batch.chunk(parts):
        loss = loss_of(model, part) / parts
        loss.backward()
        losses.append(loss.detach())
    optimizer.step()
    total = sum(losses)
    alternating.step(total)
    if log is not None:
        log.append((role, total.item()))


def assert_equal(models, others):
    for role, model in models.items():
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, others[role].state_dict()[name]), (role, name)


def optimizer_tensors(alternating):
    for role, model in alternating.models.items():
        for name, parameter in model.named_parameters():
            for key, value in alternating.optimizers[role].state[parameter].items():
                yield (role, name, key), value


def loop(pair, make=OPTIMIZERS["adamw"], condition=None, **options):
    optimizers = tuple(make(model.parameters()) for model in (pair.base, pair.motivated))
    return seekcli.Alternating(pair, optimizers=optimizers, condition=condition or Loss(k=2), **options)


# Tensors of state that are views of wider ones are the same matter for all: one optimizer of each kind of state.
WITH_WIDE = ("adamw", "sgd", "plain sgd")


@pytest.mark.parametrize(
    ("name", "make_pair", "epochs"),
    [
        *((name, depth_pair, EPOCHS if name in ("sgd", "rmsprop") else 2) for name in OPTIMIZERS),
        *((name, wide_pair, EPOCHS if name == "sgd" else 2) for name in WITH_WIDE),
        *(
            pytest.param(name, make_pair, 2 * EPOCHS, marks=pytest.mark.slow)
            for name in OPTIMIZERS
            for make_pair in (depth_pair, wide_pair)
        ),
    ],
)
def test_it_equals_the_naive_reference(name, make_pair, epochs):
    alternating, reference, log = loop(make_pair(), OPTIMIZERS[name]), Naive(make_pair(), OPTIMIZERS[name]), []
    for epoch in range(epochs):
        train_epoch(alternating, epoch, log)
        reference.epoch(epoch)
    assert log == reference.log
    assert {role for role, _ in log} == {"base", "motivated"}
    assert alternating.motivated_steps == sum(role == "motivated" for role, _ in log) > 2
    assert_equal(alternating.models, reference.models)
    for (role, parameter, key), value in optimizer_tensors(alternating):
        if value is not None:
            model, optimizer = reference.models[role], reference.optimizers[role]
            assert torch.equal(value, optimizer.state[dict(model.named_parameters())[parameter]][key])


def test_it_equals_the_packages_own_path_with_stock_adamw():
    settings = {
        "pair.base": "resnet8", "pair.motivated": "resnet14", "data.name": "synthetic:1x8x8:4:60", "recipe": "digits",
        "train.epochs": 3, "train.batch_size": 4, "train.eval_every": 100, "optimizer.name": "adamw",
        "optimizer.lr": 0.003, "optimizer.weight_decay": 0.05, "runtime.device": "cpu", "pair.init": "identity",
    }  # fmt: skip
    config = resolve([("test", settings)]).config
    dataset = sources.load(config.data)
    trainer, batches_of = (build_trainer(config, dataset, torch.device("cpu")) for _ in range(2))
    pair = build_pair(config)
    layout = torch.channels_last if config.runtime.layout == "channels_last" else torch.contiguous_format
    for model in (pair.base, pair.motivated):
        model.to(memory_format=layout).train()
    make = partial(torch.optim.AdamW, lr=0.003, weight_decay=0.05, foreach=True)
    alternating, losses = loop(pair, make, recalibrate=False), []
    steps, rate = trainer.steps_per_epoch, trainer._learning_rate
    for epoch in range(3):
        trainer.train_epoch(lambda: None)
        for step, (inputs, labels) in enumerate(batches_of.batches.epoch(epoch, 0, steps)):
            model, optimizer = alternating.active
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch * steps + step)
            loss = functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            alternating.step(loss)
        assert (alternating.roles, alternating.losses) == (trainer.log.roles, trainer.log.losses)
        losses += alternating.losses
        alternating.end_epoch()
        trainer.start_next_epoch()
    assert alternating.motivated_steps > 1
    assert (alternating.switches, alternating.copied_bytes) == (
        trainer.turn_rule.switches,
        trainer.turn_rule.copied_bytes,
    )
    assert_equal(alternating.models, trainer.models)
    assert len(losses) == 3 * steps


def test_groups_may_come_in_any_order():
    def reversed_groups(parameters):
        return torch.optim.AdamW([{"params": [one]} for one in reversed(list(parameters))], 3e-3, amsgrad=True)

    plain, turned = loop(depth_pair()), loop(depth_pair(), reversed_groups)
    for epoch in range(2):
        train_epoch(plain, epoch)
        train_epoch(turned, epoch)
    assert_equal(plain.models, turned.models)


@pytest.mark.parametrize("stop", [pytest.param(0, marks=pytest.mark.slow), 5, STEPS])
def test_a_resume_is_exact_also_within_an_epoch(stop):
    whole = loop(depth_pair())
    for epoch in range(2):
        train_epoch(whole, epoch)
    first = loop(depth_pair())
    train_epoch(first, 0)
    for batch in batches(1)[:stop]:
        train_batch(first, batch)
    state = copy.deepcopy(first.state_dict())
    saved = [copy.deepcopy(one.state_dict()) for one in (*first.models.values(), *first.optimizers.values())]
    second = loop(depth_pair())
    for one, tensors in zip((*second.models.values(), *second.optimizers.values()), saved, strict=True):
        one.load_state_dict(tensors)
    second.load_state_dict(state)
    train_epoch(second, 1, first=stop)
    assert_equal(whole.models, second.models)
    assert whole.state_dict() == second.state_dict()


def test_state_that_is_loaded_or_moved_between_switches_is_carried():
    plain, moved = loop(depth_pair()), loop(depth_pair())
    for number, batch in enumerate(itertools.chain(batches(0), batches(1))):
        train_batch(plain, batch)
        if number % 3 == 0:
            for optimizer in moved.optimizers.values():
                optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            for model in moved.models.values():
                model.double().float()
        train_batch(moved, batch)
    assert plain.switches > 2
    assert_equal(plain.models, moved.models)


def test_accumulation_is_one_step_with_the_mean_loss():
    whole, parts = loop(depth_pair()), loop(depth_pair())
    for epoch in range(2):
        train_epoch(whole, epoch)
        train_epoch(parts, epoch, parts=2)
    assert parts.steps_done == whole.steps_done == 2 * STEPS
    for name, tensor in whole.models["base"].state_dict().items():
        torch.testing.assert_close(tensor, parts.models["base"].state_dict()[name], rtol=1e-2, atol=1e-2)


def test_a_scaler_that_skips_is_said_and_one_that_does_not_changes_nothing():
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    plain, scaled = loop(depth_pair()), loop(depth_pair(), scaler=scaler)
    for batch in batches(0) + batches(1):
        train_batch(plain, batch)
        model, optimizer = scaled.active
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scaled.step(loss)
    assert plain.motivated_steps > 0
    assert_equal(plain.models, scaled.models)
    scaled.step(1.0)  # an update that the scaler skipped


def test_models_that_are_compiled_in_place_train_alike():
    plain, compiled = loop(depth_pair()), loop(depth_pair())
    for model in compiled.models.values():
        model.forward = model.forward  # what `model.compile()` does to the call, without a compiler
    train_epoch(plain, 0)
    train_epoch(compiled, 0)
    assert_equal(plain.models, compiled.models)


def test_frozen_and_tied_weights_are_carried_alike():
    def tied():
        torch.manual_seed(3)
        base, motivated = Gpt(1, tied=True), Gpt(3, tied=True)
        for model in (base, motivated):
            model.pos_emb.requires_grad_(False)
        return seekcli.Pair.nested(base, motivated, **DEPTH, sample=tokens())

    pair = tied()
    positions = pair.base.pos_emb.clone()
    alternating, reference = loop(pair), Naive(tied(), OPTIMIZERS["adamw"])
    for epoch in range(2):
        train_epoch(alternating, epoch)
        reference.epoch(epoch)
    assert_equal(alternating.models, reference.models)
    assert torch.equal(positions, pair.base.pos_emb)
    assert pair.motivated.head.weight is pair.motivated.tok_emb.weight


def test_callbacks_see_each_step_switch_and_epoch():
    seen = []
    alternating = loop(
        depth_pair(),
        on_step=lambda one: seen.append(("step", one.steps_done)),
        on_switch=lambda one: seen.append(("switch", one.role)),
        on_epoch=lambda one: seen.append(("epoch", one.epoch, dict(one.metrics["base"]))),
    )
    for batch in batches(0):
        train_batch(alternating, batch)
    found = alternating.end_epoch({"size": lambda model: 1.0, "given": {"base": 2, "motivated": 3}})
    assert found == {"base": {"size": 1.0, "given": 2.0}, "motivated": {"size": 1.0, "given": 3.0}}
    assert [what[1] for what in seen if what[0] == "step"] == list(range(1, STEPS + 1))
    assert sum(what[0] == "switch" for what in seen) == alternating.switches > 1
    assert seen[-1] == ("epoch", 1, found["base"])


def test_the_start_is_verified_on_the_first_batch_where_no_sample_was_given():
    torch.manual_seed(0)
    wrong = seekcli.Pair.nested(Gpt(1), Gpt(3), blocks=("blocks",), silence=("mlp.fc2",))
    alternating = loop(wrong)
    with pytest.raises(ValueError, match="no identity"):
        loss_of(alternating.active[0], batches(0)[0])
    right = loop(seekcli.Pair.nested(Gpt(1), Gpt(3), **DEPTH))
    train_epoch(right, 0)


def convolutional(**options):
    torch.manual_seed(0)
    pair = seekcli.Pair.nested(ConvNet(), ConvNet(3), blocks=("layers",), silence=("bn",), sample=images())
    return loop(pair, OPTIMIZERS["sgd"], **options)


def train_on_images(alternating, steps=12):
    generator = torch.Generator().manual_seed(5)
    for _ in range(steps):
        model, optimizer = alternating.active
        inputs = images(8, generator)
        loss = functional.cross_entropy(model(inputs), (inputs.mean((1, 2, 3)) > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        alternating.step(loss)


def test_models_to_keep_hold_the_base_and_have_statistics_estimated_anew(tmp_path):
    shown = images(32, torch.Generator().manual_seed(6))
    alternating = convolutional(recalibrate=lambda: [shown[:16], shown[16:]])
    train_on_images(alternating)
    before = copy.deepcopy(alternating.models)
    if alternating.role == "motivated":
        with pytest.raises(BadInput, match="call end_epoch"):
            alternating.models_to_keep()
    alternating.end_epoch()
    kept = alternating.models_to_keep()
    assert all(not model.training and model is not alternating.models[role] for role, model in kept.items())
    assert torch.equal(kept["motivated"].stem.weight, alternating.models["base"].stem.weight)
    inputs = torch.cat([model.stem(shown) for model in [kept["base"]]])
    found = kept["base"].layers[0].bn
    expected = kept["base"].layers[0].conv(inputs).mean((0, 2, 3))
    torch.testing.assert_close(found.running_mean, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(before["base"].layers[0].bn.running_mean, alternating.models["base"].layers[0].bn.running_mean)
    assert alternating.models["base"].training

    paths = alternating.save(tmp_path / "exports")
    assert [path.name for path in paths] == ["base.safetensors", "motivated.safetensors", "card.json"]
    from safetensors.torch import load_file

    again = ConvNet(3)
    again.load_state_dict(load_file(paths[1]))
    assert_equal({"motivated": again}, kept)


def swapped(pair):
    return tuple(OPTIMIZERS["adamw"](model.parameters()) for model in (pair.motivated, pair.base))


def of_kinds(pair):
    return OPTIMIZERS["adamw"](pair.base.parameters()), OPTIMIZERS["sgd"](pair.motivated.parameters())


def foreign(pair):
    return OPTIMIZERS["adamw"](Gpt().parameters()), OPTIMIZERS["adamw"](pair.motivated.parameters())


def partly(pair):
    return OPTIMIZERS["adamw"](pair.base.blocks.parameters()), OPTIMIZERS["adamw"](pair.motivated.parameters())


class Own(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 0.1})


REFUSED = {
    "swapped": (swapped, {}, "optimizers are swapped"),
    "two kinds": (of_kinds, {}, "AdamW for the base and SGD for the motivated model"),
    "foreign": (foreign, {}, "has parameters that the base model does not have"),
    "one side": (partly, {}, "that of the base model does not have pos_emb"),
    "unknown": (lambda pair: tuple(Own(m.parameters()) for m in (pair.base, pair.motivated)), {}, "initial_state="),
    "lbfgs": (
        lambda pair: tuple(torch.optim.LBFGS(m.parameters()) for m in (pair.base, pair.motivated)),
        {"initial_state": {}},
        "LBFGS keeps state that belongs to no single parameter",
    ),
    "condition": (None, {"condition": object()}, "a object has no observe"),
    "counting": (None, {"condition": seekcli.conditions.RandomCount(0)}, "RandomCount counts batches: say steps_per"),
    "buffers": (None, {"buffers": "mine"}, "own or carried, not 'mine'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_carried_is_refused_at_once(case):
    make, options, message = REFUSED[case]
    pair = depth_pair()
    optimizers = (make or (lambda pair: swapped(pair)[::-1]))(pair)
    with pytest.raises(BadInput, match=message):
        seekcli.Alternating(pair, optimizers=optimizers, **{"condition": Loss(k=2)} | options)


def test_factored_state_follows_no_slice_and_is_refused_by_name():
    def adafactor(parameters):
        return torch.optim.Adafactor(parameters, 0.01)

    alternating = loop(wide_pair(), adafactor, seekcli.conditions.Always())
    with pytest.raises(BadInput, match=r"Adafactor keeps row_var of pos_emb as \(1, 8, 1\)"):
        train_epoch(alternating, 0)
    whole = loop(depth_pair(), adafactor, seekcli.conditions.Always())
    train_batch(whole, batches(0)[0])
    states = [
        one.state[model.head.weight]
        for one, model in zip(whole.optimizers.values(), whole.models.values(), strict=True)
    ]
    assert states[0].keys() == states[1].keys() > {"row_var"}
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_state_is_laid_out_at_what_the_optimizer_starts_with():
    from timm.optim.rmsprop_tf import RMSpropTF

    alternating = loop(wide_pair(), lambda parameters: RMSpropTF(parameters, 1e-3), seekcli.conditions.Always())
    train_batch(alternating, batches(0)[0])
    weight = alternating.models["motivated"].head.weight
    average = alternating.optimizers["motivated"].state[weight]["square_avg"]
    assert torch.equal(average[:, 8:], torch.ones(SYMBOLS, 8))
    assert average[:, :8].max() < 1


def test_models_with_batchnorm_need_a_word_on_statistics():
    with pytest.raises(BadInput, match=r"BatchNorm \(layers.0.bn\).*recalibrate="):
        convolutional()
    with pytest.raises(BadInput, match="recalibrate: a function"):
        convolutional(recalibrate=True)


def test_steps_that_are_none_are_refused():
    alternating = loop(depth_pair(), steps_per_epoch=STEPS)
    with pytest.raises(BadInput, match="epoch 1 has no step"):
        alternating.end_epoch()
    with pytest.raises(BadInput, match="no update since the last call"):
        alternating.step(1.0)
    alternating.optimizers["motivated"].step()
    with pytest.raises(BadInput, match="it was the base model's turn, and the motivated one was updated"):
        alternating.step(1.0)
    for _ in range(2):
        alternating.optimizers["base"].step()
    with pytest.raises(BadInput, match="2 updates since the last call"):
        alternating.step(1.0)
    alternating.optimizers["base"].step()
    with pytest.raises(BadInput, match=r"not a tensor of shape \(2,\)"):
        alternating.step(torch.ones(2))
    alternating.optimizers["base"].step()
    with pytest.raises(RunFailed, match=r"non-finite loss at step 1 \(epoch 1, base model\)"):
        alternating.step(math.nan)
    for batch in batches(0):
        train_batch(alternating, batch)
    with pytest.raises(BadInput, match="more than steps_per_epoch=12"):
        train_batch(alternating, batches(0)[0])


@pytest.mark.parametrize(
    ("condition", "name"),
    [(seekcli.conditions.GradientNorm(1), "gradient_norm"), (seekcli.conditions.ValidationLoss(1), "validation_loss")],
)
def test_what_a_condition_needs_is_asked_for(condition, name):
    alternating = loop(depth_pair(), condition=condition)
    with pytest.raises(BadInput, match=f"needs {name}"):
        train_batch(alternating, batches(0)[0])
    alternating.optimizers["base"].step()
    alternating.step(1.0, **{name: 0.5})
    assert alternating.steps_done == 1


def test_conditions_say_what_they_are():
    named = seekcli.conditions.named_settings
    assert named(Loss(k=3)) == {"motivation.condition": "loss", "motivation.k": 3}
    assert named(seekcli.conditions.Always())["motivation.condition"] == "always"
    assert named(seekcli.conditions.MatchedCount(0, [1, 2]))["motivation.counts"] == [1, 2]
    assert named(seekcli.conditions.Window(0.2, 0.5, 100, 10))["motivation.window_stop"] == 0.5


def test_what_is_no_pair_optimizer_record_loss_or_metric_is_one_line(tmp_path):
    pair, condition = depth_pair(), Loss(k=2)
    one = torch.optim.SGD(pair.base.parameters(), 0.1)
    for given, message in (
        ({"optimizers": one}, "two of torch are needed"),
        ({"optimizers": ("sgd", "sgd")}, "two of torch are needed.*not str, str"),
        ({"record": str(tmp_path)}, "a seekcli.Record is needed, not '"),
        ({"pair": (pair.base, pair.motivated)}, "a seekcli.Pair is needed.*not a tuple"),
    ):
        with pytest.raises(BadInput, match=message):
            seekcli.Alternating(**{"pair": pair, "optimizers": (one, one), "condition": condition} | given)
    with pytest.raises(ValueError, match="k: a whole number of 1 or more, not '2'"):
        Loss(k="2")
    with pytest.raises(ValueError, match="are one module"):
        seekcli.Pair.nested(pair.base, pair.base)
    with pytest.raises(ValueError, match=r"no shape of weight yet \(a lazy layer\)"):
        seekcli.Pair.nested(torch.nn.LazyLinear(3), pair.motivated)
    assert len(repr(pair)) < 100
    alternating = loop(pair)
    with pytest.raises(BadInput, match="the loss is a number or a tensor, not a str"):
        stepped(alternating, "1.0")
    stepped(alternating, 1.0)
    for metrics, message in (
        ({"test_loss": lambda model: "low"}, "test_loss gave a str, not a number"),
        ({"test_loss": lambda model: torch.ones(2)}, r"of shape \(2,\), not a number"),
        (["test_loss"], "functions by name, not a list"),
    ):
        with pytest.raises(BadInput, match=message):
            alternating.end_epoch(metrics)
    with pytest.raises(RunFailed, match="test_r2 of the base model is nan after epoch 1"):
        alternating.end_epoch({"test_r2": {"base": math.nan, "motivated": 0.5}})


def test_what_a_loop_saved_is_no_export_and_says_so(tmp_path):
    alternating = loop(depth_pair())
    stepped(alternating, 1.0)
    alternating.end_epoch()
    alternating.save(tmp_path / "models")
    with pytest.raises(BadInput, match=r"was saved by a loop of one's own.*load_file"):
        seekcli.load_model(tmp_path / "models")


def stepped(alternating, loss):
    model, optimizer = alternating.active
    optimizer.zero_grad()
    loss_of(model, batches(0)[0]).backward()
    optimizer.step()
    alternating.step(loss)
