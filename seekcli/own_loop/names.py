"""How the runs of somebody's own loop are named. Imports no torch."""

from __future__ import annotations

OWN_LOOP = "own loop"  # who made it, as its config.json says
RECIPE = "own-loop-"  # its recipe begins so, and goes on with the optimizer
