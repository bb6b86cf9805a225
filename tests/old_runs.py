"""Results that earlier versions of the program wrote, as they were left: every later version has to understand them.

`results-53150c9.tar.xz` holds `results/` and `exports/` of that commit: resnet8-to-14 on 160 digits, base, motivated,
alternating with both inits, one stopped at step 15 of 20, one transfer, one with a validation split; and an exported
base. `ids-53150c9.json` holds ten configs of that commit with their run ids.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from seekcli.config.identity import OLD_BEHAVIOUR
from seekcli.runs.older_runs import as_assigned

FIXTURES = Path(__file__).parent / "fixtures"
COMMON = ("--model", "resnet8-to-14", "--limit-train", "160", "--batch-size", "16", "--epochs", "2")
UNFINISHED = "resnet8-to-14_digits_loss-k1_paper_s1_6e2a841395"
# The words that ask for what was the only behaviour then.
OLD_WORDS = [word for key, value in OLD_BEHAVIOUR.items() for word in ("--set", f"{key}={as_assigned(value)}")]


def unpack(folder: Path, commit: str = "53150c9") -> Path:
    """The results folder of that commit, in `folder`; its exports lie beside it."""
    with tarfile.open(FIXTURES / f"results-{commit}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "results"


def stored_ids(commit: str = "53150c9") -> dict[str, dict[str, Any]]:
    """By name of the kind of run: its config as it was stored, what was asked for, and the run id of then."""
    return dict(json.loads((FIXTURES / f"ids-{commit}.json").read_text(encoding="utf-8")))
