"""`seek evaluate`: the recorded accuracy comes back, exactly, from a real run and from its export alone."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import typer
from PIL import Image
from torch import nn
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from finished_runs import make_run

from seekcli.cli.evaluate import evaluate
from seekcli.documents import read_document, write_document
from seekcli.engines.run import train_run
from seekcli.errors import BadInput, RunFailed
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.resolve.resolve import resolve
from seekcli.runs import records
from seekcli.runs.folder import RunFolder
from seekcli.train.tasks import classification

app = typer.Typer()
app.command()(evaluate)
SETTINGS = {
    "pair.base": "resnet8",
    "pair.motivated": "resnet14",
    "data.limit_train": 200,
    "train.epochs": 1,
    "train.batch_size": 40,
    "train.eval_batch_size": 77,
    "runtime.device": "cpu",
}


def seek(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answers(*arguments: object) -> list[dict[str, Any]]:
    result = seek(*arguments, "--format", "json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refusal(*arguments: object) -> str:
    result = seek(*arguments)
    assert isinstance(result.exception, BadInput), (result.output, result.exception)
    assert result.stdout == ""
    return str(result.exception)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run on the digits, in seconds."""
    results = tmp_path_factory.mktemp("results")
    resolved = resolve([("test", SETTINGS)])
    train_run(resolved, results)
    return RunFolder.of(results, resolved.config).path


