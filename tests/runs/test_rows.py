"""What a run records beside its losses: validation, top-5, balanced and per-class accuracy."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny
from torch import nn
from torch.nn import functional

from seekcli.config.identity import run_id
from seekcli.data.sets import sources
from seekcli.engines.run import train_run
from seekcli.runs import records
from seekcli.runs.column_meanings import EPOCH_COLUMNS, Of
from seekcli.runs.folder import RunFolder
from seekcli.train.tasks.classification import evaluate_model
from seekcli.train.usage import ANSWER_COLUMNS, answers_where_they_differ

DATA = "synthetic:1x8x8:7:140"  # 112 training and 28 test images of 7 classes


def recorded(tmp_path, **changes):
    resolved = tiny(data__name=DATA, train__epochs=2, train__batch_size=16, **changes)
    status = train_run(resolved, tmp_path)
    folder = RunFolder.of(tmp_path, resolved.config).path
    return (
        resolved.config,
        status,
        records.read_epochs(folder / records.EPOCHS),
        records.read_classes(folder / records.CLASSES),
    )


def test_the_classes_of_the_last_evaluation_add_up_to_the_row(tmp_path):
    config, status, rows, classes = recorded(tmp_path)
    assert {(row["run_id"], row["epoch"], row["split"]) for row in classes} == {(run_id(config), 2, "test")}
    names = sources.load(config.data).class_names
    for final in status.final:
        own = [row for row in classes if row["role"] == final["role"]]
        assert [(row["class_index"], row["class_name"]) for row in own] == list(enumerate(names))
        images, correct = (sum(row[name] for row in own) for name in ("images", "correct"))
        assert images == 28
        assert final["test_accuracy_percent"] == pytest.approx(100 * correct / images, rel=1e-14)
        recalls = [100 * row["correct"] / row["images"] for row in own]
        assert [row["accuracy_percent"] for row in own] == pytest.approx(recalls, rel=1e-14)
        assert final["test_balanced_accuracy_percent"] == pytest.approx(sum(recalls) / 7, rel=1e-14)
        assert final["test_accuracy_percent"] <= final["test_top5_accuracy_percent"] <= 100
    assert all(
        row[name] is None for row in rows for name in records.EPOCH_SCHEMA.names if name.startswith("validation_")
    )


def test_a_validation_split_leaves_training_and_is_measured_with_the_test(tmp_path):
    config, status, rows, classes = recorded(tmp_path, data__validation_fraction=0.25, train__eval_every=2)
    assert status.steps_per_epoch == 6  # 84 images, 16 at a time
    by_epoch = [(row["epoch"], row["validation_loss"] is None, row["test_loss"] is None) for row in rows]
    assert by_epoch == [(1, True, True)] * 2 + [(2, False, False)] * 2
    sizes = {
        split: sum(row["images"] for row in classes if (row["role"], row["split"]) == ("base", split))
        for split in ("test", "validation")
    }
    assert sizes == {"test": 28, "validation": 28}
    final = status.final[0]
    assert final["evaluation_flops"] == 2 * final["forward_macs_per_image"] * 56
    assert run_id(config) != run_id(tiny(data__name=DATA, train__epochs=2, train__batch_size=16).config)


def test_a_fold_has_no_test_columns(tmp_path):
    config, status, rows, classes = recorded(tmp_path, data__folds=4, data__fold=1)
    assert (status.folds, status.fold) == (4, 1)
    assert "fold1-of-4" in run_id(config)
    assert all(row[name] is None for row in rows for name in records.EPOCH_SCHEMA.names if name.startswith("test_"))
    assert {row["split"] for row in classes} == {"validation"}
    assert sum(row["images"] for row in classes if row["role"] == "base") == 28
    final = status.final[0]
    assert final["evaluation_flops"] == 2 * final["forward_macs_per_image"] * 28


def test_five_classes_have_no_top_5(tmp_path):
    status = train_run(tiny(data__name="synthetic:1x8x8:5:50", train__epochs=1), tmp_path)
    assert [row["test_top5_accuracy_percent"] for row in status.final] == [None, None]


def test_the_images_of_both_models_are_recorded(tmp_path):
    _, status, rows, _ = recorded(tmp_path, data__validation_fraction=0.25, motivation__k=1)
    macs = {row["role"]: row["forward_macs_per_image"] for row in rows}
    assert all(
        row["train_flops"] == 6 * (macs["base"] * row["base_images"] + macs["motivated"] * row["motivated_images"])
        for row in rows
    )
    assert all(row["base_images"] + row["motivated_images"] == 84 for row in rows)
    assert status.totals["base_images"] + status.totals["motivated_images"] == 168


def test_usage_and_differing_answers_stand_in_both_role_rows(tmp_path):
    _, _, rows, _ = recorded(tmp_path)
    for epoch in {row["epoch"] for row in rows}:
        base, motivated = (row for row in rows if row["epoch"] == epoch)
        for name in ("added_blocks_usage", *ANSWER_COLUMNS):
            assert base[name] == motivated[name], name
        assert base["added_blocks_usage"] is not None
        assert 0 <= base["answers_differ_percent"] <= 100


def test_a_model_alone_has_no_usage_and_nobody_to_differ_from(tmp_path):
    _, _, rows, _ = recorded(tmp_path, schedule="base")
    assert all(row[name] is None for row in rows for name in ("added_blocks_usage", *ANSWER_COLUMNS))


class Answering(nn.Module):
    """Its input is its answer."""

    def forward(self, answers):
        return functional.one_hot(answers, 2).float()


def test_answers_are_compared_image_by_image():
    """Five images of class 0: the two differ on the last three, of which the base has one right."""
    answers = ([0, 1, 0, 1, 1], [0, 1, 1, 0, 0])
    labels = torch.zeros(5, dtype=torch.int64)
    base, motivated = (evaluate_model(Answering(), [(torch.tensor(each), labels)]) for each in answers)
    assert answers_where_they_differ(base, motivated) == pytest.approx((60.0, 100 / 3, 200 / 3))
    assert answers_where_they_differ(base, base) == (0.0, None, None)


def test_every_column_that_is_not_of_the_role_stands_in_both_role_rows(tmp_path):
    _, _, rows, _ = recorded(tmp_path, motivation__k=1, data__validation_fraction=0.2)
    for base, motivated in zip(rows[::2], rows[1::2], strict=True):
        differ = {name for name in base if base[name] != motivated[name]}
        assert {"role", "model", "forward_macs_per_image"} <= differ
        assert {EPOCH_COLUMNS[name].of for name in differ} == {Of.ROLE}
