"""The `results` fixture: run folders written by hand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from run_folders import results  # noqa: F401
