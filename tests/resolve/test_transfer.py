"""A run that starts from the weights of another: which model takes what, what the run id holds, what is refused."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import tiny

from seekcli.config.identity import run_id, run_key
from seekcli.config.layers import Resolved
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed, Stopped
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.models import pretrained
from seekcli.models.pairs import build_models, seeded_model
from seekcli.resolve.build import build_trainer
from seekcli.resolve.plan import describe_plan
from seekcli.resolve.transfer import start_weights
from seekcli.runs.folder import RunFolder
from seekcli.train.progress import Progress


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a finished pair run of three classes, `exports/` of both its models, and a classic run."""
    root = tmp_path_factory.mktemp("source")
    train_run(tiny(train__epochs=1), root)
    run = RunFolder.of(root, tiny(train__epochs=1).config).path
    export_run(open_run(run), ("base", "motivated"), root / "exports")
    train_run(tiny(train__epochs=1, schedule="motivated"), root)
    return root


def pair_run(made: Path) -> Path:
    return RunFolder.of(made, tiny(train__epochs=1).config).path


def weights_of(made: Path, role: str) -> dict[str, torch.Tensor]:
    return load_file(pair_run(made) / f"{role}.safetensors")


def target(source: Any, **changes: Any) -> Resolved:
    """A run on other images of four classes."""
    return tiny(**{"data__name": "synthetic:1x8x8:4:40", "train__epochs": 1, "transfer__source": str(source)} | changes)


