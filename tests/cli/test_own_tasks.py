"""`seek` on a task of one's own: a run from end to end, its metrics compared, and one line for whatever is wrong."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from resumed_runs import content, train_in_pieces
from typer.testing import CliRunner

import seekcli
from seekcli.cli.app import app
from seekcli.engines.run import train_run
from seekcli.own_code import installed
from seekcli.report.repeat import command_of_config
from seekcli.resolve.resolve import resolve
from seekcli.runs.folder import RunFolder

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_tasks.py"
PAIR = ("--base", "my_tasks:small", "--motivated", "my_tasks:large", "--data", "my_tasks:diabetes")
TASK = ("--task", "my_tasks:regression")
SHORT = ("--epochs", "2", "--batch-size", "85", "--k", "1", "--device", "cpu")


def forget(folder):
    """What was imported from this folder is imported anew, from its source."""
    shutil.rmtree(Path(folder) / "__pycache__", ignore_errors=True)
    for name, module in list(sys.modules.items()):
        if str(folder) in str(getattr(module, "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def here(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "my_tasks.py")
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


def changed(old, new):
    text = Path("my_tasks.py").read_text()
    assert old in text
    Path("my_tasks.py").write_text(text.replace(old, new))
    forget(Path.cwd())


def add(code):
    Path("my_tasks.py").write_text(f"{Path('my_tasks.py').read_text()}\n\n{code}\n")


def resolved():
    return resolve([("test", {
        "pair.base": "my_tasks:small", "pair.motivated": "my_tasks:large", "data.name": "my_tasks:diabetes",
        "train.task": "my_tasks:regression", "train.epochs": 2, "train.batch_size": 85, "motivation.k": 1,
        "runtime.device": "cpu", "data.validation_fraction": 0.1,
    })])  # fmt: skip


def test_a_regression_from_training_to_comparison_and_evaluation(here):
    assert "340 training and 102 test rows of 10 numbers" in seek("train", *PAIR, *TASK, *SHORT, "--dry-run")
    said = seek("train", *PAIR, *TASK, *SHORT, "--schedule", "all", "--set", "data.validation_fraction=0.1")
    assert all(words in said for words in ("rows/s", ", r2 ", ", absolute_error "))
    frame = seekcli.epochs("results")
    assert frame["test_accuracy_percent"].isna().all()
    error = frame["test_loss"]
    assert (abs(frame["test_r2"] - (1 - error / 0.8148)) < 1e-3).all()  # the variance of the 102 test targets
    assert frame["validation_absolute_error"].notna().all()
    (run,) = Path("results/runs").glob("*-to-*")
    rows = json.loads(seek("compare", "results", "--metric", "test_absolute_error", "--format", "json"))
    (cell,) = rows["cells"]
    assert cell["metric"] == "test_absolute_error"
    shown = seek("compare", "results", "--metric", "test_absolute_error")
    assert all(words in shown for words in ("lower is better; 102 test rows", "rows of 10 numbers"))
    assert "image" not in shown
    assert "variances of the target" in seek("compare", "results")
    answers = json.loads(seek("evaluate", run, "--format", "json"))
    final = {row["role"]: row for row in RunFolder(run).status().final}
    for answer in answers:
        assert answer["equals_recorded"] is True
        assert answer["test_absolute_error"] == final[answer["role"]]["test_absolute_error"]
    done = CliRunner().invoke(app, ["export", str(run)])
    assert done.exit_code == 2
    assert "is of a task of your own, my_tasks:regression" in done.stderr
    command = command_of_config(RunFolder(run).config_file().config, [0], Path("results"))
    assert "--task my_tasks:regression" in command
    assert "--image-size" not in command
    assert f"state       finished: {run}" in seek(*shlex.split(command)[1:], "--dry-run")
    seek("compare", "results", "--tables", "published")
    assert "102 test rows" not in seek("compare", "published", "--metric", "test_absolute_error", "--format", "csv")
    assert seekcli.epochs("published")["test_absolute_error"].notna().all()


def test_a_stopped_run_goes_on_to_the_same_bytes(here):
    train_run(resolved(), here / "whole")
    whole = content(RunFolder.of(here / "whole", resolved().config).path)
    assert train_in_pieces(resolved(), here / "pieces", 3) == 2
    assert content(RunFolder.of(here / "pieces", resolved().config).path) == whole


def test_another_source_of_a_task_is_another_run_and_is_told_apart(here):
    alone = ("train", "--model", "my_tasks:small", "--schedule", "base", *PAIR[4:], *TASK, *SHORT)
    seek(*alone)
    changed("nn.Linear(features, hidden)", "nn.Linear(features, hidden, True)")
    seek(*alone)
    assert len(list(Path("results/runs").iterdir())) == 2
    shown = " ".join(seek("compare", "results").split())
    assert "my_tasks:regression is 2 tasks, since its source changed: my_tasks:regression@" in shown
    answers = [json.loads(seek("evaluate", run, "--format", "json"))[0] for run in Path("results/runs").iterdir()]
    assert sorted(answer["task_source"] is None for answer in answers) == [False, True]


def test_a_task_on_images_with_classes_takes_their_labels(here):
    Path("focal.py").write_text(
        "import seekcli\nfrom torch.nn import functional\n"
        "def focal(outputs, targets):\n"
        "    nll = functional.cross_entropy(outputs, targets, reduction='none')\n"
        "    return ((1 - (-nll).exp()) ** 2 * nll).mean()\n"
        "def hits(outputs, targets): return 100 * (outputs.argmax(1) == targets).float().mean()\n"
        "def task(): return seekcli.OwnTask(loss=focal, metrics={'accuracy_percent': hits})\n"
    )
    seek("train", "--model", "resnet8", "--schedule", "base", "--data", "digits", "--limit-train", "60", "--epochs",
         "1", "--task", "focal:task", "--device", "cpu", "--set", "data.test_images=60")  # fmt: skip
    (row,) = seekcli.epochs("results").to_dict("records")
    assert 0 <= row["test_accuracy_percent"] <= 100
    assert row["test_loss"] > 0


MADE = "seekcli.OwnTask(loss=squared_error, "
# What is returned by a task of one's own, or the path of something that is none, and what is said of it.
BAD_TASKS = [
    ("my_tasks:nothing", None, "unknown name in --task my_tasks:nothing: 'nothing'"),
    ("my_tasks:TRAINING", None, "is a int, not a callable that returns a seekcli.OwnTask"),
    ("my_tasks:diabetes", None, "gave a tuple instead of a seekcli.OwnTask"),
    ("my_task:regression", None, "cannot import my_task"),
    ("regresion", None, "expected package.module:name, or a name of `seek list tasks`"),
    ("classification", None, "is what --data and --model decide"),
    ("own", "{}['x']", "called without arguments it raised KeyError: 'x'"),
    ("own", "seekcli.OwnTask(loss=3)", "its loss is a int, not a function (outputs, targets)"),
    ("own", "seekcli.OwnTask(loss=lambda o, t: o)", "its loss gave a tensor [4, 1] instead of a 0-d"),
    ("own", "seekcli.OwnTask(loss=lambda o, t: o.detach().mean())", "its loss has no gradient"),
    ("own", "seekcli.OwnTask(loss=lambda o, t: o @ t)", "its loss of outputs [4, 1] and targets [4] raised"),
    ("own", MADE + "metrics={'a b': r2})", "is named by a word such as mae"),
    ("own", MADE + "metrics={'mae': 1})", "its metric mae is a int"),
    ("own", MADE + "metrics={'mae': lambda o, t: 'low'})", "gave 'low', which is not a number"),
    ("own", MADE + "metrics={'mae': lambda o, t: o})", "gave a tensor [4, 1], which is not a number"),
    ("own", MADE + "metrics={'accuracy_as_trained_percent': r2})", "is a column of another meaning"),
    ("own", MADE + "lower_is_better=('mae',))", "unknown name in lower_is_better"),
]


@pytest.mark.parametrize(("path", "returned", "said"), BAD_TASKS)
def test_what_is_wrong_with_a_task_is_one_line(here, path, returned, said):
    if returned is not None:
        add(f"def own(): return {returned}")
        path = f"my_tasks:{path}"
    line = refused("train", *PAIR, "--task", path, *SHORT)
    assert said in line
    assert "--task" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            PAIR,
            "gives rows of numbers (images are uint8): say with --task package.module:name what is to be learnt",
        ),
        ((*PAIR, *TASK, "--image-size", "8"), "--image-size 8 is for images"),
        ((*PAIR, *TASK, "--limit-train", "9"), "data.limit_train 9 is for images and their classes"),
        ((*PAIR, *TASK, "--set", "augment.flip=true"), "augment.flip True is for images"),
        ((*PAIR, *TASK, "--set", "train.label_smoothing=0.1"), "has a loss of its own and does not read it"),
        ((*PAIR, *TASK, "--set", "data.context_length=8"), "data.context_length 8 is for --data text:FILE alone"),
        (("--model", "gpt-2x64-to-4x64", "--data", "text:pydoc", *TASK), "is a text, whose task is its own"),
        (
            ("--model", "resnet8-to-14", "--data", "my_tasks:diabetes", *TASK),
            "gives rows of numbers, and resnet8 reads images",
        ),
    ],
)
def test_what_does_not_go_with_a_task_or_with_rows_is_one_line(here, words, said):
    assert said in refused("train", *words, *SHORT)


BAD_ROWS = [
    ("a[:, :2], b, c, d", "its training inputs are [2] and its test inputs [10]: give one shape"),
    ("a, b[:5], c, d", "its training targets are [5] for 340 rows: one each is needed"),
    ("a, b, c", "gave 3 things"),
    ("a * np.inf, b, c, d", "its training inputs hold a number that is not finite"),
    ("a, b.astype(int) - 9, c, d.astype(int)", "whole numbers from 0 on are needed"),
    ("a, b, c, d.round().clip(0).astype(int)", "give one kind"),
    ("a[:1], b[:1], c, d", "1 training row is too few"),
]


@pytest.mark.parametrize(("given", "said"), BAD_ROWS)
def test_what_is_wrong_with_rows_is_one_line(here, given, said):
    add(f"def bad():\n    a, b, c, d = diabetes()\n    return {given}")
    assert said in refused("train", *PAIR[:4], "--data", "my_tasks:bad", *TASK, *SHORT)


def test_a_metric_that_is_no_number_any_more_fails_the_run_in_one_line(here):
    add(f"def own(): return {MADE}metrics={{'odd': lambda o, t: o.mean() * float('nan')}})")
    done = CliRunner().invoke(app, ["train", *PAIR, "--task", "my_tasks:own", *SHORT])
    assert done.exit_code == 1
    assert "task my_tasks:own: its metric odd is nan over 102 test" in done.stderr
    (run,) = Path("results/runs").iterdir()
    assert RunFolder(run).status().state == "failed"


def test_an_installed_task_is_listed_and_is_the_run_of_its_path(here, monkeypatch):
    points = {installed.TASKS: [EntryPoint("mine", "my_tasks:regression", installed.TASKS)]}
    monkeypatch.setattr(installed, "entry_points", lambda group: points.get(group, []))
    assert "installed: my_tasks:regression" in seek("list", "tasks")
    plans = [seek("train", *PAIR, "--task", name, *SHORT, "--dry-run") for name in ("mine", "my_tasks:regression")]
    assert plans[0] == plans[1]
    assert "unknown --task 'mein'; did you mean 'mine'?" in refused("train", *PAIR, "--task", "mein", *SHORT)
