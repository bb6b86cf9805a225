"""The fast path against a naive reference written straight from the pseudo-code of Algorithm 1 (paper 3.2).

The reference uses plain modules, torch's own lazily made optimizer state, `.item()` after every step and plain
copies by name. Every decision, loss, weight, buffer and momentum must be equal, bit for bit, whether the running
statistics of BatchNorm stay with their model or travel.
"""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch
from torch.nn import functional

from seekcli.config.layers import merge
from seekcli.data.sets import sources
from seekcli.method.alternating import Alternating
from seekcli.models.pairs import build_pair
from seekcli.resolve.build import build_trainer
from seekcli.resolve.resolve import resolve

EPOCHS, BATCHES, BATCH_SIZE = 13, 20, 4


def make_config(
    init, k, condition="loss", base="resnet8", motivated="resnet14", buffers="own", epochs=EPOCHS, **options
):
    settings = {f"motivation.{name}": value for name, value in options.items()} | {
        "pair.base": base,
        "pair.motivated": motivated,
        "pair.init": init,
        "pair.buffers": buffers,
        "motivation.k": k,
        "motivation.condition": condition,
        "data.name": f"synthetic:1x8x8:4:{BATCHES * BATCH_SIZE * 5 // 4}",
        "train.epochs": epochs,
        "train.batch_size": BATCH_SIZE,
        "train.eval_every": 100,
        "optimizer.lr": 0.02,
        "recipe": "digits",
        "runtime.device": "cpu",
    }
    return resolve([("test", settings)]).config


def to_motivated(base, name):
    """Paper 3.3, written out. ResNet-8 in ResNet-14: one block a stage, which is the first of two. ResNet-14 in 20: of
    two blocks the first is the first of three, and the last is the last."""
    if base == "gpt-2x64":  # in gpt-4x64: the first block is the first, the last is the last
        return name.replace("blocks.1.", "blocks.3.")
    return re.sub(r"^(layer\d)\.1\.", r"\1.2.", name) if base == "resnet14" else name