def started(resolved: Resolved, results: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors before the first step, by role."""
    config = resolved.config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"), start_weights(config, results))
    return {role: model.state_dict() for role, model in trainer.models.items()}


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    """Whether all but the head is equal, and the head is not."""
    heads = {key for key in expected if key.startswith("fc.")}
    assert len(heads) == 2
    return all(torch.equal(found[key], expected[key]) for key in expected.keys() - heads) and not any(
        torch.equal(found[key], expected[key]) for key in heads
    )


def has_own_head(found: dict[str, torch.Tensor], resolved: Resolved, role: str) -> bool:
    fresh = build_models(resolved.config)[role].state_dict()
    return all(torch.equal(found[key], fresh[key]) for key in ("fc.weight", "fc.bias"))


def place(made: Path, form: str) -> Path:
    return pair_run(made) if form == "run" else made / "exports"


# --- who takes what ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["run", "export"])
@pytest.mark.parametrize("role", ["base", "motivated"])
@pytest.mark.parametrize("said", [True, False], ids=["said", "found"])
def test_a_classic_run_takes_the_model_of_its_architecture(made: Path, form: str, role: str, said: bool) -> None:
    resolved = target(place(made, form), schedule=role, **({"transfer__role": role} if said else {}))
    found = started(resolved, made)
    assert found.keys() == {role}
    assert same(found[role], weights_of(made, role))
    assert has_own_head(found[role], resolved, role)


def test_the_role_a_model_had_does_not_bind_it(made: Path) -> None:
    """A motivated ResNet-14 becomes the base of ResNet-14 in 20, and a base run of its own."""
    shift = {"pair__base": "resnet14", "pair__motivated": "resnet20"}
    for changes in (shift, shift | {"schedule": "base"}):
        found = started(target(pair_run(made), **changes), made)
        assert same(found["base"], weights_of(made, "motivated"))


@pytest.mark.parametrize("form", ["run", "export"])
def test_a_pair_takes_both_models_of_a_pair(made: Path, form: str) -> None:
    resolved = target(place(made, form))
    assert resolved.config.pair.init == "source"
    for role, tensors in started(resolved, made).items():
        assert same(tensors, weights_of(made, role))
        assert has_own_head(tensors, resolved, role)


@pytest.mark.parametrize("form", ["run", "export"])
def test_a_pair_that_takes_the_base_starts_its_differential_parts_as_ever(made: Path, form: str) -> None:
    resolved = target(place(made, form), transfer__role="base")
    assert resolved.config.pair.init == "identity"
    found = started(resolved, made)
    assert same(found["base"], weights_of(made, "base"))
    plain = tiny(data__name="synthetic:1x8x8:4:40", train__epochs=1)
    assert all(
        torch.equal(found["motivated"][key], tensor) for key, tensor in started(plain, made)["motivated"].items()
    )


@pytest.mark.parametrize("form", ["run", "export"])
def test_a_pair_that_takes_the_motivated_model_carves_its_base_out_of_it(made: Path, form: str) -> None:
    resolved = target(place(made, form), transfer__role="motivated")
    assert resolved.config.pair.init == "source"
    found = started(resolved, made)
    assert same(found["motivated"], weights_of(made, "motivated"))
    # The motivated model of a pair run holds its base, so this is that base, but for each model's own statistics.
    base = weights_of(made, "base")
    statistics = {name for name in base if re.search(r"running_|num_batches_tracked", name)}
    assert same(found["base"], {name: tensor for name, tensor in base.items() if name not in statistics})
    assert all(has_own_head(found[role], resolved, role) for role in found)


def test_an_identity_start_may_be_asked_for_with_given_differential_parts(made: Path) -> None:
    resolved = target(pair_run(made), pair__init="identity")
    pair = started(resolved, made)
    assert not same(pair["motivated"], weights_of(made, "motivated"))
    config = resolved.config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"), start_weights(config, made))
    models = {role: model.eval() for role, model in trainer.models_to_keep().items()}
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(models["base"](images), models["motivated"](images), atol=1e-5)


def test_averages_start_from_the_source_too(made: Path) -> None:
    config = target(pair_run(made), schedule="base", train__ema_decay=0.9).config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"), start_weights(config, made))
    assert same(trainer.averages.of["base"].model.state_dict(), weights_of(made, "base"))


# --- how a source is named --------------------------------------------------------------------------------------------


def test_a_run_is_named_by_folder_id_or_hash_and_an_export_by_any_of_its_names(made: Path, monkeypatch) -> None:
    monkeypatch.chdir(made)
    (made / "results").mkdir(exist_ok=True)
    run = pair_run(made)
    exports = made / "exports"
    names = [run, exports / "resnet8-base", exports / "resnet8-base.json", "exports/resnet8-base.safetensors"]
    ids = {run_id(target(name, schedule="base").config) for name in names}
    from seekcli.resolve.resolve import resolve

    settings = target(run, schedule="base").config.model_dump()
    flat = [("test", settings | {"transfer": {"source": text}}) for text in (run.name, run.name.rpartition("_")[2])]
    ids |= {run_id(resolve([layer], made).config) for layer in flat}
    assert len(ids) == 1


def test_a_run_and_its_export_make_one_run_and_other_weights_another(made: Path) -> None:
    of = {form: target(place(made, form), schedule="base") for form in ("run", "export")}
    assert run_id(of["run"].config) == run_id(of["export"].config)
    plain = tiny(data__name="synthetic:1x8x8:4:40", train__epochs=1, schedule="base")
    assert run_id(of["run"].config) != run_id(plain.config)
    sha256 = of["run"].config.transfer.sha256
    assert f"_from-{sha256[:8]}_" in run_id(of["run"].config)
    assert run_key(of["run"].config)["transfer.sha256"] == sha256
    assert not [key for key in run_key(of["run"].config) if key in ("transfer.source", "transfer.role")]
    assert of["run"].origins["transfer.sha256"] == f"--init-from {pair_run(made)}"
    both = target(pair_run(made)).config.transfer.sha256
    assert both.split("+")[0] == sha256
    assert len(both.split("+")) == 2


# --- runs -------------------------------------------------------------------------------------------------------------


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def stop_at(step: int):
    seen = []

    def reason() -> str | None:
        seen.append(1)
        return "test" if len(seen) >= step else None

    return reason


def test_a_run_is_trained_resumed_without_its_source_and_equals_one_that_was_not(made: Path, tmp_path: Path) -> None:
    source = shutil.copytree(made / "exports", tmp_path / "exports")
    resolved, progress = target(source), Notes()
    train_run(resolved, tmp_path / "whole")
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path / "cut", progress, stop_requested=stop_at(3))
    assert progress.notes[:1] == [f"starting from --init-from {source}: resnet8 and resnet14, with a new head"]
    shutil.rmtree(source)
    with pytest.raises(BadInput, match="there is no run and no exported model"):
        target(source)
    from seekcli.resolve.resolve import resolve

    settings = {key: value for key, value in resolved.config.model_dump().items() if key != "transfer"}
    settings["pair"] = {**settings["pair"], "init": "auto"}
    again = resolve([("test", settings | {"transfer": {"source": str(source)}})], tmp_path / "cut")
    assert run_id(again.config) == run_id(resolved.config)
    assert train_run(again, tmp_path / "cut").state == "finished"
    for role in ("base", "motivated"):
        paths = [
            RunFolder.of(tmp_path / name, resolved.config).path / f"{role}.safetensors" for name in ("whole", "cut")
        ]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_fresh_start_needs_the_source_and_writes_nothing_without_it(made: Path, tmp_path: Path) -> None:
    source = shutil.copytree(made / "exports", tmp_path / "exports")
    resolved = target(source, schedule="base")
    train_run(resolved, tmp_path / "results")
    (source / "resnet8-base.json").rename(tmp_path / "away")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadInput, match="--init-from"):
        train_run(resolved, tmp_path / "results", fresh=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_source_that_changed_between_plan_and_start_is_refused_by_name(made: Path, tmp_path: Path) -> None:
    run = shutil.copytree(pair_run(made), tmp_path / "runs" / pair_run(made).name)
    resolved = target(run, schedule="base")
    tensors = load_file(run / "base.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, run / "base.safetensors")
    with pytest.raises(BadInput, match=r"--init-from .*: its weights have changed since this run was made for them"):
        train_run(resolved, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    assert run_id(target(run, schedule="base").config) != run_id(resolved.config)


def test_a_dry_run_says_what_it_would_start_from(made: Path, tmp_path: Path) -> None:
    text = describe_plan(target(made / "exports", schedule="base"), tmp_path)
    assert f"starts from --init-from {made / 'exports'}: resnet8, with a new head" in text


# --- timm's -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timm_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand-ins of a thousand classes for timm's files of ResNet-18 and 34."""
    folder = tmp_path_factory.mktemp("timm")
    for name in ("resnet18", "resnet34"):
        save_file(seeded_model(name, 7, 1000, 3, 224).state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def timm_weights(timm_files: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, torch.Tensor]]:
    """The tensors of a model in these files."""
    monkeypatch.setattr(pretrained, "pretrained_file", lambda name: timm_files / f"{name}.safetensors")
    return lambda name: load_file(timm_files / f"{name}.safetensors")


IMAGENET = {"pair__base": "resnet18", "pair__motivated": "resnet34", "data__name": "synthetic:3x64x64:2:10",
            "transfer__pretrained": True}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"schedule": "base"}, "base"),
        pytest.param({"schedule": "motivated"}, "motivated", marks=pytest.mark.slow),
        pytest.param({}, "base", marks=pytest.mark.slow),
        pytest.param({"transfer__role": "motivated"}, "motivated", marks=pytest.mark.slow),
    ],
)
def test_timms_weights_are_a_source_like_any_other(timm_weights, tmp_path: Path, changes, role: str) -> None:
    resolved = tiny(**IMAGENET, **changes)
    found = started(resolved, tmp_path)
    assert same(found[role], timm_weights(resolved.config.model_name(role)))
    assert has_own_head(found[role], resolved, role)
    assert len(resolved.config.transfer.sha256) == 64
    assert f"_from-{resolved.config.transfer.sha256[:8]}_" in run_id(resolved.config)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pair__base": "resnet20", "pair__motivated": "resnet32"},
         ["has weights of resnet8 and resnet14, this run trains resnet20 and resnet32", "--model resnet8-to-14"]),
        ({"schedule": "motivated", "pair__motivated": "resnet32"},
         ["resnet8 and resnet14", "trains resnet32", "--model resnet8 --schedule motivated"]),
        ({"schedule": "base", "transfer__role": "motivated"},
         ["has weights of resnet14, this run trains resnet8", "--role base"]),
        ({"transfer__role": "base", "pair__base": "resnet14", "pair__motivated": "resnet20"}, ["--role motivated"]),
        ({"pair__init": "paper"}, ["--init paper", "--init source or identity", "--role base"]),
        ({"pair__init": "source", "transfer__role": "base"}, ["--init source", "the base alone"]),
        ({"transfer__pretrained": True}, ["--pretrained", "--init-from"]),
        ({"transfer__sha256": "0" * 64}, ["is not the one in transfer.sha256"]),
        ({"data__name": "synthetic:3x8x8:4:40", "schedule": "base"}, ["takes images of 1 channels", "3"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(made: Path, tmp_path: Path, changes, words) -> None:
    with pytest.raises(BadInput) as caught:
        train_run(target(pair_run(made), **changes), tmp_path / "results")
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"transfer__role": "base"}, ["--role", "--init-from"]),
        ({"pair__init": "source"}, ["--init source needs a source"]),
        ({"transfer__sha256": "0" * 64}, ["are found out, not set"]),
        ({"transfer__pretrained": True}, ["timm has no weights for resnet8"]),
        ({"transfer__pretrained": True, "schedule": "base", "transfer__role": "motivated"}, ["no motivated model"]),
        ({"transfer__source": "resnet8-to-14_synthetic"}, ["--init-from resnet8-to-14_synthetic", "no run"]),
        ({"transfer__source": "no/such/place"}, ["--init-from no/such/place", "no run and no exported model"]),
        ({"transfer__source": "."}, ["--init-from .:", "not a run folder"]),
        ({"transfer__source": "x", "transfer__role": "both"}, ["transfer.role"]),
    ],
)
def test_a_request_that_makes_no_sense_is_one_line(tmp_path: Path, monkeypatch, changes, words) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput) as caught:
        tiny(**changes)
    assert [word for word in words if word not in str(caught.value)] == [], str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_source_without_that_role_names_those_it_has(made: Path) -> None:
    classic = RunFolder.of(made, tiny(train__epochs=1, schedule="motivated").config).path
    with pytest.raises(BadInput, match=r"--role base: .* has only the motivated model"):
        target(classic, transfer__role="base")


