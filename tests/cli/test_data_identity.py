"""Runs over a folder of the user's: other contents are another run, and runs of earlier rules stay what they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny
from typer.testing import CliRunner, Result

from seekcli.cli import reading
from seekcli.cli.app import app
from seekcli.config.identity import run_id
from seekcli.data.sets import identity
from seekcli.documents import read_document, write_document

T = ("train", "--model", "resnet8-to-14", "--schedule", "base", "--epochs", "2", "--batch-size", "4")
T += ("--image-size", "16", "--progress", "plain", "--device", "cpu")


def seek(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def ran(*arguments: object) -> Result:
    result = seek(*arguments)
    assert result.exit_code == 0, (arguments, result.exit_code, result.output, result.exception)
    return result


def pictures(folder: Path, count: int, *names: str) -> Path:
    """Bitmaps of one size; class i has a stronger channel i."""
    for index, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for image in range(count):
            pixels = np.random.default_rng(99 * index + image).integers(0, 120, (16, 16, 3)).astype("uint8")
            pixels[..., index % 3] += 100
            Image.fromarray(pixels).save(folder / name / f"{image:03}.bmp")
    return folder


def swap(one: Path, other: Path) -> None:
    one.rename(one.with_name("third"))
    other.rename(one)
    one.with_name("third").rename(other)


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return two_splits(tmp_path / "A")


def two_splits(folder: Path) -> Path:
    pictures(folder / "train", 8, "a", "b")
    pictures(folder / "test", 3, "a", "b")
    return folder


@pytest.fixture
def b(a: Path) -> Path:
    """The same names, sizes and times, but in train/ the classes have changed places."""
    shutil.copytree(a, a.with_name("B"))
    swap(a.with_name("B") / "train" / "a", a.with_name("B") / "train" / "b")
    return a.with_name("B")


def accuracies(out: Path) -> list[float]:
    found = [json.loads(path.read_text())["final"][0] for path in sorted(out.glob("runs/*/status.json"))]
    return sorted(row["test_accuracy_percent"] for row in found)


def test_other_pixels_under_the_same_names_and_sizes_are_another_run(a: Path, b: Path, tmp_path: Path) -> None:
    for data in (a, b):
        assert "finished before" not in ran(*T, "--data", f"folder:{data}", "--out", tmp_path / "out").stderr
    assert accuracies(tmp_path / "out") == [0.0, 100.0]
    assert "finished before" in ran(*T, "--data", f"folder:{b}", "--out", tmp_path / "out").stderr
    compared = json.loads(ran("compare", tmp_path / "out", "--format", "json").stdout)
    assert [cell["data"] for cell in compared["cells"]] == ["folder:A", "folder:B"]


def test_a_copy_of_a_folder_is_the_same_data(a: Path, tmp_path: Path) -> None:
    ran(*T, "--data", f"folder:{a}", "--out", tmp_path / "out")
    copy = shutil.copytree(a, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert "finished before" in ran(*T, "--data", f"folder:{copy}", "--out", tmp_path / "out").stderr


def test_an_unfinished_run_is_not_resumed_on_other_pixels(a: Path, b: Path, tmp_path: Path) -> None:
    states = [ran(*T, "--data", f"folder:{data}", "--out", tmp_path / "out", "--dry-run").stdout for data in (a, b)]
    assert states[0].split()[1] != states[1].split()[1]
    assert "data        folder:A: 16 training and 6 test images of 2 classes (a, b); train/ and test/ as" in states[0]


def test_a_grid_plan_names_the_classes_and_reads_the_files_once(
    a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "CHUNK_FILES", 4)
    monkeypatch.setattr(reading, "QUIET_SECONDS", 0)
    grid = tmp_path / "grid.toml"
    grid.write_text(f"""
        [settings]
        model = "resnet8-to-14"
        data.name = "folder:{a}"
        data.image_size = 16
        [[arms]]
        schedule = ["base", "motivated"]
    """)
    planned = ran("grid", "plan", grid, "--out", tmp_path / "out")
    first, *_, last = planned.stderr.splitlines()  # a slow disk has more lines between them
    assert first == "reading 22 files once, to know the data by its contents: 18%"
    assert last == "read 22 files; what they hold is kept for the next time"
    assert planned.stdout.count("data       folder:A: 16 training and 6 test images of 2 classes (a, b); train/") == 1


def test_a_plan_says_once_that_training_images_are_among_the_test_images(tmp_path: Path, a: Path) -> None:
    shutil.copy(a / "train" / "a" / "000.bmp", a / "test" / "a" / "again.bmp")
    grid = tmp_path / "grid.toml"
    settings = f'model = "resnet8-to-14"\ndata.name = "folder:{a}"\ndata.image_size = 16\ntrain.batch_size = 4\n'
    grid.write_text(f"seeds = 2\n[settings]\n{settings}")
    planned = ran("grid", "plan", grid, "--out", tmp_path / "out").stdout
    assert planned.count("7 of 7 test images are training images too") == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with A and with results of a finished run over it, begun a minute after the last change of A."""
    live = tmp_path_factory.mktemp("rules one") / "live"
    for path in [two_splits(live / "A"), *(live / "A").rglob("*")]:
        os.utime(path, (path.stat().st_mtime - 60,) * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(live.with_name("cache")))
        ran(*T, "--data", f"folder:{live / 'A'}", "--set", "data.rules=1", "--out", live / "out")
    return Path(shutil.copytree(live, live.with_name("trained")))


