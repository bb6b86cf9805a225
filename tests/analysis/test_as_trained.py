"""What is said where an accuracy is one of statistics that were not re-estimated."""

from __future__ import annotations

from run_folders import Results

from seekcli.analysis.comparison import Options, compare_runs
from seekcli.models.catalog import has_running_statistics
from seekcli.runs.scan import scan_runs

AGAIN = {"columns": {"test_accuracy_recalibrated_percent": 98.0}}


def notes(results: Results) -> str:
    options = Options(has_running_statistics=has_running_statistics)
    found = compare_runs(scan_runs([results.folder]), options=options)
    return "\n".join(note for cell in found.cells for note in cell.notes)


def test_an_arm_that_was_never_re_estimated_is_named_with_the_command_that_helps(results: Results) -> None:
    results.add_seeds("alternating", [(98.0, 60.0)], pair__buffers="carried", pair__recalibrate_batches=0)
    results.add_seeds("alternating", [(98.0, 97.0)], **AGAIN)
    results.add_seeds("base", [98.0], **AGAIN)
    said = notes(results)
    assert said.count("can cost tens of points") == 1
    assert "buffers=carried recalibrate_batches=0: the larger model was evaluated" in said
    assert "seek evaluate RUN --recalibrate" in said
    assert "has no re-estimated accuracy" not in said


def test_a_model_without_running_statistics_needs_none(results: Results) -> None:
    vit = {"pair__base": "vit-tiny", "pair__motivated": "vit-small", "pair__recalibrate_batches": 0}
    results.add_seeds("alternating", [(98.0, 60.0)], **vit)
    assert "tens of points" not in notes(results)


def test_a_baseline_of_an_earlier_version_is_compared_as_trained_and_this_is_said(results: Results) -> None:
    results.add_seeds("alternating", [(98.0, 97.0)], **AGAIN)
    results.add_seeds("base", [98.0])
    results.add_seeds("motivated", [98.0], **AGAIN)
    said = notes(results)
    assert said.count("has no re-estimated accuracy") == 1
    assert "base alone has no re-estimated accuracy" in said
