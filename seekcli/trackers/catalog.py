"""Which trackers there are, by name, and whether the library of each is here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from seekcli.config.value_types import TRACKERS
from seekcli.errors import BadInput, unknown
from seekcli.trackers.tracker import Tracker


def require_trackers(names: Sequence[str]) -> None:
    """Raise BadInput for a name that is no tracker, and for one whose library is not installed. Imports none."""
    for name in names:
        if name not in TRACKERS:
            raise unknown("--track", name, TRACKERS)
        found = find_spec(name)  # each module has the name of its tracker
        if found is None or found.origin is None:  # a folder `wandb` with old files is no library
            raise BadInput(f"--track {name} needs: pip install 'seekcli[{name}]'")


def tracker_of(name: str) -> Tracker:
    if name == "tensorboard":
        from seekcli.trackers.tensorboard import TensorBoard

        return TensorBoard()
    if name == "wandb":
        from seekcli.trackers.wandb import Wandb

        return Wandb()
    if name == "mlflow":
        from seekcli.trackers.mlflow import Mlflow

        return Mlflow()
    from seekcli.trackers.trackio import Trackio

    return Trackio()