def without_contents(results: Path) -> Path:
    """As an earlier version left the run, which did not record the contents of a folder."""
    (path,) = results.glob("runs/*/config.json")
    content, begun = read_document(path), path.stat().st_mtime
    del content["facts"]["contents"]
    write_document(path, content)
    os.utime(path, (begun, begun))
    return results


def other_pixels(file: Path) -> None:
    """Of the same size and time of modification, in place."""
    status, data = file.stat(), bytearray(file.read_bytes())
    data[-5:] = bytes(255 - value for value in data[-5:])
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


class TestRulesOne:
    """Runs that an earlier version made; `--set data.rules=1` makes what it made, under the id of then."""

    @pytest.fixture
    def new(self, trained: Path) -> Path:
        """Results of a run over `a`, which recorded the contents: a copy for this test, where they were made."""
        live = trained.with_name("live")
        if live.exists():  # not where the copy of the test before this one failed
            shutil.rmtree(live)
        shutil.copytree(trained, live)
        return live / "out"

    @pytest.fixture
    def old(self, new: Path) -> Path:
        return without_contents(new)

    @pytest.fixture
    def a(self, new: Path) -> Path:
        return new.with_name("A")

    def test_the_run_is_found_with_a_note(self, a: Path, old: Path) -> None:
        found = ran(*T, "--data", f"folder:{a}", "--out", old)
        assert "finished before" in found.stderr
        assert "knew this folder by names and sizes alone" in found.stderr
        assert len(list((old / "runs").iterdir())) == 1
        ahead = ran(*T, "--data", f"folder:{a}", "--out", old, "--dry-run").stdout
        assert "state       finished" in ahead
        assert "names and sizes alone" in ahead

    def test_an_unfinished_one_goes_on_under_its_id(self, a: Path, old: Path) -> None:
        (run,) = (old / "runs").iterdir()
        (run / "status.json").unlink()
        found = ran(*T, "--data", f"folder:{a}", "--out", old)
        assert "going on from step 8" in found.stdout
        assert "names and sizes alone" in found.stderr
        assert [path.name for path in (old / "runs").iterdir()] == [run.name]

    def test_another_folder_whose_pixels_differ_is_not_taken_for_it(self, b: Path, old: Path) -> None:
        done = ran(*T, "--data", f"folder:{b}", "--out", old)
        assert "finished before" not in done.stderr
        assert "was made of other images under these names and sizes: this is another run" in done.stderr
        assert accuracies(old) == [0.0, 100.0]

    def test_a_folder_that_has_changed_since_is_not_taken_for_it(self, a: Path, old: Path) -> None:
        swap(a / "train" / "a", a / "train" / "b")
        assert "finished before" not in ran(*T, "--data", f"folder:{a}", "--out", old).stderr
        assert accuracies(old) == [0.0, 100.0]

    def test_how_to_go_on_where_the_folder_was_only_written_anew(self, a: Path, old: Path) -> None:
        (a / "train" / "a" / "000.bmp").touch()
        ahead = ran(*T, "--data", f"folder:{a}", "--out", old, "--dry-run").stdout
        assert (
            "files of its folder were written after it began: `--set data.rules=1` goes on with that one where" in ahead
        )

    def test_other_pixels_that_it_cannot_notice_are_said(self, a: Path, old: Path) -> None:
        """Size and time of modification are as before: an earlier version recorded nothing else."""
        other_pixels(a / "test" / "a" / "000.bmp")
        ahead = ran(*T, "--data", f"folder:{a}", "--out", old, "--dry-run").stdout
        assert "state       finished" in ahead
        assert "other pixels under them would not be noticed, and " in ahead
        said = " ".join(ahead.split())
        assert " of its files were touched or replaced since the run began. The run keeps its rules" in said
        assert "as given; known by names and sizes alone (data.rules 1)" in ahead

    def test_other_pixels_are_noticed_where_the_contents_were_recorded(self, a: Path, new: Path) -> None:
        words = (*T, "--data", f"folder:{a}", "--out", new)
        (a / "train" / "a" / "000.bmp").touch()
        assert "the contents that it recorded beside them are those that lie there now" in ran(*words).stderr
        other_pixels(a / "test" / "a" / "000.bmp")
        ahead = ran(*words, "--dry-run").stdout
        assert "state       new" in ahead
        assert "was made of other images under these names and sizes: this is another run" in ahead
        assert "state       damaged: " in ran(*words, "--set", "data.rules=1", "--dry-run").stdout
        refused = seek(*words, "--set", "data.rules=1")
        assert refused.exit_code == 2
        assert "was made of other images than " in refused.stderr
        assert "under the same names and sizes; --set data.rules=2 makes a run that knows" in refused.stderr
        assert len(list((new / "runs").iterdir())) == 1

    def test_an_unfinished_one_is_not_resumed_on_other_training_images(self, a: Path, old: Path) -> None:
        (run,) = (old / "runs").iterdir()
        (run / "status.json").unlink()
        other_pixels(a / "train" / "a" / "000.bmp")
        refused = seek(*T, "--data", f"folder:{a}", "--out", old)
        assert refused.exit_code == 2
        assert "began with other training images than those that lie there now: their mean is 0.4" in refused.stderr
        assert not (run / "status.json").exists()

    def test_evaluate_says_by_what_it_knows_the_data(self, a: Path, new: Path) -> None:
        (run,) = (new / "runs").iterdir()

        def answer(*words: object) -> dict[str, object]:
            (found,) = json.loads(ran("evaluate", run, "--format", "json", *words).stdout)
            return found

        assert (answer()["own_data_known_by"], answer()["equals_recorded"]) == ("contents", True)
        ran("export", run, "--to", new / "export")
        other_pixels(a / "test" / "a" / "000.bmp")
        (other,) = json.loads(ran("evaluate", new / "export", "--data", f"folder:{a}", "--format", "json").stdout)
        assert (other["own_data_known_by"], other["equals_recorded"], other["test_images"]) == (None, None, 22)
        refused = seek("evaluate", run)
        assert refused.exit_code == 2
        assert "holds other images by now than" in refused.stderr
        without_contents(new)
        for words in ((), ("--data", f"folder:{a}")):
            assert answer(*words)["own_data_known_by"] == "names and sizes"
            taken = str(answer(*words)["images_taken"])
            assert taken.startswith(
                "the run's own data by names and sizes (other pixels would not be noticed), its tes"
            )

    def test_evaluate_takes_all_images_of_another_folder_that_differs_from_the_one_it_was_made_of(
        self, a: Path, b: Path, old: Path, tmp_path: Path
    ) -> None:
        (run,) = (old / "runs").iterdir()
        same = shutil.copytree(a, tmp_path / "copy")

        def answer(folder: Path) -> tuple[object, object]:
            words = ("evaluate", run, "--data", f"folder:{folder}", "--format", "json")
            (found,) = json.loads(ran(*words).stdout)
            return found["own_data_known_by"], found["test_images"]

        assert answer(same) == ("names and sizes", 6)
        assert answer(b) == (None, 22)
        shutil.rmtree(a)
        assert answer(b) == ("names and sizes", 6)  # nothing is left to compare it with

    def test_it_is_taken_where_its_folder_is_gone(self, a: Path, old: Path, tmp_path: Path) -> None:
        moved = a.rename(tmp_path / "moved")
        assert "finished before" in ran(*T, "--data", f"folder:{moved}", "--out", old).stderr

    def test_it_is_not_pooled_with_runs_by_contents(self, a: Path, old: Path) -> None:
        ran(*T, "--data", f"folder:{a}", "--seed", 1, "--out", old)
        ran(*T, "--data", f"folder:{a}", "--seed", 2, "--set", "data.rules=1", "--out", old)
        compared = json.loads(ran("compare", old, "--format", "json").stdout)
        assert sorted(group["n"] for cell in compared["cells"] for group in cell["groups"]) == [1, 2]
        assert {cell["data_known_by"] for cell in compared["cells"]} == {"contents", "names and sizes"}
        titles = [line for line in ran("compare", old).stdout.splitlines() if line.startswith("resnet8 on ")]
        assert titles == ["resnet8 on folder:A (known by names and sizes)", "resnet8 on folder:A"]

    def test_the_rules_may_be_asked_for_by_name(self, a: Path, old: Path) -> None:
        (earlier,) = (old / "runs").iterdir()
        found = ran(*T, "--data", f"folder:{a}", "--set", "data.rules=2", "--out", old)
        made = {path.name for path in (old / "runs").iterdir()} - {earlier.name}
        assert len(made) == 1, (made, found.output)
        assert "finished before" not in found.stderr


