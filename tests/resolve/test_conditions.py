"""Conditions in a run: resumed exactly, measured without a trace, and one clear line for whatever one does wrong."""

from __future__ import annotations

import sys

import pytest
import torch
from resumed_runs import StopAfter, content, train_in_pieces
from tiny import tiny

from seekcli.config.identity import run_id
from seekcli.data.sets import sources
from seekcli.data.splitting.holdout import hold_out
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, Stopped
from seekcli.method.condition import CONDITIONS
from seekcli.resolve.build import build_trainer
from seekcli.resolve.conditions import GROUP
from seekcli.runs import records
from seekcli.runs.folder import RunFolder

# Each so that it switches within 2 epochs of the tiny run (6 steps of 4 images; 5 with 6 of 24 held out).
FIRING = {
    "loss": {},
    "ema-loss": {"motivation__ema_alpha": 0.5},
    "validation-loss": {"data__holdout_images": 6},
    "gradient-norm": {},
    "random-count": {"seed": 1},
    "matched-count": {"motivation__counts": [2, 3]},
    "inverse": {},
    "window": {"motivation__window_start": 0.3, "motivation__window_stop": 0.8},
    "periodic": {"motivation__every_steps": 3},
    "budget": {"motivation__share": 0.4},
    "always": {},
    "never": {},
}


def resolved_for(name, **changes):
    return tiny(motivation__condition=name, train__epochs=2, **FIRING.get(name, {}), **changes)


# A condition's own state is resumed exactly in tests/method/test_condition.py. Of the runs: one that is shown
# held-out images, one that counts by epoch; `loss` in tests/engines/test_run.py.
# The state of the others is resumed from JSON in tests/method/test_condition.py, and of a foreign one below.
RESUMED = ("validation-loss",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in RESUMED else pytest.mark.slow) for name in CONDITIONS]
)
def test_stopped_and_resumed_at_several_steps_equals_the_uninterrupted_run(tmp_path, name):
    resolved = resolved_for(name)
    train_run(resolved, tmp_path / "whole")
    whole = content(RunFolder.of(tmp_path / "whole", resolved.config).path)
    motivated = whole[1]["role"].count("motivated")
    assert (motivated > 0) == (name != "never")
    assert train_in_pieces(resolved, tmp_path / "pieces", 5) == len(whole[1]["step"]) // 5
    assert content(RunFolder.of(tmp_path / "pieces", resolved.config).path) == whole


def make_trainer(resolved):
    config = resolved.config
    dataset = hold_out(sources.load(config.data), config.data.holdout_images, config.seed)
    return build_trainer(config, dataset, torch.device("cpu"))


def test_watching_the_validation_loss_leaves_no_trace():
    """A condition that measures and never holds trains the same bits as one that does not measure."""
    never = tiny(motivation__condition="never", data__holdout_images=6)
    watching = tiny(motivation__condition="validation-loss", motivation__k=1000, data__holdout_images=6)
    trainers = [make_trainer(resolved) for resolved in (never, watching)]
    for trainer in trainers:
        for _ in range(2):
            trainer.train_epoch(lambda: None)
            trainer.start_next_epoch()
    (plain, _), (watched, _) = (trainer.state() for trainer in trainers)
    assert plain.keys() == watched.keys()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_measuring_changes_no_mode_no_buffer_and_no_random_number():
    trainer = make_trainer(tiny(motivation__condition="validation-loss", data__holdout_images=6))
    model = trainer.models["base"].train()
    model.bn1.eval()  # as somebody who freezes a normalisation has it
    modes = {name: module.training for name, module in model.named_modules()}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.get_rng_state()
    first = trainer.held_out.loss(model)
    assert torch.equal(torch.get_rng_state(), expected)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert trainer.held_out.loss(model) == first


def test_the_validation_loss_is_that_of_the_active_model_after_its_update():
    resolved = tiny(motivation__condition="validation-loss", data__holdout_images=6)
    trainer, config = make_trainer(resolved), resolved.config
    ((images, labels),) = trainer.batches.held_out(hold_out(sources.load(config.data), 6, config.seed))
    seen = []

    class Spy:
        def observe(self, step):
            model = trainer.models[trainer.turn_rule.role].eval()
            with torch.no_grad():
                expected = torch.nn.functional.cross_entropy(model(images), labels)
            model.train()
            seen.append((trainer.turn_rule.role, step.validation_loss, float(expected)))
            return step.batch % 2 == 0

    trainer.turn_rule.condition = Spy()
    trainer.train_epoch(lambda: None)
    assert {role for role, _, _ in seen} == {"base", "motivated"}
    assert all(observed == pytest.approx(expected, rel=1e-6) for _, observed, expected in seen)


