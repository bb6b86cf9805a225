"""README.md beside exported models: what it says, and that a user's own is left alone."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest
import torch
from finished_runs import make_run
from kept_graphs import keep_graphs

from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.export.graph_files import export_graphs
from seekcli.export.graphs import Example
from seekcli.export.model_card import OURS, README, write_model_card


def folder_with_exports(tmp_path: Path) -> Path:
    export_run(open_run(make_run(tmp_path)), ["base", "motivated"], tmp_path / "to")
    return tmp_path / "to"


def test_it_names_both_models_with_their_accuracy_and_cost(tmp_path: Path) -> None:
    folder = folder_with_exports(tmp_path)
    assert write_model_card(folder) == folder / README
    text = (folder / README).read_text(encoding="utf-8")
    assert text.startswith("---\npipeline_tag: image-classification\n")
    assert "| resnet8 | base | 97.50 |" in text
    assert "| resnet14 | motivated | 98.75 |" in text
    assert "value: 0.975" in text
    assert 'load_model("resnet8-base")' in text
    assert "one run with one seed" in text


def test_the_input_is_told_where_a_graph_normalises_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_graphs(monkeypatch)
    folder = folder_with_exports(tmp_path)
    write_model_card(folder)
    assert "normalise them themselves" not in (folder / README).read_text(encoding="utf-8")
    pixels = Example(torch.zeros(5, 1, 8, 8, dtype=torch.uint8), "made-up pixels")
    export_graphs(open_run(make_run(tmp_path)), ["base"], folder, "pt2", lambda _: pixels, preprocessing=True)
    write_model_card(folder)
    text = (folder / README).read_text(encoding="utf-8")
    assert "Graphs that take `pixels` (below) are given uint8 0..255 and normalise them themselves." in text
    assert "logits = model(pixels)  # uint8" in text


def test_it_is_the_same_page_again(tmp_path: Path) -> None:
    folder = folder_with_exports(tmp_path)
    write_model_card(folder)
    before = (folder / README).read_bytes()
    write_model_card(folder)
    assert (folder / README).read_bytes() == before


def test_a_page_of_the_users_own_stays(tmp_path: Path) -> None:
    folder = folder_with_exports(tmp_path)
    (folder / README).write_text("mine\n")
    assert write_model_card(folder) is None
    assert (folder / README).read_text() == "mine\n"
    (folder / README).write_text(f"changed\n{OURS}\n")
    assert write_model_card(folder) is not None


def test_models_of_two_runs_are_told_apart(tmp_path: Path) -> None:
    """Each run has its own data, and so its own normalisation, recipe, epochs and seed."""
    alone = make_run(tmp_path, "base", train__epochs=1)
    other = make_run(tmp_path, "motivated", seed=7, facts={"mean": [0.125]})
    for run, role in ((alone, "base"), (other, "motivated")):
        export_run(open_run(run), [role], tmp_path / "to")
    write_model_card(tmp_path / "to")
    text = (tmp_path / "to" / README).read_text(encoding="utf-8")
    first, second = text.split("\n# ")[1:]
    assert first.startswith("resnet8 on digits\n\nresnet8, trained alone.")
    assert second.startswith("resnet14 on digits\n\nresnet14, trained alone.")
    assert (first.count("\n| resnet"), second.count("\n| resnet")) == (1, 1)
    assert f"Run {alone.name}: recipe digits, 1 epoch, seed 0, " in first
    assert f"Run {other.name}: recipe digits, 3 epochs, seed 7, " in second
    assert ("mean = (0.3055)" in first, "mean = (0.125)" in second) == (True, True)
    assert text.count("## Citation") == 1
