"""What the commands do, as functions: `seekcli.train`, `seekcli.compare`, `seekcli.report`. They raise where a command
would print one line: BadInput, RunFailed and Stopped of `seekcli.errors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.analysis.comparison import Comparison, Options, compare_runs
from seekcli.analysis.selection import parse_where
from seekcli.errors import BadInput
from seekcli.models.catalog import has_running_statistics, parse_pair
from seekcli.report import frames
from seekcli.report.data import comparison_data
from seekcli.report.frames import Paths, as_paths
from seekcli.runs.scan import scan_runs

if TYPE_CHECKING:
    import pandas as pd

ARGUMENTS = "seekcli.train(...)"


@dataclass(frozen=True)
class Compared:
    """A comparison of runs, as pandas DataFrames and as plain data. `str()` of it is what `seek compare` prints."""

    comparison: Comparison

    def to_frame(self) -> pd.DataFrame:
        """One row per group of runs that differ in their seed alone. Lists and values by seed are JSON text."""
        return frames.groups(self.comparison)

    def differences(self) -> pd.DataFrame:
        """One row per paired difference, with its interval, p values and word."""
        return frames.differences_frame(self.comparison)

    def to_dict(self) -> dict[str, Any]:
        """As `seek compare --format json`."""
        return comparison_data(self.comparison)

    def __str__(self) -> str:
        from seekcli.report.text import comparison_markdown

        return comparison_markdown(self.comparison)


def train(
    model: str = "resnet20-to-32",
    data: str = "digits",
    *,
    schedule: str = "alternating",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    out: str | Path = "results",
    fresh: bool = False,
) -> Path:
    """Train one run as `seek train` does, or take it up, or find it done; its run folder.

    `settings` are dotted keys of `seek list settings`: {"train.epochs": 2}. A classic schedule trains its model of the
    pair alone. Raises BadInput (nothing is written), RunFailed (the last checkpoint is kept).
    """
    from seekcli.engines.run import train_run
    from seekcli.resolve.resolve import resolve
    from seekcli.runs.folder import RunFolder

    base, motivated = parse_pair(model)
    said = {"pair.base": base, "pair.motivated": motivated, "data.name": data, "schedule": schedule, "seed": seed}
    resolved = resolve([(ARGUMENTS, said), ("settings", dict(settings or {}))], Path(out))
    train_run(resolved, Path(out), fresh=fresh)
    return RunFolder.of(Path(out), resolved.config).path


def compare(paths: Paths = "results", *, where: Sequence[str] = (), metric: str | None = None) -> Compared:
    """Compare runs with their baselines, as `seek compare`; `where` is as there: ["k=2"], and so is `metric`:
    "test_loss". Raises BadInput."""
    options = Options(metric=metric, has_running_statistics=has_running_statistics)
    return Compared(compare_runs(scan_runs(as_paths(paths)), parse_where(list(where)), options))


def report(
    paths: Paths = "results", out: str | Path = "report.html", *, title: str | None = None, metric: str | None = None
) -> Path:
    """Write one page of what the runs say, as `seek report`; its path. Raises BadInput where no run is finished."""
    from seekcli.report.targets import check_targets

    check_targets(Path(out), None)
    runs = scan_runs(as_paths(paths))
    comparison = compare_runs(runs, None, Options(metric=metric, has_running_statistics=has_running_statistics))
    if not comparison.cells:
        raise BadInput("no finished run to report on; seek list runs says where each stands")
    from seekcli.report.write import write_report

    return write_report(comparison, runs, Path(out), None, title or "Base against alternating training").paths[0]