class Reference:
    """Algorithm 1, line by line."""

    def __init__(self, config):
        pair = build_pair(config)
        self.base, self.large = pair.base, pair.motivated
        channels_last = config.runtime.layout == "channels_last"
        for model in (self.base, self.large):
            model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format).train()
        options = {"lr": 0.0, "momentum": 0.9, "weight_decay": 5e-4, "foreach": True}
        self.base_optimizer = torch.optim.SGD(self.base.parameters(), **options)
        self.large_optimizer = torch.optim.SGD(self.large.parameters(), **options)
        self.config = config
        self.motivated, self.previous_loss, self.streak = False, math.inf, 0
        self.decisions, self.losses, self.switches, self.forced = [], [], 0, 0
        self.large_has_stepped = False

    def copy(self, source, source_optimizer, target, target_optimizer):
        """Weights, buffers and momentum of every tensor that the base has; a giver without momentum clears it.

        Running statistics stay where they are, but for a larger model that has none of its own yet.
        """
        self.switches += 1
        sources, targets = source.state_dict(), target.state_dict()
        source_parameters, target_parameters = dict(source.named_parameters()), dict(target.named_parameters())
        for base_name in self.base.state_dict():
            large_name = to_motivated(self.config.pair.base, base_name)
            giver, taker = (base_name, large_name) if source is self.base else (large_name, base_name)
            statistic = re.search(r"(running_mean|running_var|num_batches_tracked)$", base_name)
            starts = source is self.base and not self.large_has_stepped
            if not statistic or starts or self.config.pair.buffers == "carried":
                with torch.no_grad():
                    targets[taker].copy_(sources[giver])
            if giver in source_parameters:
                given = source_optimizer.state[source_parameters[giver]].get("momentum_buffer")
                momentum = torch.zeros_like(target_parameters[taker]) if given is None else given.clone()
                target_optimizer.state[target_parameters[taker]]["momentum_buffer"] = momentum

    def up(self):
        self.copy(self.base, self.base_optimizer, self.large, self.large_optimizer)

    def down(self):
        self.copy(self.large, self.large_optimizer, self.base, self.base_optimizer)

    def loss(self, logits, labels):
        return functional.cross_entropy(logits, labels)

    def holds(self, loss):
        """The motivation condition, `loss`, after the step that had this loss."""
        self.streak = self.streak + 1 if loss < self.previous_loss else 0
        return self.streak >= self.config.motivation.k

    def epoch(self, epoch, batches):
        total = self.config.train.epochs * BATCHES
        for index, (images, labels) in enumerate(batches):
            model, optimizer = (
                (self.large, self.large_optimizer) if self.motivated else (self.base, self.base_optimizer)
            )
            rate = self.config.optimizer.lr * (1 + math.cos(math.pi * (epoch * BATCHES + index) / total)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = self.loss(model(images), labels)
            loss.backward()
            optimizer.step()
            self.large_has_stepped |= self.motivated
            self.decisions.append("motivated" if self.motivated else "base")
            self.losses.append(loss.item())
            holds = self.holds(loss.item())
            if holds and not self.motivated:
                self.motivated = True
                self.up()
            elif not holds and self.motivated:
                self.motivated = False
                self.down()
            self.previous_loss = loss.item()
        if self.motivated:
            self.motivated = False
            self.forced += 1
            self.down()


def momenta(model, optimizer):
    state = {name: optimizer.state.get(parameter, {}) for name, parameter in model.named_parameters()}
    return {
        name: each["momentum_buffer"] if each.get("momentum_buffer") is not None else torch.zeros(())
        for name, each in state.items()
    }


def assert_equal_states(trainer, reference):
    for role, model, optimizer in (
        ("base", reference.base, reference.base_optimizer),
        ("motivated", reference.large, reference.large_optimizer),
    ):
        own = trainer.models[role].state_dict()
        for name, tensor in model.state_dict().items():
            assert torch.equal(own[name], tensor), (role, name)
        own_momenta = momenta(trainer.models[role], trainer.optimizers[role])
        for name, tensor in momenta(model, optimizer).items():
            assert torch.equal(own_momenta[name], tensor.expand_as(own_momenta[name])), (role, name)


@pytest.mark.parametrize(
    ("init", "k", "base", "motivated", "buffers", "epochs"),
    [
        ("paper", 2, "resnet8", "resnet14", "own", 2),
        pytest.param("paper", 2, "resnet14", "resnet20", "own", EPOCHS, marks=pytest.mark.slow),
        pytest.param("paper", 2, "resnet14", "resnet20", "carried", 2, marks=pytest.mark.slow),
        pytest.param("identity", 1, "resnet8", "resnet14", "own", 3, marks=pytest.mark.slow),
        ("identity", 1, "resnet8", "resnet14", "carried", 2),
        pytest.param("identity", 1, "resnet8", "resnet14", "carried", EPOCHS, marks=pytest.mark.slow),
    ],
)
def test_the_fast_path_equals_the_naive_reference(init, k, base, motivated, buffers, epochs):
    """For 40 to 260 steps."""
    config = make_config(init, k, base=base, motivated=motivated, buffers=buffers, epochs=epochs)
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
    reference = Reference(config)
    roles, losses = [], []
    assert trainer.steps_per_epoch == BATCHES
    for epoch in range(epochs):
        batches = [(images.clone(), labels.clone()) for images, labels in trainer.batches.epoch(epoch)]
        reference.epoch(epoch, batches)
        trainer.train_epoch(lambda: None)
        roles += trainer.log.roles
        losses += trainer.log.losses
        assert_equal_states(trainer, reference)
        trainer.start_next_epoch()
    assert roles == reference.decisions
    assert losses == reference.losses
    assert len(roles) == epochs * BATCHES
    assert trainer.turn_rule.switches == reference.switches
    assert isinstance(trainer.turn_rule, Alternating)
    assert trainer.turn_rule.condition.previous == reference.previous_loss
    assert trainer.turn_rule.condition.streak == reference.streak
    # Natural switches in both directions, and forced ones at epoch ends.
    assert sum(a != b for a, b in itertools.pairwise(roles)) > 2 * epochs
    if epochs > 4:  # whether so few end in a motivated state differs between CPUs
        assert reference.forced > 0


class OfText(Reference):
    def loss(self, logits, labels):
        """Of every token: [B, T, V] and [B, T]."""
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


@pytest.mark.parametrize("init", [pytest.param("paper", marks=pytest.mark.slow), "identity"])
def test_the_fast_path_equals_the_naive_reference_for_a_language_model(init):
    settings = {
        "pair.base": "gpt-2x64", "pair.motivated": "gpt-4x64", "pair.init": init, "motivation.k": 1,
        "data.name": "text:pydoc", "data.limit_train": BATCHES * BATCH_SIZE, "data.context_length": 8,
        "data.validation_fraction": 0.0, "train.epochs": 2, "train.batch_size": BATCH_SIZE, "train.clip_norm": None,
        "optimizer.name": "sgd", "optimizer.lr": 0.02, "optimizer.weight_decay": 5e-4,
        "optimizer.decay_norms_and_biases": True, "lr_schedule.warmup_epochs": 0.0, "lr_schedule.min_lr": 0.0,
        "runtime.device": "cpu",
    }  # fmt: skip
    config = resolve([("test", settings)]).config
    trainer, reference = build_trainer(config, sources.load(config.data), torch.device("cpu")), OfText(config)
    for epoch in range(2):
        reference.epoch(epoch, list(trainer.batches.epoch(epoch)))
        trainer.train_epoch(lambda: None)
        assert trainer.log.roles == reference.decisions[-BATCHES:]
        assert trainer.log.losses == reference.losses[-BATCHES:]
        assert {"base", "motivated"} == set(trainer.log.roles)
        assert_equal_states(trainer, reference)
        trainer.start_next_epoch()


class Other(Reference):
    """The same loop under another condition; `rule` answers from all losses so far."""

    def __init__(self, config, rule):
        super().__init__(config)
        self.rule = rule

    def holds(self, loss):
        return self.rule(self.losses, self.decisions)


def rose_twice(losses, decisions):
    return all(later > earlier for earlier, later in itertools.pairwise([math.inf, -math.inf, *losses][-3:]))


def inside_10_to_30(losses, decisions):
    return 10 <= len(losses) < 30


def every_third(losses, decisions):
    return len(losses) % 3 == 2 and len(losses) % BATCHES > 0


def five_of_twenty_after_falls(losses, decisions):
    batch = len(losses) % BATCHES
    taken = decisions[len(decisions) - batch :].count("motivated") if batch else 0
    fell = losses[-1] < [math.inf, *losses][-2]
    owed = 5 - taken
    return batch > 0 and owed > 0 and ((fell and taken < math.ceil(5 * batch / 19)) or owed == BATCHES - batch)


@pytest.mark.parametrize(
    ("condition", "rule", "options"),
    [
        pytest.param("inverse", rose_twice, {}, marks=pytest.mark.slow),
        pytest.param(
            "window", inside_10_to_30, {"window_start": 10 / 260, "window_stop": 30 / 260}, marks=pytest.mark.slow
        ),
        pytest.param("periodic", every_third, {"every_steps": 3}, marks=pytest.mark.slow),
        ("budget", five_of_twenty_after_falls, {"share": 0.25}),
    ],
)
def test_other_schedules_follow_their_rule_in_the_same_loop(condition, rule, options):
    config = make_config("paper", 2, condition, **options)
    trainer, reference = build_trainer(config, sources.load(config.data), torch.device("cpu")), Other(config, rule)
    for epoch in range(2):
        reference.epoch(epoch, [(images.clone(), labels.clone()) for images, labels in trainer.batches.epoch(epoch)])
        trainer.train_epoch(lambda: None)
        assert trainer.log.roles == reference.decisions[-BATCHES:]
        assert trainer.log.losses == reference.losses[-BATCHES:]
        assert "motivated" in trainer.log.roles
        assert_equal_states(trainer, reference)
        trainer.start_next_epoch()


@pytest.mark.parametrize(("condition", "expected"), [("never", 0), ("always", BATCHES - 1)])
def test_the_bounds_never_and_always(condition, expected):
    config = make_config("paper", 2, condition)
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
    trainer.train_epoch(lambda: None)
    assert trainer.log.roles[0] == "base"
    assert trainer.log.roles.count("motivated") == expected
    assert trainer.turn_rule.switches == (2 if expected else 0)


def test_entering_on_the_last_batch_is_a_counted_no_op():
    """Two switches and no motivated step: the base comes back as it went."""
    config = make_config("paper", 2, "always")
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
    before = {}

    class LastBatchOnly:
        def observe(self, step):
            if step.batch + 1 == step.batches:
                before.update({name: tensor.clone() for name, tensor in trainer.models["base"].state_dict().items()})
            return step.batch + 1 == step.batches

    trainer.turn_rule.condition = LastBatchOnly()
    trainer.train_epoch(lambda: None)
    assert trainer.log.roles == ["base"] * BATCHES
    assert trainer.turn_rule.switches == 2
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.models["base"].state_dict().items())


def test_never_equals_the_classic_base_in_every_weight():
    alternating = make_config("paper", 2, "never")
    classic = merge([("test", {}), ("same", dict(_flat(alternating))), ("schedule", {"schedule": "base"})]).config
    runs = []
    for config in (alternating, classic):
        trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
        for _ in range(2):
            trainer.train_epoch(lambda: None)
            trainer.start_next_epoch()
        runs.append(trainer.models["base"].state_dict())
    assert all(torch.equal(tensor, runs[1][name]) for name, tensor in runs[0].items())


def _flat(config):
    from seekcli.config.settings import flatten

    return flatten(config.model_dump())
