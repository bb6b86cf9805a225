"""The last words of a run: which accuracies are said, and when."""

from __future__ import annotations

import pytest
from record_rows import a_status, alternating_rows

from seekcli.report.run_summary import is_imbalanced, run_summary_text, summarize
from seekcli.runs import records
from seekcli.runs.folder import RunFolder


def class_rows(sizes, split="test"):
    return [
        {
            "run_id": "r",
            "epoch": 3,
            "role": "base",
            "split": split,
            "class_index": index,
            "class_name": f"c{index}",
            "images": size,
            "correct": 0,
            "accuracy_percent": 0.0 if size else None,
        }
        for index, size in enumerate(sizes)
    ]


def lines_of(folder, **changes):
    plain = {"test_accuracy_as_trained_percent": None}
    status = a_status(final=alternating_rows(3, **(plain | changes))[-2:])
    return run_summary_text(status, RunFolder(folder)).splitlines()


@pytest.mark.parametrize(
    ("sizes", "imbalanced"),
    [([36, 35, 37], False), ([30, 20], False), ([31, 20], True), ([900, 10], True), ([5, 0], True)],
)
def test_balanced_accuracy_is_said_where_the_test_classes_are_of_unequal_size(tmp_path, sizes, imbalanced):
    records.write_classes(tmp_path / records.CLASSES, class_rows(sizes))
    assert is_imbalanced(RunFolder(tmp_path)) is imbalanced
    base = "test accuracy 98.61 %, balanced 98.50 %" if imbalanced else "test accuracy 98.61 %"
    assert lines_of(tmp_path)[0] == f"{'base':<12}resnet20: {base} after epoch 3"


def test_validation_is_said_where_there_is_one(tmp_path):
    assert is_imbalanced(RunFolder(tmp_path)) is None
    both = lines_of(tmp_path, validation_accuracy_percent=97.0)
    assert both[1] == f"{'motivated':<12}resnet32: test accuracy 98.61 %, validation accuracy 97.00 % after epoch 3"
    fold = lines_of(
        tmp_path, validation_accuracy_percent=97.0, test_accuracy_percent=None, test_balanced_accuracy_percent=None
    )
    assert fold[0] == f"{'base':<12}resnet20: validation accuracy 97.00 % after epoch 3"
    records.write_classes(tmp_path / records.CLASSES, class_rows([9, 1], "validation"))
    assert is_imbalanced(RunFolder(tmp_path)) is None


def test_the_accuracy_without_re_estimation_is_said_where_it_is_another(tmp_path):
    words = "test accuracy 98.61 %, as trained 81.76 % (before BatchNorm statistics were re-estimated) after epoch 3"
    assert lines_of(tmp_path, test_accuracy_as_trained_percent=81.76)[1].endswith(words)
    assert "as trained" not in lines_of(tmp_path, test_accuracy_as_trained_percent=98.61)[1]


def test_the_data_holds_every_accuracy(tmp_path):
    facts = summarize(a_status(), RunFolder(tmp_path))
    assert facts["test_balanced_accuracy_percent"] == {"base": 98.5, "motivated": 98.5}
    assert facts["test_top5_accuracy_percent"] == {"base": 99.9, "motivated": 99.9}
    assert facts["validation_accuracy_percent"] == {"base": None, "motivated": None}


def test_f_xy_is_by_images_and_the_share_by_steps(tmp_path):
    rows = alternating_rows(3, forward_macs_per_image=1e6)
    for row in rows[1::2]:
        row["forward_macs_per_image"] = 2e6
    status = a_status(final=rows[-2:], totals=records.totals_of(rows))
    found = summarize(status, RunFolder(tmp_path))
    assert found["share"] == pytest.approx(4 / 23)
    assert found["f_xy_macs_per_image"] == pytest.approx(1e6 * (1 + 256 / 1437))
    older = {name: value for name, value in status.totals.items() if not name.endswith("_images")}
    found = summarize(status.model_copy(update={"totals": older}), RunFolder(tmp_path))
    assert found["f_xy_macs_per_image"] == pytest.approx(1e6 * (1 + 4 / 23))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "of steps motivated (expected by chance 0."),
        ({"condition": "window"}, "of steps motivated (expected by its schedule 0."),
        ({"schedule": "grow", "condition": None}, "of updates are the larger model's (expected by its schedule 0."),
    ],
)
def test_a_share_says_by_what_it_is_expected(tmp_path, changes, words):
    (line,) = [line for line in lines_of(tmp_path, **changes) if line.startswith("share")]
    assert words in line
