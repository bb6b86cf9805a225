"""What `seek train` says of one run: what to know before it begins, and its numbers when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seekcli.cli.output import say, say_json
from seekcli.config.layers import Resolved

if TYPE_CHECKING:
    from seekcli.runs.records import RunStatus


def run_notes(resolved: Resolved, state: str, out: Path) -> list[str]:
    """What to know of a run before it begins, or instead of its training."""
    from seekcli.runs.folder import RunFolder
    from seekcli.runs.older_runs import old_rules_note, older_twin_note

    folder = RunFolder.of(out, resolved.config)
    done = "this run was finished before, here are its numbers; --fresh sets it aside and trains it again"
    notes = [
        done if state == "finished" else None,
        folder.unverifiable_note() if state == "finished" else None,
        old_rules_note(resolved, out),
        older_twin_note(out, resolved) if state == "new" else None,
    ]
    return [note for note in notes if note is not None]


def bf16_note(resolved: Resolved) -> str | None:
    """That a run in fp32 on this processor might be quicker in bf16; None where it would not."""
    from seekcli.runs.environment import bf16_units

    runtime = resolved.config.runtime
    if runtime.device != "cpu" or runtime.precision != "fp32" or not (units := bf16_units()):
        return None
    return (
        f"this CPU has bf16 units ({' and '.join(units)}): --precision bf16 may be faster. Measured on one with "
        "AVX-512: ResNet-20 1.6x, ResNet-18 1.8x, EfficientNet 0.45x. Its numbers differ, so it is another run"
    )


def report(status: RunStatus, resolved: Resolved, out: Path, style: str) -> None:
    from seekcli.report.run_summary import run_summary_json, run_summary_text
    from seekcli.runs.folder import RunFolder

    folder = RunFolder.of(out, resolved.config)
    if style == "json":
        say_json(run_summary_json(status, folder))
    else:
        say(run_summary_text(status, folder))
