"""`seek` on modules and images of one's own: a run from end to end, and one line for whatever is wrong with either."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from resumed_runs import content, train_in_pieces
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.engines.run import train_run
from seekcli.errors import BadInput
from seekcli.resolve.resolve import resolve
from seekcli.runs.folder import RunFolder

EXAMPLES = Path(__file__).parents[2] / "examples"
PAIR = ("--base", "my_models:tiny", "--motivated", "my_models:large", "--data", "my_data:load")
SHORT = ("--epochs", "1", "--batch-size", "50", "--k", "1", "--device", "cpu")


def forget(folder):
    """What was imported from this folder is imported anew, from its source.

    Compiled files are taken as fresh where the source has the same size and second of change: here it may.
    """
    shutil.rmtree(Path(folder) / "__pycache__", ignore_errors=True)
    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with the modules of the example."""
    for name in ("my_models.py", "my_data.py"):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    forget(tmp_path)


def seek(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def refused(*words):
    """The one line of a command that ends with exit code 2 and writes nothing."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 2, (done.output, done.exception)
    assert not Path("results").exists()
    (line,) = done.stderr.splitlines()
    return line


def resolved(**changes):
    settings = {
        "pair.base": "my_models:tiny", "pair.motivated": "my_models:large", "data.name": "my_data:load",
        "train.epochs": 2, "train.batch_size": 50, "motivation.k": 1, "runtime.device": "cpu",
    }  # fmt: skip
    return resolve([("test", settings | {key.replace("__", "."): value for key, value in changes.items()})])


def test_a_pair_of_ones_own_on_data_of_ones_own_from_training_to_evaluation(here):
    assert "covers 100.0% of the base; init identity" in seek("train", *PAIR, *SHORT, "--dry-run")
    seek("train", *PAIR, *SHORT, "--schedule", "all")
    frame = seekcli.compare("results").to_frame()
    assert list(frame["model"]) == ["my_models:tiny", "my_models:tiny", "my_models:large", "my_models:large"]
    (run,) = Path("results/runs").glob("*-to-*")
    seek("export", run, "--to", "exported")
    card = json.loads(Path("exported/my_models-tiny-base.json").read_text())
    assert (card["model"], card["class_names"]) == ("my_models:tiny", ["zero", "one"])
    for model in (run, "exported/my_models-tiny-base"):
        role = ("--role", "base") if model is run else ()
        (answer,) = json.loads(seek("evaluate", model, *role, "--format", "json"))
        assert answer["test_accuracy_percent"] == answer["recorded_test_accuracy_percent"]
        assert answer["own_data_known_by"] == "contents"
    model, _ = seekcli.load_model("exported/my_models-large-motivated")
    assert type(model).__name__ == "Net"
    with open("my_models.py", "a") as source:
        source.write("# another source\n")
    forget(here)
    with pytest.warns(UserWarning, match="the source of my_models:large is not the one that it was trained with"):
        seekcli.load_model("exported/my_models-large-motivated")
    Path("my_models.py").rename("moved.py")
    forget(here)
    with pytest.raises(BadInput, match=r"model my_models:large: cannot import my_models.* on PYTHONPATH"):
        seekcli.load_model("exported/my_models-large-motivated")


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bytes(here):
    train_run(resolved(), here / "whole")
    whole = content(RunFolder.of(here / "whole", resolved().config).path)
    assert "motivated" in whole[1]["role"]
    assert train_in_pieces(resolved(), here / "pieces", 5) == 2
    assert content(RunFolder.of(here / "pieces", resolved().config).path) == whole


def run_of(text):
    return text.split("run  ")[1].split()[0]


def test_other_code_other_shapes_and_other_images_are_other_runs(here):
    plan = ("train", *PAIR, *SHORT, "--dry-run")
    alone = ("train", "--model", "my_models:tiny", "--schedule", "base", *PAIR[4:], *SHORT, "--dry-run")
    seen = [(run_of(seek(*plan)), run_of(seek(*alone)))]
    for file, old, new in (
        ("my_models.py", '"""Two', '"""Two or three'),
        ("my_models.py", "width=8", "width=6"),
        ("my_data.py", "images[:300]", "images[:299]"),
    ):
        text = Path(file).read_text()
        Path(file).write_text(
            text.replace(old, new).replace("target[:300]", "target[:299]" if "299" in new else "target[:300]")
        )
        forget(here)
        seen.append((run_of(seek(*plan)), run_of(seek(*alone))))
    assert len({each for both in seen for each in both}) == 8


def test_map_flops_and_a_grid_take_the_names_too(here):
    assert json.loads(seek("map", *PAIR, "--format", "json"))["coverage"] == 1
    starts = json.loads(seek("map", *PAIR, "--starts", "--format", "json"))["output_error_at_entry"]
    assert starts["identity"] < 1e-5 < starts["paper"]
    assert json.loads(seek("flops", *PAIR, "--format", "json"))["models"][0]["model"] == "my_models:tiny"
    Path("own.toml").write_text(
        'name = "own"\nseeds = [0, 1]\n[settings]\nmodel = "my_models:tiny-to-my_models:large"\n'
        'data.name = "my_data:load"\ntrain.epochs = 1\n'
    )
    assert "my_models-tiny-to-my_models-large" in seek("grid", "plan", "own.toml")


PLAN = ("train", *PAIR, *SHORT, "--dry-run")
MODELS = """
import torch
from torch import nn
from my_models import Net, large
word = "text"
def raises(classes, channels, image_size): raise KeyError("width")
def text(classes, channels, image_size): return "a net"
def fits_none(classes, channels, image_size): return nn.Sequential(nn.Flatten(), nn.Linear(7, classes))
def other_logits(classes, channels, image_size): return Net(classes + 1, channels, 8, 2)
def lazy(classes, channels, image_size): return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
def strange(classes, channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, classes))
widths = iter(range(4, 100))
def grows(classes, channels, image_size): return Net(classes, channels, next(widths), 2)
def unseeded(classes, channels, image_size):
    net = Net(classes, channels, 8, 2)
    net.stem.weight.data.normal_(generator=torch.Generator().manual_seed(next(widths)))
    return net