@pytest.fixture(scope="module")
def exports(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    export_run(open_run(run), ("base", "motivated"), folder)
    return folder


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_an_export_alone_gives_the_recorded_numbers_back(run: Path, exports: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(exports, tmp_path / "alone")
    final = {row["role"]: row for row in records.read_status(run).final}
    found = {answer["role"]: answer for answer in answers(alone)}
    assert found.keys() == final.keys() == {"base", "motivated"}
    for role, answer in found.items():
        assert answer["test_accuracy_percent"] == final[role]["test_accuracy_percent"]
        assert answer["test_loss"] == final[role]["test_loss"]
        assert answer["recorded_test_accuracy_percent"] == final[role]["test_accuracy_percent"]
        assert answer["equals_recorded"] is True
        assert (answer["data"], answer["test_images"]) == ("digits", 360)
        for name in ("test_top5_accuracy_percent", "test_balanced_accuracy_percent"):
            assert answer[name] == final[role][name]
        assert sum(one["images"] for one in answer["classes"]) == 360
        correct = sum(one["correct"] for one in answer["classes"])
        assert 100 * correct / 360 == pytest.approx(answer["test_accuracy_percent"])


def test_a_run_gives_the_same_answers_as_its_export(run: Path, exports: Path) -> None:
    sources = ("source",)
    of_run, of_export = answers(run.name, "--out", run.parents[1]), answers(exports)
    by_role = {answer["role"]: answer for answer in of_export}
    for answer in of_run:
        other = by_role[answer["role"]]
        assert {key: answer[key] for key in answer if key not in sources} == {
            key: other[key] for key in other if key not in sources
        }


def test_one_model_by_file_or_by_role(exports: Path) -> None:
    assert [answer["model"] for answer in answers(exports / "resnet14-motivated")] == ["resnet14"]
    assert [answer["model"] for answer in answers(exports, "--role", "base")] == ["resnet8"]


def test_the_table_shows_the_recorded_accuracy_beside(exports: Path) -> None:
    (answer,) = answers(exports / "resnet8-base")
    result = seek(exports / "resnet8-base")
    accuracy = f"{answer['test_accuracy_percent']:.2f} %"
    assert f"accuracy  {accuracy}  (recorded {accuracy} after epoch 1: equal)" in result.stdout
    assert "resnet8, base of resnet8-to-14" in result.stdout


def test_the_normalisation_is_the_card_s(exports: Path, tmp_path: Path) -> None:
    """A card with another mean gives another loss: nothing is measured again."""
    moved = shutil.copytree(exports, tmp_path / "moved")
    path = moved / "resnet8-base.json"
    card = read_document(path)
    card["input"]["mean"] = [0.9]
    write_document(path, card)
    assert answers(path)[0]["test_loss"] != answers(exports / "resnet8-base")[0]["test_loss"]


def test_batches_and_layout_are_those_of_the_run(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They seldom change an accuracy, and must not be left to chance."""
    seen: list[tuple[int, bool]] = []

    def spy(model: nn.Module, batches: Any, autocast: torch.dtype | None, ranks: int) -> classification.Evaluation:
        batches = list(batches)
        seen.extend((len(labels), model.conv1.weight.stride()[1] == 1) for _, labels in batches)
        assert (autocast, ranks) == (None, 0)
        return real(model, batches, autocast)

    real = classification.evaluate_model
    monkeypatch.setattr(classification, "evaluate_model", spy)
    answers(exports / "resnet8-base", "--data", "synthetic:1x8x8:10:500")
    assert seen == [(77, True), (23, True)]


def test_answers_that_are_no_numbers_are_no_accuracy(exports: Path) -> None:
    def broken(module: nn.Module, inputs: Any, output: Any) -> Any:
        return output * float("nan") if isinstance(output, torch.Tensor) and output.ndim == 2 else output

    with torch.nn.modules.module.register_module_forward_hook(broken):
        result = seek(exports / "resnet8-base.json", "--data", "digits")
    assert isinstance(result.exception, RunFailed), result.output
    assert "non-finite loss of resnet8-base on digits" in str(result.exception)


def test_an_accuracy_that_differs_is_shown_with_its_difference(exports: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(exports, tmp_path / "moved")
    path = moved / "resnet8-base.json"
    card = read_document(path)
    card["result"]["test_accuracy_percent"] += 1.25
    write_document(path, card)
    assert answers(path)[0]["equals_recorded"] is False
    assert "-1.25 points" in seek(path).stdout


def test_other_data_has_no_recorded_accuracy(exports: Path) -> None:
    (answer,) = answers(exports / "resnet8-base", "--data", "synthetic:1x8x8:10:100")
    assert answer["recorded_test_accuracy_percent"] is None
    assert answer["equals_recorded"] is None
    assert answer["data"] == "synthetic:1x8x8:10:100"
    assert "no recorded accuracy" in seek(exports / "resnet8-base", "--data", "synthetic:1x8x8:10:100").stdout


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("synthetic:1x8x8:7:100", "has 7 classes, .* has 10"),
        ("synthetic:3x8x8:10:100", "images of 3 channels, .* takes 1"),
        ("cifar100", "has 100 classes"),  # known before a file is looked for
        ("digit", "did you mean 'digits'"),
    ],
)
def test_data_that_does_not_fit_is_bad_input(exports: Path, data: str, words: str) -> None:
    assert re.search(words, refusal(exports / "resnet8-base", "--data", data))


def test_classes_of_other_names_are_bad_input(exports: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(exports, tmp_path / "moved")
    path = moved / "resnet8-base.json"
    card = read_document(path)
    card["class_names"][:2] = card["class_names"][1::-1]
    write_document(path, card)
    assert "class 0 is '0', that of" in refusal(path)


def test_damaged_weights_are_bad_input(exports: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(exports, tmp_path / "moved")
    path = moved / "resnet8-base.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    assert f"{path} is damaged" in refusal(path)


def test_a_missing_role_is_bad_input(exports: Path) -> None:
    assert "holds no motivated model" in refusal(exports / "resnet8-base.json", "--role", "motivated")
    assert "did you mean 'base'" in refusal(exports, "--role", "bass")


def test_what_is_neither_export_nor_run_is_bad_input(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert "did you mean" in refusal(f"{run.name}x", "--out", tmp_path)
    assert "no runs" in refusal("nothing", "--out", tmp_path / "empty")


def test_an_unfinished_run_is_bad_input(tmp_path: Path) -> None:
    assert "is not finished" in refusal(make_run(tmp_path, state="running"))


def test_a_folder_set_that_the_card_cannot_place_is_bad_input(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path, data__name="folder:flowers", data__fingerprint="0" * 64))
    export_run(run, ("base",), tmp_path / "exports")
    assert "name it as --data folder:DIR" in refusal(tmp_path / "exports")


def make_photos(folder: Path) -> Path:
    """Two classes of flat grey images: 20 to train on, 8 to test on."""
    for split, images in (("train", 10), ("test", 4)):
        for level, name in ((60, "dark"), (190, "light")):
            (folder / split / name).mkdir(parents=True)
            for index in range(images):
                image = Image.new("RGB", (10, 10), (level + index, level, level - index))
                image.save(folder / split / name / f"{index}.png")
    return folder


def test_classes_of_unequal_size_have_their_balanced_accuracy_beside(tmp_path: Path) -> None:
    """A model that calls everything dark: 8 of 12 right, and every second class."""
    photos = make_photos(tmp_path / "photos")
    for index in range(4):
        shutil.copy(photos / "test" / "dark" / "0.png", photos / "test" / "dark" / f"more-{index}.png")
    own = {"data.name": f"folder:{photos}", "data.image_size": 8, "data.limit_train": None, "train.batch_size": 10}
    resolved = resolve([("test", SETTINGS | own | {"schedule": "base"})])
    train_run(resolved, tmp_path / "results")
    run = RunFolder.of(tmp_path / "results", resolved.config).path
    tensors = safetensors.torch.load_file(run / "base.safetensors")
    tensors |= {"fc.weight": torch.zeros_like(tensors["fc.weight"]), "fc.bias": torch.tensor([1.0, 0.0])}
    safetensors.torch.save_file(tensors, run / "base.safetensors")
    records.write_status(run, records.read_status(run).model_copy(update={"weights_sha256": {}}))
    (answer,) = answers(run)
    assert answer["test_accuracy_percent"] == pytest.approx(100 * 8 / 12)
    assert answer["test_balanced_accuracy_percent"] == 50.0
    assert [one["accuracy_percent"] for one in answer["classes"]] == [100.0, 0.0]
    assert "balanced  50.00 %" in seek(run).stdout


def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    own = {"data.name": f"folder:{photos}", "data.image_size": 8, "data.limit_train": None, "train.batch_size": 10}
    resolved = resolve([("test", SETTINGS | own | {"schedule": "base"})])
    final = train_run(resolved, tmp_path / "results").final[0]["test_accuracy_percent"]
    run = RunFolder.of(tmp_path / "results", resolved.config).path
    exports = export_run(open_run(run), ("base",), tmp_path / "exports")[0].card_path.parent
    renamed = photos.rename(tmp_path / "moved")
    for answer in [*answers(exports, "--data", f"folder:{renamed}"), *answers(run, "--data-dir", renamed)]:
        assert (answer["test_accuracy_percent"], answer["equals_recorded"]) == (final, True)
        assert answer["test_images"] == 8
        assert answer["images_taken"] == "the run's own data, its test split: train/ and test/ as given"
    assert str(photos) in refusal(run)
    only_tested = shutil.copytree(renamed / "test" / "light", tmp_path / "new" / "test" / "light").parents[1]
    for model in (exports, run):
        (answer,) = answers(model, "--data", f"folder:{only_tested}")
        assert (answer["test_images"], answer["equals_recorded"]) == (4, None)
        assert answer["images_taken"].startswith("another set than the run's: all images of test/; none of 1 of the 2")
    assert "takes training images of the run's own data" in refusal(
        exports, "--recalibrate", "--data", f"folder:{only_tested}"
    )
    shutil.copy(renamed / "test" / "dark" / "0.png", renamed / "test" / "dark" / "more.png")
    (answer,) = answers(exports, "--data", f"folder:{renamed}")
    assert (answer["test_images"], answer["equals_recorded"]) == (29, None)
    assert "not those that this run was made for" in refusal(exports, "--data-dir", renamed)
    (renamed / "test" / "dark" / "more.png").unlink()
    renamed.rename(photos)
    Image.new("RGB", (10, 10), (7, 7, 7)).save(only_tested / "test" / "light" / "new.png")
    (answer,) = answers(run, "--data", f"folder:{only_tested}")
    words = answer["training_images_among_them"]
    assert words.startswith("4 of 5 test images are training images too (test/light/0.png is train/light/0.png, ")
    assert f"overlap   {words}" in seek(run, "--data", f"folder:{only_tested}").stdout
    assert answers(run)[0]["training_images_among_them"].startswith("8 of 8 test images are training images too (")
    unknown = answers(exports, "--data", f"folder:{only_tested}")[0]["training_images_among_them"]
    assert unknown.startswith("not looked for: an export does not know its training images")
    Image.new("RGB", (10, 10), (9, 9, 9)).save(photos / "train" / "light" / "added.png")
    (answer,) = answers(run, "--data", f"folder:{photos}")
    assert answer["test_images"] == 29
    assert answer["training_images_among_them"].startswith("not known: the folder that the run was made of is gone or")


def test_a_folder_read_by_another_loader_is_no_second_look_at_the_recorded_accuracy(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    (photos / "test").rename(photos / "val")
    own = {"data.name": f"folder:{photos}", "data.image_size": 8, "data.limit_train": None, "train.batch_size": 10}
    resolved = resolve([("test", SETTINGS | own | {"schedule": "base"})])
    train_run(resolved, tmp_path / "results")
    (answer,) = answers(RunFolder.of(tmp_path / "results", resolved.config).path, "--data", f"imagenet:{photos}")
    assert answer["images_taken"].startswith("the run's own images, but cut and scaled as imagenet: does it and not as")
    assert (answer["recorded_test_accuracy_percent"], answer["equals_recorded"]) == (None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_is_bad_input(exports: Path) -> None:
    assert "--device cuda" in refusal(exports, "--device", "cuda")
