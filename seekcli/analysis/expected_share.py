"""The share of the larger model's steps that chance or the schedule gives: what an observed one is compared with."""

from __future__ import annotations

from seekcli.config.expected_share import expected_share_in
from seekcli.runs.config_file import ConfigFile
from seekcli.runs.records import RunStatus
from seekcli.runs.scan import RunSummary


def expected_share_of_run(summary: RunSummary, status: RunStatus, found: ConfigFile | None) -> float | None:
    """As its status says. A published table does not say it, but the settings beside it do, where they are `found`."""
    if not summary.path.is_file() or found is None or found.config.classic:
        return status.expected_share
    return expected_share_in(found.config, status.steps_done, status.steps_per_epoch)
