"""Points that need others: what they wait for, and that they are run in order and never again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seekcli.cli.app import app
from seekcli.engines.queue import PointQueue
from seekcli.errors import BadInput
from seekcli.grid.plan import GridPlan, points_of_grid
from seekcli.grid.schema import read_grid
from seekcli.grid.standing import standings_of
from seekcli.runs import records
from seekcli.runs.config_file import read_config

GRID = """
seeds = {seeds}
[settings]
model = "resnet8-to-14"
data.name = "synthetic:1x8x8:3:60"
train = {{ epochs = 1, batch_size = 8 }}
pair.recalibrate_batches = 0
runtime.device = "cpu"
tune = {{ k = "1,2", folds = 2 }}
[[arms]]
name = "loss"
motivation.k = "auto"
[[arms]]
motivation = {{ condition = "matched-count", k = "auto" }}
[[arms]]
name = "equal"
schedule = "base"
match = "train_flops"
match_from = "{cost_of}"
[[arms]]
schedule = "base"
init_from = "loss"
[[arms]]
needs = ["equal"]
schedule = "motivated"
"""


def write(path: Path, seeds: object = 1, cost_of: str = "loss") -> Path:
    path.write_text(GRID.format(seeds=seeds, cost_of=cost_of), encoding="utf-8")
    return path


def seek(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_nothing_is_known_of_a_grid_of_needs_but_what_waits_for_what(tmp_path: Path) -> None:
    plan = GridPlan(read_grid(write(tmp_path / "g.toml")), [], tmp_path / "r")
    loss, counts, cost, moved, last = plan.points
    assert [point.run_id is None for point in plan.points] == [True] * 4 + [False]
    assert loss.tuning is not None
    assert loss.label == "resnet8-to-14_synthetic_loss-kauto_identity_s0 ('loss')"
    assert (counts.needs, cost.needs, moved.needs, last.needs) == ((loss.key,),) * 3 + ((cost.key,),)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(("near", "wrong"), [("loss", "los"), ("equal", "equals")])
def test_the_name_of_a_run_that_is_nearly_that_of_an_arm_is_said_with_it(
    tmp_path: Path, near: str, wrong: str
) -> None:
    grid = write(tmp_path / "g.toml")
    grid.write_text(grid.read_text().replace('init_from = "loss"', f'init_from = "{wrong}"').replace('"auto"', "1"))
    moved = points_of_grid(grid, results=tmp_path / "r")[3]
    assert str(moved.source).endswith(f"; did you mean the arm {near!r}?")
    grid.write_text(grid.read_text().replace(f'"{wrong}"', '"resnet8_digits_s0_944789e99e"'))
    moved = points_of_grid(grid, results=tmp_path / "r")[3]
    assert "did you mean" not in str(moved.source)


def test_a_point_is_looked_at_again_only_when_all_that_it_comes_of_is_finished(tmp_path: Path, monkeypatch) -> None:
    """One look at a folder of 60,000 photographs takes seconds, and a grid asks after each of its runs."""
    grid = write(tmp_path / "g.toml", seeds=2)
    grid.write_text(grid.read_text().replace('"auto"', "1"))
    plan = GridPlan(read_grid(grid), [], tmp_path / "r")
    loss = [point.run_id for point in plan.points if point.spec.arm.name == "loss"]
    looks: list[object] = []
    resolved = GridPlan.draft_of
    monkeypatch.setattr(GridPlan, "draft_of", lambda self, spec: looks.append(spec) or resolved(self, spec))
    assert plan.advance() == []
    assert not looks
    plan.finished.add(loss[0])
    plan.advance()  # what starts from the run of seed 0, and nothing that takes a mean over both
    assert {(spec.seed, spec.arm.label) for spec in looks if spec.arm.name != "loss"} == {(0, "arm 4")}


def test_a_cost_of_several_arms_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    grid = write(tmp_path / "g.toml")
    grid.write_text(grid.read_text().replace('motivation.k = "auto"', "motivation.k = [1, 2]", 1))
    with pytest.raises(BadInput, match=r"g\.toml: 'equal': match_from = 'loss' is 2 arms, by their motivation\.k"):
        GridPlan(read_grid(grid), [], tmp_path / "r")


def test_a_point_that_is_refused_when_its_needs_are_there_ends_no_grid(tmp_path: Path, monkeypatch) -> None:
    grid = write(tmp_path / "g.toml")
    grid.write_text(grid.read_text().replace('"auto"', "1"))
    plan = GridPlan(read_grid(grid), [], tmp_path / "r")
    make = GridPlan.make

    def refusing(self: GridPlan, spec):
        if spec.arm.name == "equal":
            raise BadInput("no cost can be had")
        return make(self, spec)

    monkeypatch.setattr(GridPlan, "make", refusing)
    plan.finished.add(plan.points[0].run_id)
    plan.advance()
    assert [(one.state, one.problem) for one in standings_of(plan.points, plan)][2] == (
        "refused",
        "no cost can be had",
    )
    (left,) = [one for one in PointQueue(plan).waiting() if one.state == "refused"]
    assert left.cause == "no cost can be had"


def test_the_example_of_the_docs_is_a_grid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "grids.md").read_text(encoding="utf-8")
    (tmp_path / "g.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    plan = GridPlan(read_grid(tmp_path / "g.toml"), [], tmp_path / "r")
    assert sum(point.spec.settings.get("train.match_from") == "loss" for point in plan.points) == 6


def test_a_folder_that_is_not_there_has_as_many_images_as_are_asked_for(tmp_path: Path) -> None:
    grid = tmp_path / "g.toml"
    grid.write_text('[settings]\ndata.name = "folder:nowhere"\ndata.limit_train = 25000\n[[arms]]\nschedule = "base"\n')
    (point,) = points_of_grid(grid, results=tmp_path / "r")
    assert point.source is not None
    assert "nowhere" in point.source


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The grid with two seeds, done."""
    folder = tmp_path_factory.mktemp("needs")
    grid, out = write(folder / "g.toml", seeds=2), folder / "r"
    result = seek("grid", "run", grid, "--out", out)
    assert result.exit_code == 0, result.stderr
    return grid, out, result.stderr


