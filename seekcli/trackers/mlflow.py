"""MLflow: where MLFLOW_TRACKING_URI says, else a database in the results folder, mlflow.db."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from seekcli.runs.exclusive import create_exclusive
from seekcli.trackers.points import EVERY_STEP
from seekcli.trackers.tracker import Point, TrackedRun, Tracker

KEY = "seek_key"
# The most that one request may hold.
MOST_PARAMS, MOST_METRICS = 100, 1000
STATES = {"finished": "FINISHED", "stopped": "KILLED"}


class Mlflow(Tracker):
    """A run is found again by its tag. Each request holds whole points, so that it has all up to some step."""

    def begin(self, run: TrackedRun) -> int:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        uri = os.environ.get("MLFLOW_TRACKING_URI")
        self.client = MlflowClient(tracking_uri=uri or database_in(run.results.absolute()))
        experiment = self.experiment(run, uri is None)
        if found := self.client.search_runs([experiment], f"tags.{KEY} = '{run.key}'"):
            self.id = found[0].info.run_id
            self.client.update_run(self.id, status="RUNNING")
            return max((one.step for one in self.client.get_metric_history(self.id, EVERY_STEP)), default=0)
        self.id = self.client.create_run(experiment, tags={KEY: run.key}, run_name=run.run_id).info.run_id
        params = [Param(key, str(value)) for key, value in run.settings.items()]
        for first in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.id, params=params[first : first + MOST_PARAMS])
        return 0

    def experiment(self, run: TrackedRun, is_ours: bool) -> str:
        """The id of the experiment that MLFLOW_EXPERIMENT_NAME names, which is made where it is not there."""
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "seekcli")
        found = self.client.get_experiment_by_name(name)
        if found is None:
            place = (run.results.absolute() / "mlartifacts").as_uri() if is_ours else None
            try:
                return str(self.client.create_experiment(name, artifact_location=place))
            except MlflowException:  # another worker was faster
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def log(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        for batch in batches(points):
            metrics = [Metric(name, value, now, point.step) for point in batch for name, value in point.values.items()]
            self.client.log_batch(self.id, metrics=metrics)

    def end(self, state: str) -> None:
        self.client.set_terminated(self.id, STATES.get(state, "FAILED"))


def database_in(results: Path) -> str:
    """Its address. It is made elsewhere and appears whole: workers that begin at once would spoil each other's."""
    path = results / "mlflow.db"
    if not path.exists():
        from mlflow import MlflowClient

        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder) / path.name
            MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments()
            create_exclusive(path, new.read_bytes())
    return f"sqlite:///{path}"


def batches(points: Sequence[Point]) -> Iterator[list[Point]]:
    """As many points as one request takes; none is split."""
    batch: list[Point] = []
    room = MOST_METRICS
    for point in points:
        if len(point.values) > room:
            yield batch
            batch, room = [], MOST_METRICS
        batch.append(point)
        room -= len(point.values)
    if batch:
        yield batch
