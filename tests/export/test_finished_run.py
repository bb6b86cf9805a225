"""Which run is meant, whether it can be exported, and what its card says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from documents import rewrite
from finished_runs import make_run

from seekcli.documents import read_document
from seekcli.errors import BadInput
from seekcli.export.card import WeightsCard
from seekcli.export.finished_run import choose_roles, open_run
from seekcli.runs.named_runs import find_run

WEIGHTS = WeightsCard(file="x.safetensors", sha256="0", bytes=1, parameters=1)


def test_a_run_is_found_by_path_by_id_and_by_the_hash_that_ends_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_run(tmp_path, seed=1)
    assert find_run(str(run), tmp_path / "elsewhere") == run
    assert find_run(run.name, tmp_path) == run
    assert find_run(run.name.rpartition("_")[2], tmp_path) == run


def test_an_unknown_run_gets_the_nearest_id(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_run(tmp_path, "base")
    with pytest.raises(BadInput, match=f"did you mean '{run.name}'"):
        find_run(f"{run.name}x", tmp_path)


def test_replaced_runs_are_not_found(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "runs" / ".replaced").mkdir()
    run.rename(tmp_path / "runs" / ".replaced" / run.name)
    with pytest.raises(BadInput, match="holds no runs"):
        find_run(run.name, tmp_path)


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"classes": -1}, "classes is -1, and class_names"), ({"channels": 10**8}, "channels is 100000000, and mean")],
)
def test_facts_that_no_model_can_be_built_by_are_damage(tmp_path: Path, facts: dict[str, int], said: str) -> None:
    run = make_run(tmp_path, facts=facts)
    with pytest.raises(BadInput, match=rf"config\.json is damaged: facts: {said}"):
        open_run(run)


@pytest.mark.parametrize("text", ["results", "results/notes.txt"])
def test_what_is_no_run_folder_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(Path("results"))
    Path("results/notes.txt").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match=f"^{text} is (not a run folder|a file)"):
        find_run(text, Path("results"))


@pytest.mark.parametrize(
    ("state", "said"), [("running", "interrupted"), ("stopped", "stopped"), ("failed", "failed")], ids=str
)
def test_an_unfinished_run_is_refused(tmp_path: Path, state: str, said: str) -> None:
    """Nobody writes the one that says it is running."""
    with pytest.raises(BadInput, match=rf"is not finished \({said}, 3 of 3 epochs done\)"):
        open_run(make_run(tmp_path, state=state))


def test_a_run_before_its_first_epoch_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "status.json").unlink()
    with pytest.raises(BadInput, match="not finished: it has not done an epoch"):
        open_run(run)
    (run / "epochs.parquet").touch()  # it has, and its status is gone
    with pytest.raises(BadInput, match=r"status\.json is missing; the same `seek train` command"):
        open_run(run)


@pytest.mark.parametrize("name", ["config.json", "status.json"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path)
    (run / name).write_text('{"schema_version": 1', encoding="utf-8")
    with pytest.raises(BadInput, match=f"{name} is damaged"):
        open_run(run)


@pytest.mark.parametrize("change", [{"facts": {}}, {"config": {"seed": -1}}, {"facts": None}])
def test_a_config_that_lacks_something_is_named(tmp_path: Path, change: dict[str, Any]) -> None:
    run = make_run(tmp_path)
    rewrite(run / "config.json", **change)
    with pytest.raises(BadInput, match=r"config\.json is damaged:? \(?(facts|no schedule)"):
        open_run(run)


def test_a_newer_config_is_refused_by_name(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rewrite(run / "config.json", schema_version=99)
    with pytest.raises(BadInput, match=r"config\.json was written by a newer seek"):
        open_run(run)


def test_the_status_of_another_run_is_refused(tmp_path: Path) -> None:
    run, other = make_run(tmp_path), make_run(tmp_path, seed=1)
    (run / "status.json").write_bytes((other / "status.json").read_bytes())
    with pytest.raises(BadInput, match=r"status\.json belongs to another run"):
        open_run(run)


@pytest.mark.parametrize("final", [[], [{"role": "base"}]])
def test_a_status_without_its_last_rows_is_named(tmp_path: Path, final: list[Any]) -> None:
    run = make_run(tmp_path)
    rewrite(run / "status.json", final=final)
    with pytest.raises(BadInput, match=r"status\.json is damaged"):
        open_run(run)


def test_roles_are_all_that_the_run_has_unless_asked(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path))
    assert choose_roles(run, None) == choose_roles(run, "both") == ("base", "motivated")
    assert choose_roles(run, "motivated") == ("motivated",)


@pytest.mark.parametrize("role", ["motivated", "both"])
def test_a_role_that_the_run_has_not_is_refused(tmp_path: Path, role: str) -> None:
    run = open_run(make_run(tmp_path, "base"))
    assert choose_roles(run, None) == ("base",)
    with pytest.raises(BadInput, match="has only the base model"):
        choose_roles(run, role)


def test_the_card_of_a_pair_says_where_it_comes_from(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, seed=4))
    card = run.card("motivated", WEIGHTS)
    assert (card.model, card.family, card.role, card.pair) == ("resnet14", "cifar-resnet", "motivated", "resnet8-to-14")
    assert (card.result.test_accuracy_percent, card.result.epoch, card.result.test_images) == (98.75, 3, 360)
    assert (card.training.run_id, card.training.seed, card.training.data) == (run.status.run_id, 4, "digits")
    assert (card.training.recipe, card.training.condition, card.training.k) == ("digits", "loss", 2)
    assert (card.classes, card.class_names[9], card.input.mean, card.input.std) == (10, "9", (0.3055,), (0.3765,))
    recorded = card.evaluation
    assert (recorded.batch_size, recorded.precision, recorded.layout) == (500, "fp32", "channels_last")
    assert recorded.cpu == "a CPU"


def test_the_card_of_a_model_trained_alone_has_no_pair(tmp_path: Path) -> None:
    card = open_run(make_run(tmp_path, "motivated")).card("motivated", WEIGHTS)
    assert (card.model, card.role, card.training.schedule) == ("resnet14", "motivated", "motivated")
    assert (card.pair, card.training.condition, card.training.init) == (None, None, None)


def test_a_run_without_a_last_accuracy_makes_no_card(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    status = read_document(run / "status.json")
    status["final"][0]["test_accuracy_percent"] = None
    rewrite(run / "status.json", **status)
    with pytest.raises(BadInput, match="no accuracy of the last epoch for the base model"):
        open_run(run).card("base", WEIGHTS)
