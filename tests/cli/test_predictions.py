"""`seek evaluate --predictions`: one row an image and model that adds up to the accuracy, and the confusion matrix."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bad_input import error_of, seek
from finished_runs import make_run

from seekcli.report.predictions import Predictions, confusion_text, predictions_csv
from seekcli.train.tasks.classification import evaluate_model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("results"))


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_of_both_roles_adds_up_to_the_accuracy(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "digits.csv"
    result = seek("evaluate", run, "--predictions", target, "--format", "json")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [f"seek: wrote {target}, 720 predictions"]
    answers = {answer["role"]: answer for answer in json.loads(result.stdout)}
    rows = rows_of(target)
    assert list(rows[0]) == [
        *("role", "model", "image", "true_class", "predicted_class", "probability"),
        *(f"{name}_{rank}" for rank in (2, 3, 4, 5) for name in ("class", "probability")),
    ]
    for role, answer in answers.items():
        own = [row for row in rows if row["role"] == role]
        assert [row["image"] for row in own] == [str(index) for index in range(360)]
        right = [row["true_class"] == row["predicted_class"] for row in own]
        assert 100 * sum(right) / 360 == pytest.approx(answer["test_accuracy_percent"])
        in_top = [
            row["true_class"] in (row["predicted_class"], *(row[f"class_{n}"] for n in range(2, 6))) for row in own
        ]
        assert 100 * sum(in_top) / 360 == pytest.approx(answer["test_top5_accuracy_percent"])
        for row in own[:20]:
            probabilities = [float(row["probability"]), *(float(row[f"probability_{n}"]) for n in range(2, 6))]
            assert probabilities == sorted(probabilities, reverse=True)
            assert 0 < sum(probabilities) <= 1.00001
        matrix = answer["confusion_matrix"]
        assert [sum(row) for row in matrix] == [one["images"] for one in answer["classes"]]
        assert [row[label] for label, row in enumerate(matrix)] == [one["correct"] for one in answer["classes"]]


def test_without_it_nothing_is_written_and_nothing_more_is_said(run: Path) -> None:
    result = seek("evaluate", run, "--role", "base")
    assert "confusion" not in result.output
    assert "confusion_matrix" not in seek("evaluate", run, "--role", "base", "--format", "json").stdout


def test_a_file_is_replaced_on_demand_alone(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "digits.csv"
    target.write_text("mine")
    words = ("evaluate", run, "--role", "base", "--predictions", target)
    assert "exists: name another file, or add --overwrite" in error_of(seek(*words))
    assert target.read_text() == "mine"
    assert seek(*words, "--overwrite").exit_code == 0
    assert len(rows_of(target)) == 360


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("table.parquet", "name a file that ends in .csv"),
        ("folder.csv", "is a folder"),
        ("file/table.csv", "is in the way: it is not a folder"),
        (f"{'x' * 300}.csv", "File name too long"),
    ],
)
def test_a_target_that_cannot_be_written_is_bad_input(run: Path, tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    assert words in error_of(seek("evaluate", run, "--predictions", tmp_path / name))


def test_overwrite_alone_is_bad_input(run: Path) -> None:
    assert "--predictions" in error_of(seek("evaluate", run, "--overwrite"))


@pytest.mark.parametrize("kind", ["folder", "imagenet"])
def test_images_of_a_folder_are_named_by_their_path_below_it(tmp_path: Path, kind: str) -> None:
    """Of 3 classes: no further ranks are written."""
    facts = {"classes": 3, "channels": 3, "class_names": ["cat", "dog", "frog"], "mean": [0.5] * 3, "std": [0.5] * 3}
    settings = {"data__name": f"{kind}:photos", "data__fingerprint": "0" * 64, "data__image_size": 8}
    run = make_run(tmp_path / "results", "base", facts=facts, data__classes=3, data__channels=3, **settings)
    rebuild_with_classes(run, 3)
    new = tmp_path / "new"
    for name in ("test/cat/b.png", "test/cat/a.png", "test/frog/c,\N{LATIN SMALL LETTER E WITH ACUTE}.png"):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 9), (200, 30, 90)).save(new / name)
    target = tmp_path / "answers.csv"
    result = seek("evaluate", run, "--data", f"{kind}:{new}", "--predictions", target)
    assert result.exit_code == 0, (result.output, result.exception)
    rows = rows_of(target)
    assert [(row["image"], row["true_class"]) for row in rows] == [
        ("test/cat/a.png", "cat"),
        ("test/cat/b.png", "cat"),
        ("test/frog/c,\N{LATIN SMALL LETTER E WITH ACUTE}.png", "frog"),
    ]
    assert list(rows[0]) == ["role", "model", "image", "true_class", "predicted_class", "probability"]
    assert "confusion (images): each row is a true class" in result.stdout


def rebuild_with_classes(run: Path, classes: int) -> None:
    """The model file of a run by hand has ten classes of one channel: another one in its place."""
    from safetensors.torch import save_file

    from seekcli.models.pairs import seeded_model
    from seekcli.runs import records

    save_file(seeded_model("resnet8", 0, classes, 3, 8).state_dict(), run / "base.safetensors")
    records.write_status(run, records.read_status(run).model_copy(update={"weights_sha256": {}}))


def predictions(names: list[str], pairs: list[tuple[int, int]]) -> Predictions:
    return Predictions(
        "base", "resnet8", [str(n) for n in range(len(pairs))], names,
        [true for true, _ in pairs], [[predicted] for _, predicted in pairs], [[1.0]] * len(pairs),
    )  # fmt: skip


def test_the_matrix_has_a_row_for_each_true_class() -> None:
    one = predictions(["cat", "a very long class name"], [(0, 0), (0, 1), (0, 1), (1, 1)])
    assert confusion_text(one).splitlines()[1:] == [
        "                     0  1",
        " 0 cat               1  2",
        " 1 a very long c...  .  1",
    ]
    assert one.confusion_matrix() == [[1, 2], [0, 1]]
    assert confusion_text(predictions(["0", "1"], [(0, 1)])).splitlines()[1:] == ["    0  1", " 0  .  1", " 1  .  ."]


def test_a_class_name_stays_on_its_line() -> None:
    one = predictions(["new\nline", "zero\u200b"], [(0, 1)])
    assert [line.split()[:2] for line in confusion_text(one).splitlines()[2:]] == [
        ["0", "new\\nline"],
        ["1", "zero\\u200b"],
    ]
    many = predictions(["new\nline", *map(str, range(30))], [(0, 1)])
    assert confusion_text(many).splitlines()[1] == "       1  new\\nline taken for 0"


def test_of_many_classes_the_most_frequent_confusions_are_said() -> None:
    names = [f"class{number}" for number in range(21)]
    one = predictions(names, [(3, 4), (3, 4), (5, 5), *((0, number) for number in range(1, 12))])
    lines = confusion_text(one).splitlines()
    assert lines[0] == "confusion: 12 pairs of classes, the 10 that are most frequent, images"
    assert lines[1] == "       2  class3 taken for class4"
    assert len(lines) == 11
    assert confusion_text(predictions(names, [(1, 1)])) == "confusion: none, every image is right"


def test_a_list_of_too_many_classes_is_left_out() -> None:
    assert predictions([str(number) for number in range(1001)], [(0, 1)]).confusion_matrix() is None
    assert predictions_csv([predictions([str(number) for number in range(1001)], [(0, 1000)])]).endswith(
        ",0,0,1000,1\n"
    )


def test_the_first_rank_is_the_answer_where_classes_are_equal() -> None:
    class Flat(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, 2.0, 2.0, 1.0, 2.0, 0.5, 0.25]]).repeat(len(images), 1)

    batches: Any = [(torch.zeros(2, 1, 2, 2), torch.tensor([1, 2]))]
    found = evaluate_model(Flat(), batches, ranks=5)
    assert found.ranking is not None
    assert found.ranking.classes.tolist() == [[1, 2, 4, 3, 5]] * 2
    assert found.answers.tolist() == [1, 1]
    assert evaluate_model(Flat(), batches).ranking is None