def nan(classes, channels, image_size):
    net = Net(classes, channels, 8, 2)
    net.fc.bias.data[0] = float("nan")
    return net
def deep(classes, channels, image_size):
    net = Net(classes, channels, 12, 4)
    for block in net.blocks: block.norm = block._modules.pop("bn"); block.bn_ = None
    return net
"""


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("no_such_module:tiny", "cannot import no_such_module: ModuleNotFoundError"),
        ("my_models:tinny", "unknown name in model my_models:tinny: 'tinny'; did you mean 'tiny'?"),
        ("my_models:a-b", "expected a name of `seek list models`, package.module:name, or timm:NAME"),
        ("mistakes:word", "is a str, not a callable (classes, channels, image_size) -> nn.Module"),
        ("mistakes:raises", "called with (2, 1, 8) (classes, channels, image_size) it raised KeyError: 'width'"),
        ("mistakes:text", "gave a str instead of a torch.nn.Module"),
        ("mistakes:fits_none", "cannot take images [3, 1, 8, 8]: RuntimeError"),
        ("mistakes:other_logits", "gave torch.float32 [3, 3] of images [3, 1, 8, 8]: logits [3, 2] are needed"),
        ("mistakes:lazy", "the shape of 1.weight depends on the data (a lazy layer)"),
        ("mistakes:grows", "gave a module of other names or shapes when it was called again"),
        ("mistakes:unseeded", "stem.weight has other values when it is called again"),
        ("mistakes:nan", "fc.bias has a NaN in a new module"),
        ("mistakes:strange", "the two modules share no tensor that could be linked"),
        ("my_models:large", "a pair needs two different models, got my_models:large twice"),
    ],
)
def test_a_module_that_cannot_be_a_base_is_refused_in_one_line(here, base, message):
    Path("mistakes.py").write_text(MODELS)
    line = refused("train", "--base", base, *PAIR[2:], *SHORT)
    assert message in line
    assert base.partition(":")[0] in line


def test_a_start_that_is_no_identity_is_refused_with_its_error_and_paper_is_offered(here):
    assert "differ by" in (line := refused("train", *PAIR, *SHORT, "--set", "pair.silence=bn.bias"))
    assert "--init paper" in line
    assert "pair.silence: blocks.1 has no 'bm'" in refused("train", *PAIR, *SHORT, "--set", "pair.silence=bm")
    assert "init paper" in seek(*PLAN, "--init", "paper")
    assert "pair.blocks is for pairs of your own modules" in refused("train", "--set", "pair.blocks=layer1")


DATA = """
import numpy as np
from my_data import load
images, labels, test_images, test_labels, names = load()
word = "text"
def raises(): raise OSError("no disk")
def three(): return images, labels, test_images
def none(): return None
def floats(): return images / 255, labels, test_images, test_labels
def flat(): return images[:, 0], labels, test_images, test_labels
def ragged(): return [image for image in images], labels, test_images, test_labels
def other_size(): return images, labels, test_images[:, :, :7, :7], test_labels
def float_labels(): return images, labels / 1, test_images, test_labels
def few_labels(): return images, labels[:-1], test_images, test_labels
def negative(): return images, labels - 1, test_images, test_labels
def high(): return images, labels, test_images, test_labels + 1
def same_names(): return images, labels, test_images, test_labels, ["a", "a"]
def one_class(): return images, labels * 0, test_images, test_labels * 0
calls = iter(range(100))
def changes(): return images + next(calls), labels, test_images, test_labels
"""


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("word", "is a str, not a callable that gives (training images, training labels, test images, test labels"),
        ("lod", "unknown name in --data mistakes:lod: 'lod'"),
        ("raises", "called without arguments it raised OSError: no disk"),
        ("three", "gave 3 things instead of (training images, training labels, test images, test labels"),
        ("none", "gave a NoneType instead of"),
        ("floats", "its training images are float64: uint8, 0 to 255, is needed"),
        ("flat", "its training images are [300, 8, 8]: [N, C, H, W] with H = W is needed"),
        ("ragged", "its training images are a list: a uint8 array [N, C, H, W] (numpy or torch) is needed"),
        ("other_size", "its training images are [1, 8, 8] and its test images [1, 7, 7]"),
        ("float_labels", "its training labels are float64: whole numbers from 0 on are needed"),
        ("few_labels", "its training labels are [299] for 300 images"),
        ("negative", "its training labels are -1 to 0"),
        ("high", "its test labels are 1 to 2: 0 to 1 are its classes"),
        ("same_names", "its class names are ['a', 'a']: a list of different texts is needed"),
        ("one_class", "has one class; at least 2 are needed"),
        ("changes", "its images are not those that this run was made for"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused_in_one_line(here, load, message):
    Path("mistakes.py").write_text(DATA)
    line = refused("train", *PAIR[:4], "--data", f"mistakes:{load}", *SHORT)
    assert message in line
    assert f"--data mistakes:{load}" in line


def test_what_packages_bring_is_listed_and_is_the_same_run_as_its_path(here, monkeypatch):
    info = here / "site" / "brought-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[seekcli.models]\nmy-tiny = my_models:tiny\nmy-large = my_models:large\n[seekcli.data]\nones = my_data:load\n"
    )
    monkeypatch.syspath_prepend(str(here / "site"))
    assert "installed: my_models:large" in seek("list", "models")
    assert "installed: my_data:load" in seek("list", "data")
    named = ("--base", "my-tiny", "--motivated", "my-large", "--data", "ones")
    assert run_of(seek("train", *named, *SHORT, "--dry-run")) == run_of(seek(*PLAN))
    assert "did you mean 'my-tiny'?" in refused("train", "--base", "my-tyny", *named[2:], *SHORT)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*PAIR, "--pretrained"), "--pretrained is for models of the catalog, and my_models:tiny is none"),
        ((*PAIR, "--init", "stack"), "--init stack is for pairs of the catalog"),
        ((*PAIR, "--map", "leading"), "has no fused q/k/v weights to slice"),
        ((*PAIR, "--data-dir", "."), "my_data:load is called without a folder; leave it out"),
        ((*PAIR, "--set", "pair.fused=fc"), "pair.fused fc: expected a layer and how many projections it stacks"),
        ((*PAIR, "--set", "pair.rename=fc"), "pair.rename fc: expected a name of the base and one of the motivated"),
        ((*PAIR, "--set", "pair.rename=fd:fc"), "rename: the base has no 'fd'; did you mean 'fc'?"),
        ((*PAIR, "--set", "pair.blocks=layers"), "blocks: the base has no numbered blocks under 'layers'"),
        (("--base", "my_models:tiny"), "name both of its pair, with --base and --motivated"),
        (("--data", "foldr:photos"), "did you mean folder:DIR?"),
    ],
)
def test_words_that_do_not_go_with_modules_of_ones_own(here, words, message):
    assert message in refused("train", *words, *SHORT)


@pytest.mark.slow
def test_any_two_models_of_timm_are_a_pair(here):
    pair = ("--base", "timm:resnet18", "--motivated", "timm:resnt34")
    assert "did you mean 'timm:resnet34'?" in refused("train", *pair, *SHORT)
    words = ("--base", "timm:resnet10t", "--motivated", "timm:resnet14t", "--data", "synthetic:3x16x16:2:20")
    assert "the map covers 71.4% of the base" in refused("train", *words, *SHORT)
    seek("train", *words, "--init", "paper", *SHORT, "--batch-size", "4")
    (run,) = Path("results/runs").iterdir()
    seek("export", run, "--to", "exported", "--role", "base")
    card = json.loads(Path("exported/timm-resnet10t-base.json").read_text())
    assert card["architecture"]["timm"] == {
        "name": "resnet10t", "arguments": {"num_classes": 2, "in_chans": 3}, "modules": {}
    }  # fmt: skip


def test_a_baseline_of_older_code_is_not_compared_with_an_arm_of_newer_code(here):
    words = ("train", *PAIR, *SHORT, "--limit-train", "100", "--out", "r")
    seek(*words)
    seek(*words, "--schedule", "base")
    (cell,) = json.loads(seek("compare", "r", "--format", "json"))["cells"]
    assert cell["pair"] == "my_models:tiny-to-my_models:large"
    assert "X-C" in {group["group"] for group in cell["groups"]}
    forget(here)
    with (here / "my_models.py").open("a") as source:
        source.write("# other code\n")
    seek(*words, "--schedule", "base", "--seed", "1")
    found = json.loads(seek("compare", "r", "--format", "json"))
    old, new = found["cells"]
    assert old["pair"].startswith("my_models:tiny@")
    assert {group["group"]: group["n"] for group in old["groups"]}["X-C"] == 1
    assert [group["n"] for group in new["groups"]] == [1]
    assert any("2 models on my_data:load" in note for note in found["notes"])