def test_the_gradient_norm_is_that_of_the_concatenated_gradient_before_clipping():
    trainer = make_trainer(tiny(motivation__condition="gradient-norm", train__clip_norm=1e-3))
    reference = make_trainer(tiny(motivation__condition="never"))
    seen = []

    class Spy:
        def observe(self, step):
            seen.append(step.gradient_norm)
            return False

    trainer.turn_rule.condition = Spy()
    trainer.train_epoch(lambda: None)
    images, labels = next(iter(reference.batches.epoch(0)))
    model = reference.models["base"].train()
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    whole = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert seen[0] == pytest.approx(float(whole.norm()), rel=1e-5)
    assert len(seen) == trainer.steps_per_epoch


def test_what_is_not_needed_is_not_measured():
    trainer = make_trainer(tiny(data__holdout_images=6))
    seen = []

    class Spy:
        def observe(self, step):
            seen.append((step.gradient_norm, step.validation_loss))
            return False

    trainer.turn_rule.condition = Spy()
    trainer.train_epoch(lambda: None)
    assert set(seen) == {(None, None)}


def test_condition_flops_are_a_forward_of_the_held_out_batch_after_each_step(tmp_path):
    for name in ("validation-loss", "gradient-norm"):
        resolved = resolved_for(name)
        train_run(resolved, tmp_path)
        rows = records.read_epochs(RunFolder.of(tmp_path, resolved.config).path / records.EPOCHS)
        macs = {row["role"]: row["forward_macs_per_image"] for row in rows}
        for row in rows:
            expected = 2 * 6 * (macs["base"] * row["base_steps"] + macs["motivated"] * row["motivated_steps"])
            assert row["condition_flops"] == (expected if name == "validation-loss" else 0)


@pytest.mark.slow
def test_expected_share_is_recorded_where_chance_gives_one(tmp_path):
    shares = {}
    for name in ("random-count", "matched-count", "ema-loss", "window", "periodic", "budget"):
        status = train_run(resolved_for(name), tmp_path)
        shares[name] = status.expected_share
        observed = status.totals["motivated_steps"] / status.steps_done
        assert observed == status.expected_share or name in ("random-count", "ema-loss")
        steps = status.steps_per_epoch
    assert shares["random-count"] == 0.5 * (steps - 1) / steps
    assert shares["matched-count"] == 5 / (2 * steps)
    assert shares["ema-loss"] is None


def test_matched_count_trains_as_many_motivated_steps_as_it_was_given(tmp_path):
    resolved = resolved_for("matched-count")
    train_run(resolved, tmp_path)
    rows = records.read_epochs(RunFolder.of(tmp_path, resolved.config).path / records.EPOCHS)
    assert [row["motivated_steps"] for row in rows if row["role"] == "base"] == [2, 3]
    assert {row["k"] for row in rows} == {None}


# --- the run id -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_run_id_holds_what_the_condition_reads_and_nothing_else(name):
    reads = {
        "motivation__k": 3,
        "motivation__ema_alpha": 0.1,
        "motivation__ema_fall_percent": 0.3,
        "motivation__counts": [1, 1],
        "motivation__window_start": 0.1,
        "motivation__window_stop": 0.9,
        "motivation__every_steps": 5,
        "motivation__share": 0.3,
    }
    expected = {
        "loss": {"motivation__k"},
        "ema-loss": {"motivation__k", "motivation__ema_alpha", "motivation__ema_fall_percent"},
        "validation-loss": {"motivation__k"},
        "gradient-norm": {"motivation__k"},
        "matched-count": {"motivation__counts"},
        "inverse": {"motivation__k"},
        "window": {"motivation__window_start", "motivation__window_stop"},
        "periodic": {"motivation__every_steps"},
        "budget": {"motivation__share"},
    }.get(name, set())
    settings = {"motivation__condition": name, "train__epochs": 2} | FIRING[name]
    plain = run_id(tiny(**settings).config)
    changing = {key for key, value in reads.items() if run_id(tiny(**(settings | {key: value})).config) != plain}
    assert changing == expected
    assert run_id(tiny(**settings, motivation__options={"a": 1}).config) == plain
    assert ("-k1_" in plain) == ("motivation__k" in expected)


