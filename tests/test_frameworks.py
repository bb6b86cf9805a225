"""Lightning and Hugging Face's Trainer give the decisions and the weights of a plain loop over the same batches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import seekcli

EXAMPLES = Path(__file__).parent.parent / "examples"
EPOCHS, STEPS = 2, 12


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for name in ("own_loop", "with_lightning", "with_transformers"):
        sys.modules.pop(name, None)


def loop():
    from own_loop import CharacterModel

    torch.manual_seed(0)
    small, large = CharacterModel(20, depth=1), CharacterModel(20, depth=3)
    pair = seekcli.Pair.nested(
        small, large, blocks=("blocks",), silence=("attn.out_proj", "fc2"), sample=draw(0)[0][:, :-1]
    )
    optimizers = (torch.optim.AdamW(small.parameters(), 3e-3), torch.optim.AdamW(large.parameters(), 3e-3))
    return seekcli.Alternating(pair, optimizers=optimizers, condition=seekcli.conditions.Loss(k=1))


def draw(epoch):
    from own_loop import batches

    text = torch.randint(0, 20, (500,), generator=torch.Generator().manual_seed(0))
    return batches(text, epoch + 1, STEPS)


def plain(alternating, of_epoch):
    """Also the roles that took the batches, epoch by epoch."""
    from own_loop import loss_of

    taken = []
    for epoch in range(EPOCHS):
        for batch in of_epoch(epoch):
            model, optimizer = alternating.active
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            alternating.step(loss)
        taken.append(list(alternating.roles))
        alternating.end_epoch()
    return taken


def remembering(alternating):
    taken = []
    alternating.on_epoch = lambda one: taken.append(list(one.roles))
    return taken


def assert_equal(one, other):
    assert (one.switches, one.motivated_steps) == (other.switches, other.motivated_steps)
    assert 0 < one.motivated_steps < EPOCHS * STEPS
    for role, model in one.models.items():
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, other.models[role].state_dict()[name]), (role, name)


def test_one_optimizer_for_both_models():
    reference, alternating = loop(), loop()
    optimizer = alternating.active_optimizer()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    taken = plain(reference, draw)
    from own_loop import loss_of

    for epoch in range(EPOCHS):
        for batch in draw(epoch):
            loss = loss_of(alternating.active[0], batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            alternating.step(loss)
        alternating.end_epoch()
    assert_equal(alternating, reference)
    assert len(taken) == EPOCHS
    schedule.step()
    assert {one.param_groups[0]["lr"] for one in alternating.optimizers.values()} == {1.5e-3}
    again = loop()
    again.active_optimizer().load_state_dict(optimizer.state_dict())
    assert (again.steps_done, again.switches) == (alternating.steps_done, alternating.switches)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lightning():
    pytest.importorskip("lightning", reason="not run: lightning is not installed")
    from with_lightning import fit

    reference, alternating = loop(), loop()
    expected, taken = plain(reference, draw), remembering(alternating)
    fit(alternating, draw, EPOCHS)
    assert taken == expected
    assert_equal(alternating, reference)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_transformers(tmp_path):
    pytest.importorskip("transformers", reason="not run: transformers is not installed")
    pytest.importorskip("accelerate", reason="not run: accelerate is not installed")
    import with_transformers

    seen = []
    forward = with_transformers.Nested.forward

    def seeing(self, tokens):
        seen.append(tokens.clone())
        return forward(self, tokens)

    with_transformers.Nested.forward = seeing
    alternating = loop()
    taken = remembering(alternating)
    windows = torch.cat(draw(0))
    with_transformers.fit(alternating, windows, EPOCHS, tmp_path, len(windows) // STEPS)
    assert len(seen) == EPOCHS * STEPS
    reference = loop()
    assert plain(reference, lambda epoch: seen[STEPS * epoch : STEPS * (epoch + 1)]) == taken
    assert_equal(alternating, reference)
