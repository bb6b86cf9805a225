"""`seekcli.plots`: every picture of the report is one function, of one signature, with its text alternative."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.figure import Figure
from run_folders import Results
from run_history import with_history

import seekcli
from seekcli.errors import BadInput
from seekcli.report import plots
from seekcli.report.figures.gallery import PICTURES

USAGE = {"added_blocks_usage": {"base": None, "motivated": 0.5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one arm, with all that a picture can show, and of another arm without steps and classes."""
    results = Results(tmp_path_factory.mktemp("plots"))
    for seed in range(2):
        with_history(results.add("base", seed=seed, accuracy=97.0 + 0.1 * seed), motivated=False)
        with_history(results.add(seed=seed, accuracy=(97.5 + 0.2 * seed, 98.0), columns=USAGE), motivated=True)
        results.add(seed=seed, accuracy=98.2, motivation__k=1)
    return results.folder


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_of_the_report_is_a_function_with_a_text_alternative(folder: Path, name: str) -> None:
    figure = getattr(plots, name)(folder)
    assert isinstance(figure, Figure)
    title, _, words = str(figure.get_label()).partition(". ")
    assert len(title) > 10
    assert len(words) > 20


def test_what_the_module_offers_is_exact() -> None:
    functions = {name for name, found in vars(plots).items() if inspect.isfunction(found) and name[0] != "_"}
    own = {name for name in functions if getattr(plots, name).__module__ == plots.__name__}
    assert own == set(plots.__all__) == set(dir(plots)) == {*PICTURES, "all_figures"}
    assert [name for name, found in vars(plots).items() if isinstance(found, ModuleType) and name[0] != "_"] == []


@pytest.mark.parametrize("name", PICTURES)
def test_all_take_the_same(name: str) -> None:
    parameters = list(inspect.signature(getattr(plots, name)).parameters)
    assert parameters[:4] == ["paths", "where", "metric", "cell"]
    assert parameters[4:] == (["arm"] if name in ("loss_trace", "classes") else [])


def test_all_figures_are_those_of_the_report(folder: Path) -> None:
    figures = plots.all_figures(folder)
    assert len(figures) == 10
    assert all(title.startswith("1. resnet20-to-32 on digits: ") for title in figures)


def test_runs_an_arm_and_a_metric_are_chosen(folder: Path) -> None:
    shown = [one.get_text() for one in plots.forest(folder, ["k=2"]).axes[0].get_yticklabels()]
    assert shown[:2] == ["loss k=2 identity", "base - base alone"]
    assert "k=1" not in " ".join(shown)
    assert "loss k=2 identity" in str(plots.loss_trace(folder).get_label())  # the first arm that recorded its steps
    assert "nats" in str(plots.learning_curves(folder, metric="test_loss").get_label())


@pytest.mark.parametrize(
    ("name", "chosen", "said"),
    [
        ("loss_trace", {"arm": "loss k=1 identity"}, "loss_trace: the runs of loss k=1 identity recorded nothing"),
        ("classes", {"arm": "loss k=9"}, "unknown classes: arm 'loss k=9'; did you mean 'loss k="),
        ("forest", {"cell": 2}, r"forest: choose one of cell=1 \(resnet20-to-32 on digits\)"),
    ],
)
def test_what_is_not_there_is_told(folder: Path, name: str, chosen: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        getattr(plots, name)(folder, **chosen)


def test_of_several_cells_one_is_chosen(results: Results) -> None:
    results.add("base")
    results.add("base", optimizer__lr=0.5)
    with pytest.raises(BadInput, match=r"cost_split: choose one of cell=1 \(.*, .*lr=.*\), cell=2 \(.*\)"):
        plots.cost_split(results.folder)
    assert isinstance(plots.cost_split(results.folder, cell=2), Figure)


def test_the_runs_behind_a_mean_are_named_with_their_number_and_unit(folder: Path) -> None:
    figures = [plots.accuracy_against_compute(folder), plots.forest(folder), plots.learning_curves(folder)]
    small = [sum(line.get_alpha() is not None for line in figure.axes[0].lines) for figure in figures]
    # two seeds of five groups; of every paired difference; of every curve
    assert small[0] == small[2] == 10
    assert small[1] == 2 * sum(text.get_fontweight() != "bold" for text in figures[1].axes[0].get_yticklabels())


def test_names_of_users_break_no_picture(results: Results) -> None:
    """Formulas, control characters, a script that the font lacks, and a word of 300 characters; no warning either."""
    names = ("$\\frac{1}{$", "a\x1b[31m\nb", "猫", "W" * 300)
    for seed in range(2):
        with_history(results.add("base", seed=seed), motivated=False, classes=names)
        with_history(results.add(seed=seed), motivated=True, classes=names)
    figure = plots.classes(results.folder)
    shown = [one.get_text() for one in figure.axes[0].get_yticklabels()]
    assert shown[:3] == ["$\\frac{1}{$", "a\\x1b[31m\\nb", "猫"]
    assert shown[3].startswith("WWW")
    assert shown[3].endswith("W…")
    assert len(shown[3]) < 40
    assert "W" * 300 in str(figure.get_label())
    page = results.folder / "page.html"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seekcli.report(results.folder, page)
    assert "\x1b" not in page.read_text(encoding="utf-8")