def test_held_out_images_are_shared_with_the_baselines_and_change_their_id(tmp_path):
    plain, held_out = tiny(schedule="base"), tiny(schedule="base", data__holdout_images=6)
    assert run_id(plain.config) != run_id(held_out.config)
    train_run(held_out, tmp_path)
    folder = RunFolder.of(tmp_path, held_out.config).path
    assert records.read_status(folder).steps_per_epoch < 6


# --- conditions of somebody else --------------------------------------------------------------------------------------

FOREIGN = '''
class Every:
    """Every n-th batch."""
    def __init__(self, k, options):
        self.n, self.seen = options["n"] * k, 0
    def observe(self, step):
        self.seen += 1
        return self.seen % self.n == 0
    def state_dict(self):
        return {"seen": self.seen}
    def load_state_dict(self, state):
        self.seen = state["seen"]

class Raises(Every):
    def observe(self, step):
        if step.epoch == 1:
            raise KeyError("gone\\nfor good")
        return False

class NotBool(Every):
    def observe(self, step):
        return 1

class Infinite(Every):
    def state_dict(self):
        return {"lowest": float("inf")}

class Tuples(Every):
    def observe(self, step):
        self.seen = (1, 2)
        return False

class NoState:
    def __init__(self, k, options):
        pass
    def observe(self, step):
        return False

class Greedy(Every):
    needs = ("accuracy",)

class Text(Every):
    needs = "gradient_norm"

class Watching(Every):
    needs = ("validation_loss", "gradient_norm")
    def observe(self, step):
        return step.validation_loss + step.gradient_norm < 2.5

class Forgetful(Every):
    def load_state_dict(self, state):
        self.seen = state["other"]
'''


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A module `foreign_conditions` in the current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "foreign_conditions.py").write_text(FOREIGN)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lambda kind, **changes: tiny(
        motivation__condition=f"foreign_conditions:{kind}", motivation__options={"n": 2}, train__epochs=2, **changes
    )
    sys.modules.pop("foreign_conditions", None)


def test_a_condition_of_somebody_else_trains_and_resumes_exactly(foreign, tmp_path):
    resolved = foreign("Every")
    train_run(resolved, tmp_path / "whole")
    whole = content(RunFolder.of(tmp_path / "whole", resolved.config).path)
    assert whole[1]["role"].count("motivated") == 4
    assert {row["condition"] for row in whole[0]} == {"foreign_conditions:Every"}
    assert train_in_pieces(resolved, tmp_path / "pieces", 5) == 2
    assert content(RunFolder.of(tmp_path / "pieces", resolved.config).path) == whole


def test_its_run_id_holds_import_path_k_and_options(foreign):
    plain = run_id(foreign("Every").config)
    assert "foreign_conditions-every-k1" in plain
    others = [
        foreign("Raises"),
        foreign("Every", motivation__k=2),
        tiny(motivation__condition="foreign_conditions:Every", motivation__options={"n": 3}, train__epochs=2),
    ]
    assert len({run_id(other.config) for other in others} | {plain}) == 4
    assert run_id(foreign("Every", motivation__ema_alpha=0.5).config) == plain


@pytest.mark.slow
def test_it_is_given_what_it_needs_and_the_cost_is_counted(foreign, tmp_path):
    resolved = foreign("Watching", data__holdout_images=6)
    train_run(resolved, tmp_path / "whole")
    whole = content(RunFolder.of(tmp_path / "whole", resolved.config).path)
    assert all(row["condition_flops"] > 0 for row in whole[0])
    train_in_pieces(resolved, tmp_path / "pieces", 4)
    assert content(RunFolder.of(tmp_path / "pieces", resolved.config).path) == whole


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Raises", ["foreign_conditions:Raises", "step 7", "KeyError", "gone"]),
        ("NotBool", ["foreign_conditions:NotBool", "step 1", "int", "True or False"]),
        ("Tuples", ["foreign_conditions:Tuples", "JSON", "(1, 2)"]),
    ],
)
def test_what_it_does_wrong_fails_the_run_in_one_line(foreign, tmp_path, kind, words):
    resolved = foreign(kind)
    with pytest.raises(RunFailed) as caught:
        train_run(resolved, tmp_path / "r")
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)
    status = records.read_status(RunFolder.of(tmp_path / "r", resolved.config).path)
    assert (status.state, status.message) == ("failed", str(caught.value))