def test_a_grid_of_needs_is_run_in_order_by_one_command(trained) -> None:
    grid, out, said = trained
    points = points_of_grid(grid, results=out)
    assert len(points) == 10
    begun = [line.split()[1] for line in said.splitlines() if line.startswith("[")]
    assert sorted(begun[4:]) == sorted(str(point.run_id) for point in points)
    assert all("fold" in name for name in begun[:4])
    assert "is chosen" in said
    loss, counts, cost, moved, last = points[:5]
    for point in (counts, cost, moved):
        assert begun.index(str(loss.run_id)) < begun.index(str(point.run_id))
    assert begun.index(str(cost.run_id)) < begun.index(str(last.run_id))
    assert moved.resolved.config.transfer.run == loss.run_id
    assert points[8].resolved.config.transfer.run == points[5].run_id  # each seed from its own
    group = f"{loss.run_id},{points[5].run_id}"
    assert counts.resolved.config.motivation.counts_from == cost.resolved.config.train.match_from == group
    assert counts.resolved.config.motivation.k == loss.resolved.config.motivation.k


def contents(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_another_seed_changes_and_repeats_no_finished_point(trained, tmp_path: Path) -> None:
    grid, out, _ = trained
    before, known = contents(out), [point.run_id for point in points_of_grid(grid, results=out)]
    more = write(tmp_path / "g.toml", seeds=3)
    rows = json.loads(seek("grid", "plan", more, "--out", out, "--format", "json").stdout)
    assert [row["run_id"] for row in rows[:10]] == known
    assert [row["state"] for row in rows] == ["finished"] * 10 + ["new"] * 3 + ["waits"] * 2
    # The counts and the steps of the new seed are those of the others: it is of their arm.
    old, new = (read_config(out / "runs" / str(known[1])).config.motivation.counts,
                points_of_grid(more, results=out)[11].resolved.config.motivation.counts)  # fmt: skip
    assert old == new
    assert contents(out) == before


def test_a_point_whose_need_failed_waits_and_the_table_says_so(trained, tmp_path: Path) -> None:
    grid = tmp_path / "g.toml"
    grid.write_text(GRID.format(seeds=1, cost_of="loss") + "optimizer.lr = 0.05\n", encoding="utf-8")
    text = grid.read_text(encoding="utf-8").replace('name = "equal"\n', 'name = "equal"\noptimizer.lr = 1e30\n')
    grid.write_text(text.replace('match = "train_flops"\nmatch_from = "loss"\n', ""), encoding="utf-8")
    out = trained[1]
    result = seek("grid", "run", grid, "--out", out)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[-1] == "seek: error: 2 of 5 runs are not finished, 1 of them never begun"
    where = next(number for number, line in enumerate(lines) if line.startswith("waiting   "))
    assert lines[where].split()[1].startswith("resnet14_synthetic_s0")
    assert "waits for resnet8_synthetic_s0_" in lines[where + 1]
    assert lines[where + 1].endswith("which is failed")


@pytest.mark.parametrize(
    ("cost_of", "words"),
    [("arm", "no arm of this grid is that run"), ("los", "train.match_from los: no such folder")],
)
def test_a_need_that_no_arm_is_is_named(tmp_path: Path, cost_of: str, words: str) -> None:
    """`arm` asks for the loss arm of k = 2, and that of this grid has another name for its k."""
    plan = write(tmp_path / "g.toml", cost_of=cost_of)
    if cost_of == "arm":
        with pytest.raises(BadInput, match=words):
            points_of_grid(plan, results=tmp_path / "r")
    else:
        assert words in str(points_of_grid(plan, results=tmp_path / "r")[2].source)


def test_a_start_is_one_run_of_the_same_seed_or_the_only_one(tmp_path: Path) -> None:
    path = write(tmp_path / "g.toml", seeds=2)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('name = "loss"', 'name = "loss"\nseeds = [7]'), encoding="utf-8")
    moved = [point for point in points_of_grid(path, results=tmp_path / "r") if point.arm.number == 4]
    assert len({point.needs for point in moved}) == 1
    path.write_text(text.replace('name = "loss"', 'name = "loss"\nseeds = [7, 8]'), encoding="utf-8")
    with pytest.raises(BadInput, match="has no run of seed 0 2 runs to choose from: give both arms the same seeds"):
        points_of_grid(path, results=tmp_path / "r")


def test_a_run_of_smoke_says_so_everywhere(tmp_path: Path) -> None:
    grid = tmp_path / "g.toml"
    grid.write_text(
        '[settings]\nmodel = "resnet8-to-14"\ndata.name = "synthetic:1x8x8:3:60"\nruntime.device = "cpu"\n'
        '[[arms]]\nschedule = "base"\n[smoke]\ntrain.steps = 2\n',
        encoding="utf-8",
    )
    out = tmp_path / "r"
    result = seek("grid", "run", grid, "--out", out, "--smoke")
    assert result.exit_code == 0, result.stderr
    assert "(smoke: a small size, no result)" in result.stderr
    (folder,) = (out / "runs").iterdir()
    assert "_smoke_" in folder.name
    assert {row["smoke"] for row in records.read_epochs(folder / records.EPOCHS)} == {True}
    assert "smoke" in seek("list", "runs", "--out", out).stdout
    assert "smoke (no result): " in seek("compare", out).stdout
    page = tmp_path / "page.html"
    assert seek("report", out, "--out", page).exit_code == 0
    assert "smoke (no result): " in page.read_text(encoding="utf-8")
