"""`seek export` and `seek evaluate` of language models: what was recorded comes back, and text goes in and out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from resumed_runs import StopAfter
from tiny_text import TEXT, tiny_text

import seekcli
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, Stopped
from seekcli.export.card import read_card
from seekcli.export.graphs import LOADERS
from seekcli.runs.folder import RunFolder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run and its export, whose text is in the folder above."""
    folder = tmp_path_factory.mktemp("text")
    resolved = tiny_text(folder)
    train_run(resolved, folder / "results")
    run = RunFolder.of(folder / "results", resolved.config).path
    result = seek("export", run, "--to", folder / "exports")
    assert result.exit_code == 0, result.output
    assert "bits per byte" in result.output
    assert "%" not in result.output
    return run, folder / "exports"


def test_the_card_has_what_the_run_recorded_and_no_accuracy(made: tuple[Path, Path]) -> None:
    run, exports = made
    for row in RunFolder(run).status().final:
        model, card = seekcli.load_model(exports / f"{row['model']}-{row['role']}")
        assert not model.training
        assert card.result.test_accuracy_percent is None
        for name in ("test_loss", "test_perplexity", "test_bits_per_byte"):
            assert getattr(card.result, name) == row[name]
        assert card.text is not None
        assert (card.text.tokenizer, card.text.context_length) == ("characters", 8)
    page = (exports / "README.md").read_text(encoding="utf-8")
    assert "text-generation" in page
    assert "image" not in page
    assert "accura" not in page


def test_text_becomes_tokens_and_comes_back(made: tuple[Path, Path]) -> None:
    model, card = seekcli.load_model(made[1] / "gpt-2x64-base")
    tokens = card.encode("caf\u00e9 is")
    assert tokens.dtype == torch.int64
    assert card.decode(tokens) == "caf\u00e9 is"
    assert model(tokens[None]).shape == (1, 7, len(set(TEXT)))
    with pytest.raises(ValueError, match=r"has no 'q', 'u', 'z'"):
        card.encode("quiz")
    with pytest.raises(ValueError, match="token 99 is none"):
        card.decode(torch.tensor([99]))
    with pytest.raises(ValueError, match="reads text"):
        card.normalise(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("of", ["run", "export"])
def test_evaluate_gives_the_recorded_loss(made: tuple[Path, Path], of: str) -> None:
    run, exports = made
    text = exports.parent / "some.txt"
    what = [run] if of == "run" else [exports, "--data", f"text:{text}"]
    answers = json.loads(seek("evaluate", *what, "--format", "json").output)
    assert [answer["role"] for answer in answers] == ["base", "motivated"]
    for answer, row in zip(answers, RunFolder(run).status().final, strict=True):
        assert answer["equals_recorded"]
        for name in ("test_loss", "test_perplexity", "test_bits_per_byte"):
            assert answer[name] == row[name]
    said = seek("evaluate", *what).output
    assert "(recorded" in said
    assert "perplexity" in said
    assert "image" not in said


def test_all_of_another_text_is_taken(made: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("The cat is open. " * 2, encoding="utf-8")
    assert "not looked for: an export" in seek("evaluate", made[1], "--data", f"text:{other}").output
    other.write_text("The cat is cat. " * 2, encoding="utf-8")  # the second window of three stands nowhere else
    answer, _ = json.loads(seek("evaluate", made[0], "--data", f"text:{other}", "--format", "json").output)
    among = answer["training_windows_among_them"]
    assert among == "2 of 3 windows stand in the training part of the run's text, word for word"
    other.write_text("tac ehT .nepo si", encoding="utf-8")
    assert "overlap" not in seek("evaluate", made[0], "--data", f"text:{other}").output
    other.write_text("The cat is open. " * 2, encoding="utf-8")
    answer, _ = json.loads(seek("evaluate", made[1], "--data", f"text:{other}", "--format", "json").output)
    assert (answer["test_windows"], answer["test_tokens"]) == (4, 32)
    assert answer["equals_recorded"] is None


@pytest.mark.parametrize(
    ("contents", "problem"),
    [("Why? " * 9, "the vocabulary has no '?', 'W', 'y'"), ("The cat", "less than a window of 8")],
)
def test_a_text_that_does_not_fit_is_refused(
    made: tuple[Path, Path], tmp_path: Path, contents: str, problem: str
) -> None:
    other = tmp_path / "other.txt"
    other.write_text(contents, encoding="utf-8")
    assert problem in error_of(seek("evaluate", made[1], "--data", f"text:{other}"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--data", "digits"], "is a language model: --data text:FILE"),
        ([], "a card names no place: name it as --data text:FILE"),
        (["--recalibrate"], "--recalibrate: language models have no BatchNorm"),
        (["--predictions", "answers.csv"], "--predictions: is for image classifiers"),
    ],
)
def test_what_is_of_images_is_refused_by_evaluate(made: tuple[Path, Path], words: list[str], problem: str) -> None:
    assert problem in error_of(seek("evaluate", made[1], *words))


@pytest.mark.parametrize("words", [["--recalibrate"], ["--format", "pt2", "--with-preprocessing"]])
def test_what_is_of_images_is_refused_by_export(made: tuple[Path, Path], tmp_path: Path, words: list[str]) -> None:
    assert f"{words[-1]}: " in error_of(seek("export", made[0], *words, "--to", tmp_path / "exports"))
    assert not (tmp_path / "exports").exists()


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["onnx", "pt2"])
def test_a_graph_takes_tokens(made: tuple[Path, Path], tmp_path: Path, format_name: str) -> None:
    result = seek("export", made[0], "--role", "base", "--format", format_name, "--to", tmp_path)
    assert result.exit_code == 0, result.output
    path = tmp_path / f"gpt-2x64-base.{format_name}"
    card = read_card(path.with_name(f"{path.name}.json"))
    assert card.graph is not None
    assert (card.graph.input_name, card.graph.input_dtype) == ("tokens", "int64")
    model, _ = seekcli.load_model(made[1] / "gpt-2x64-base")
    tokens = card.encode(TEXT[:24]).view(3, 8)
    torch.testing.assert_close(LOADERS[format_name](path, "tokens")(tokens), model(tokens), atol=1e-4, rtol=0)


def test_models_of_the_last_checkpoint_are_exported(tmp_path: Path) -> None:
    resolved, progress = tiny_text(tmp_path), StopAfter(3)
    with pytest.raises(Stopped):
        train_run(resolved, tmp_path / "results", progress, stop_requested=progress.reason)
    run = RunFolder.of(tmp_path / "results", resolved.config).path
    result = seek("export", run, "--to", tmp_path / "exports")
    assert result.exit_code == 0, result.output
    _, card = seekcli.load_model(tmp_path / "exports" / "gpt-2x64-base")
    assert card.training.unfinished is not None
    answer, _ = json.loads(
        seek("evaluate", tmp_path / "exports", "--data", f"text:{tmp_path / 'some.txt'}", "--format", "json").output
    )
    assert answer["equals_recorded"]
    assert answer["test_bits_per_byte"] == card.result.test_bits_per_byte


def test_a_card_of_a_language_model_without_its_loss_is_damaged(made: tuple[Path, Path], tmp_path: Path) -> None:
    card = json.loads((made[1] / "gpt-2x64-base.json").read_text(encoding="utf-8"))
    card["result"]["test_bits_per_byte"] = None
    path = tmp_path / "card.json"
    card.pop("content_sha256", None)
    path.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BadInput, match="is damaged"):
        read_card(path)