def test_the_step_of_a_failure_is_right_in_a_shorter_last_epoch(foreign, tmp_path):
    with pytest.raises(RunFailed, match="at step 7: raised KeyError"):
        train_run(foreign("Raises", train__steps=8), tmp_path / "r")


def test_a_state_that_it_cannot_take_back_fails_the_resume(foreign, tmp_path):
    resolved = foreign("Forgetful")
    progress = StopAfter(2)
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path / "r", progress, stop_requested=progress.reason)
    with pytest.raises(RunFailed, match=r"foreign_conditions:Forgetful: load_state_dict\(\{'seen': 2\}\).*KeyError"):
        train_run(resolved, tmp_path / "r")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Evry", ["foreign_conditions:Evry", "Every"]),
        ("NoState", ["foreign_conditions:NoState", "state_dict", "load_state_dict"]),
        ("Infinite", ["foreign_conditions:Infinite", "JSON"]),
        ("Greedy", ["foreign_conditions:Greedy", "accuracy", "gradient_norm"]),
        ("Text", ["foreign_conditions:Text", "tuple"]),
        ("Watching", ["foreign_conditions:Watching", "data.holdout_images"]),
    ],
)
def test_what_cannot_be_a_condition_is_bad_input(foreign, kind, words):
    with pytest.raises(BadInput) as caught:
        foreign(kind)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:Condition", ["no_such_module", "cannot import"]),
        ("foreign_conditions:", ["package.module:Class"]),
        (":Every", ["package.module:Class"]),
        ("broken_condition:Every", ["broken_condition", "ZeroDivisionError"]),
        ("foreign_conditions:Every", ["foreign_conditions:Every", "KeyError: 'n'"]),
        ("los", ["--condition", "loss"]),
        ("validation-loss", ["validation-loss", "data.holdout_images"]),
        ("matched-count", ["matched-count", "motivation.counts_from"]),
    ],
)
def test_bad_input_names_the_condition(foreign, tmp_path, name, words):
    (tmp_path / "here" / "broken_condition.py").write_text("1 / 0\n")
    with pytest.raises(BadInput) as caught:
        tiny(motivation__condition=name)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "words"), [([1], ["1 count ", "3 epochs"]), ([0, 6, 0], ["6 motivated", "epoch of 6"])]
)
def test_counts_that_do_not_fit_the_run_are_bad_input(counts, words):
    with pytest.raises(BadInput) as caught:
        tiny(motivation__condition="matched-count", motivation__counts=counts)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def install(folder, monkeypatch, package, points):
    """What pip leaves of a package that brings conditions."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}\n" for name, value in points.items()]
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{''.join(lines)}")
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_condition_has_a_name_and_is_the_same_run_as_its_path(foreign, tmp_path, monkeypatch):
    points = {"every": "foreign_conditions:Every", "loss": "foreign_conditions:Raises"}
    install(tmp_path / "site", monkeypatch, "brought", points)
    options = {"motivation__options": {"n": 2}, "train__epochs": 2}
    by_name = tiny(motivation__condition="every", **options)
    assert by_name.config == foreign("Every").config
    assert by_name.origins["motivation.condition"] == "entry point every"
    # A shipped name is the shipped condition, whoever else claims it.
    assert tiny(motivation__condition="loss").config.motivation.condition == "loss"
    with pytest.raises(BadInput, match=r"'evry'.*'every'"):
        tiny(motivation__condition="evry")


def test_a_name_that_two_packages_bring_is_refused(foreign, tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, "one", {"every": "foreign_conditions:Every"})
    install(tmp_path / "site", monkeypatch, "two", {"every": "foreign_conditions:Raises"})
    with pytest.raises(BadInput, match=r"every.*foreign_conditions:Every.*foreign_conditions:Raises"):
        tiny(motivation__condition="every")
