"""Graphs for other programs: what they answer, for any batch, and what is said of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from finished_runs import make_run
from kept_graphs import keep_graphs

from seekcli.documents import read_document
from seekcli.errors import BadInput, RunFailed
from seekcli.export.card import read_card
from seekcli.export.card_files import is_export
from seekcli.export.finished_run import open_run
from seekcli.export.formats import Exported, export_run, take_model
from seekcli.export.graph_files import export_graphs
from seekcli.export.graphs import Example, write_graph
from seekcli.export.latency import latencies
from seekcli.export.load import load_model
from seekcli.resolve.transfer import source_models_of

PIXELS = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
EXAMPLE = Example(PIXELS, "made-up pixels")


def exported(results: Path, to: Path, format_name: str = "pt2", preprocessing: bool = False, **words: bool) -> Exported:
    run = open_run(make_run(results))
    (one,) = export_graphs(run, ["base"], to, format_name, lambda _: EXAMPLE, preprocessing, **words)
    return one


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A graph, not to be written to: to trace one takes a second."""
    folder = tmp_path_factory.mktemp("plain")
    return exported(folder, folder / "to")


def expected_logits(results: Path, pixels: torch.Tensor) -> torch.Tensor:
    taken = take_model(open_run(make_run(results)), "base")
    with torch.no_grad():
        return taken.model(taken.card.normalise(pixels))


@pytest.mark.parametrize("preprocessing", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_pt2_file_answers_as_the_model_for_any_batch(tmp_path: Path, plain: Exported, preprocessing: bool) -> None:
    one = exported(tmp_path, tmp_path / "to", preprocessing=True) if preprocessing else plain
    module = torch.export.load(str(one.weights_path)).module()
    for count in (1, 3, 7):
        images = PIXELS[:count] if preprocessing else one.card.normalise(PIXELS[:count])
        torch.testing.assert_close(module(images), expected_logits(tmp_path, PIXELS[:count]), rtol=1e-5, atol=1e-5)


def test_an_onnx_file_answers_as_the_model_and_says_what_it_is(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="not run: the extra onnx is not installed")
    one = exported(tmp_path, tmp_path / "to", "onnx", preprocessing=True)
    session = onnxruntime.InferenceSession(str(one.weights_path))
    for count in (1, 4):
        (found,) = session.run(["logits"], {"pixels": PIXELS[:count].numpy()})
        expected = expected_logits(tmp_path, PIXELS[:count])
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["class_names"]) == list(one.card.class_names)
    assert json.loads(metadata["preprocessing_inside"]) is True
    assert one.card.graph is not None
    assert one.card.graph.compared_with.startswith("onnxruntime ")
    assert latencies([one])[0].median > 0


def test_the_card_says_what_was_compared(plain: Exported) -> None:
    one = plain
    card = read_card(one.weights_path.with_name("resnet8-base.pt2.json"))
    assert card == one.card
    assert card.graph is not None
    assert (card.graph.input_name, card.graph.input_dtype) == ("images", "float32")
    assert (card.graph.compared_batches, card.graph.compared_on) == ((1, 2, 5), "made-up pixels")
    assert 0 <= card.graph.largest_difference < 1e-4 < card.graph.largest_logit
    assert (card.weights.file, card.weights.bytes) == ("resnet8-base.pt2", one.weights_path.stat().st_size)


def test_weights_and_graphs_share_a_folder(tmp_path: Path, plain: Exported) -> None:
    shutil.copytree(plain.weights_path.parent, tmp_path / "to")
    export_run(open_run(make_run(tmp_path)), ["base"], tmp_path / "to")
    assert load_model(tmp_path / "to")[1].graph is None
    assert "graph" not in read_document(tmp_path / "to" / "resnet8-base.json")


def test_the_same_graph_again_is_fine_and_another_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_graphs(monkeypatch)
    exported(tmp_path, tmp_path / "to")
    exported(tmp_path, tmp_path / "to")
    with pytest.raises(BadInput, match=r"resnet8-base\.pt2\.json exists and is another export: .*--overwrite"):
        exported(tmp_path, tmp_path / "to", preprocessing=True)
    graph = exported(tmp_path, tmp_path / "to", preprocessing=True, overwrite=True).card.graph
    assert graph is not None
    assert graph.preprocessing_inside


def test_a_graph_that_answers_otherwise_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_graphs(monkeypatch, error=0.01)
    with pytest.raises(RunFailed, match=r"resnet8 was not exported as pt2: its logits differ .* by up to 0\.01"):
        exported(tmp_path, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_graph_holds_no_weights_to_load(plain: Exported) -> None:
    with pytest.raises(BadInput, match=r"is of a graph \(pt2\), which torch\.export\.load runs"):
        load_model(plain.weights_path)


def test_a_missing_package_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seekcli.export import kinds

    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(BadInput, match=r"--format onnx needs onnxscript: pip install 'seekcli\[onnx\]'"):
        exported(tmp_path, tmp_path / "to", "onnx")
    assert not (tmp_path / "to").exists()


def test_a_graph_is_known_as_one_by_its_stem_and_its_folder_too(plain: Exported) -> None:
    stem = plain.weights_path.with_suffix("")
    assert is_export(stem)
    assert is_export(stem.parent)
    with pytest.raises(BadInput, match=r"resnet8-base\.pt2\.json is of a graph \(pt2\), which torch\.export\.load"):
        load_model(stem)
    with pytest.raises(BadInput, match=r"resnet8-base\.pt2\.json is of a graph \(pt2\)"):
        source_models_of(str(plain.weights_path), stem.parent)
    with pytest.raises(BadInput, match=r"holds graphs \(resnet8-base\.pt2\), .* seek export --format safetensors"):
        load_model(stem.parent)


class Branching(torch.nn.Module):
    """What no graph holds: another way for other values, or a loop over the images."""

    def __init__(self, loops: bool) -> None:
        super().__init__()
        self.loops = loops

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.loops:
            return torch.stack([image.flatten()[:10] for image in images])
        if images.mean() > 0:
            return images.flatten(1)[:, :10]
        return images.flatten(1)[:, 10:20]


@pytest.mark.parametrize(
    ("format_name", "loops", "words"),
    [
        ("pt2", False, r"pt2: \w+: .* \(test_graphs\.py, line \d+: if images\.mean\(\) > 0:\)$"),
        ("pt2", True, r"pt2: its forward holds for one size of the batch alone, and a graph takes any$"),
        pytest.param("onnx", False, r"onnx: \w+: .* line \d+: if images\.mean\(\) > 0:\)$", marks=pytest.mark.slow),
        pytest.param("onnx", True, r"onnx: its forward holds for one size of the batch", marks=pytest.mark.slow),
    ],
)
def test_a_model_that_no_graph_holds_is_told_in_one_line(
    tmp_path: Path, plain: Exported, capfd: pytest.CaptureFixture[str], format_name: str, loops: bool, words: str
) -> None:
    with pytest.raises(RunFailed, match=f"^resnet8 could not be written as {words}") as caught:
        write_graph(Branching(loops), plain.card, format_name, EXAMPLE, tmp_path / "it", False)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