def test_models_of_different_runs_are_not_mixed_unasked(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made / "exports", tmp_path / "exports")
    classic = RunFolder.of(made, tiny(train__epochs=1, schedule="motivated").config).path
    export_run(open_run(classic), ("motivated",), folder, overwrite=True)
    with pytest.raises(BadInput, match="holds models of different runs"):
        target(folder)
    assert target(folder, transfer__role="base").config.pair.init == "identity"


def test_a_run_that_is_not_finished_is_no_source(tmp_path: Path) -> None:
    resolved = tiny()
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path, stop_requested=stop_at(8))
    with pytest.raises(BadInput, match=r"--init-from .*: run .* is not finished"):
        target(RunFolder.of(tmp_path, resolved.config).path)


def test_a_finished_run_needs_neither_source_nor_checkpoint(made: Path, tmp_path: Path) -> None:
    source = shutil.copytree(made / "exports", tmp_path / "exports")
    resolved = target(source, schedule="base")
    first = train_run(resolved, tmp_path / "results")
    shutil.rmtree(source)
    shutil.rmtree(RunFolder.of(tmp_path / "results", resolved.config).path / "checkpoint")
    assert train_run(resolved, tmp_path / "results") == first


def test_a_run_that_is_set_aside_meanwhile_does_not_start_from_nothing(made: Path, tmp_path: Path, monkeypatch) -> None:
    resolved = target(made / "exports", schedule="base")
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path, stop_requested=stop_at(2))
    load = sources.load

    def somebody_else_says_fresh(data: Any, watcher: Any) -> Any:
        shutil.rmtree(RunFolder.of(tmp_path, resolved.config).path)
        return load(data, watcher)

    monkeypatch.setattr(sources, "load", somebody_else_says_fresh)
    with pytest.raises(RunFailed, match="set aside by another process"):
        train_run(resolved, tmp_path)


def test_runs_from_one_source_are_one_comparison_and_from_another_one_another(made: Path, tmp_path: Path) -> None:
    from seekcli.analysis.grouping import group_runs
    from seekcli.analysis.runs import load_runs
    from seekcli.runs.scan import scan_runs

    for schedule in ("base", "motivated", "alternating"):
        train_run(target(pair_run(made), schedule=schedule), tmp_path)
    classic = RunFolder.of(made, tiny(train__epochs=1, schedule="motivated").config).path
    train_run(target(classic, schedule="motivated"), tmp_path)
    runs, _ = load_runs(scan_runs([tmp_path]))
    together, alone = group_runs(runs)
    assert [len(together.base_runs), len(together.motivated_runs), len(together.arms)] == [1, 1, 1]
    assert together.settings.common["transfer.run"] == pair_run(made).name
    assert (alone.motivated_runs[0].settings.common["transfer.run"], alone.arms) == (classic.name, ())
