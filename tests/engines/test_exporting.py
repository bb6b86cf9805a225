"""`export_models`, from Python: what the command's own choices refuse is refused here too."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import make_run

from seekcli.engines.exporting import export_models
from seekcli.errors import BadInput


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown --format 'pickle'"):
        export_models(str(make_run(tmp_path)), None, "pickle", tmp_path / "exports")
    assert not (tmp_path / "exports").exists()