def test_runs_that_read_grey_images_of_16_bits_as_before_stay_what_they_are(tmp_path: Path) -> None:
    for number, name in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (tmp_path / "A" / name).mkdir(parents=True)
        for index in range(4):
            values = np.full((16, 16), 4000 - 900 * number - index, np.uint16)
            Image.fromarray(values).save(tmp_path / "A" / name / f"{index}.png")
    for path in [tmp_path / "A", *(tmp_path / "A").rglob("*")]:
        os.utime(path, (path.stat().st_mtime - 60,) * 2)
    words = (*T, "--data", f"folder:{tmp_path / 'A'}", "--out")
    ran(*words, tmp_path / "out", "--set", "data.grey_bits=none")
    assert "`--set data.grey_bits=none` goes on with that one" in ran(*words, tmp_path / "out", "--dry-run").stdout
    ran(*words, tmp_path / "older", "--set", "data.rules=1")
    found = ran(*words, tmp_path / "older", "--dry-run").stdout
    assert "state       finished" in found
    assert "names and sizes alone" in found


CONDITION = """
class Every:
    def __init__(self, k, options):
        pass
    def observe(self, step):
        return {answer}
    def state_dict(self):
        return {{}}
    def load_state_dict(self, state):
        pass
"""


def test_a_condition_whose_code_changed_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def id_of(**settings: object) -> str:
        return run_id(tiny(motivation__condition="changing_condition:Every", **settings).config)

    ids = []
    for answer in ("True", "False", "True"):
        (tmp_path / "changing_condition.py").write_text(CONDITION.format(answer=answer))
        sys.modules.pop("changing_condition", None)
        ids.append(id_of())
    assert ids[0] == ids[2] != ids[1]
    assert id_of(motivation__source_sha256=None) not in ids
    words = ("train", "--model", "resnet8-to-14", "--condition", "changing_condition:Every", "--dry-run")
    refused = seek(*words, "--set", f"motivation.source_sha256={'0' * 64}")
    assert refused.exit_code == 2
    assert "is not the one that it was" in refused.output
    sys.modules.pop("changing_condition", None)


def test_a_result_that_is_no_number_fails_the_run(tmp_path: Path) -> None:
    words = ("train", "--model", "resnet8-to-14", "--data", "synthetic:1x8x8:3:30", "--epochs", 1, "--lr", 1e6)
    failed = seek(*words, "--batch-size", 24, "--schedule", "base", "--progress", "plain", "--out", tmp_path)
    assert failed.exit_code == 1
    assert "non-finite test loss at step 1 (epoch 1, batch 1, base model)" in failed.output
    (status,) = tmp_path.glob("runs/*/status.json")
    assert json.loads(status.read_text(), parse_constant=pytest.fail)["state"] == "failed"
