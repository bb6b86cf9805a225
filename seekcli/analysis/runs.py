"""From run summaries to comparable runs: final numbers, and every setting that a fair comparison must hold equal.
A run without the metric that is compared becomes a `LeftOut` with its reason; nothing is dropped silently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seekcli.analysis.expected_share import expected_share_of_run
from seekcli.analysis.left_out import DAMAGED, FOLD, UNMEASURED, LeftOut, state_after, with_help
from seekcli.analysis.metrics import Metric, held, metric_for
from seekcli.config.identity import CLASSIC_NOT_HASHED, OLD_BEHAVIOUR, telling_settings
from seekcli.config.pair_settings import OWN_DIGESTS, own_sources
from seekcli.config.settings import CLASSIC, pair_name
from seekcli.errors import BadInput
from seekcli.runs.config_file import ConfigFile, published_config
from seekcli.runs.overlapped import overlapped
from seekcli.runs.quick_check import QuickCheck, problem_of_sizes
from seekcli.runs.records import RunStatus, done_in_words
from seekcli.runs.scan import RunSummary

GROW = "grow"
# What the records say about a run whose config.json is missing, under the names of the settings.
COMMON_COLUMNS = {
    "recipe": "recipe",
    "data.name": "data",
    "train.batch_size": "batch_size",
    "runtime.precision": "precision",
    "runtime.device": "device_type",
}
ARM_COLUMNS = {
    "motivation.condition": "condition",
    "motivation.k": "k",
    "pair.init": "init",
    "pair.map": "map",
    "pair.buffers": "buffers",
    "pair.recalibrate_batches": "recalibrate_batches",
}


@dataclass(frozen=True)
class ArmSettings:
    """A run's settings without its seed, split by whom they concern.

    `common` must be equal for an alternating run and its baselines; `arm` (pair.*, motivation.*) is empty for a
    classic run. `from_config` is False where config.json was missing and only the columns of the records are known.
    `own_pair` is (base, motivated) as the run itself names them; `data` is the label that people read.
    """

    schedule: str
    data: str
    common: Mapping[str, Any]
    arm: Mapping[str, Any]
    from_config: bool
    own_pair: tuple[str, str] | None
    sources: Mapping[str, str] = field(default_factory=dict)  # as `own_sources` gives them

    @cached_property
    def common_key(self) -> str:
        return json.dumps(self.common, sort_keys=True)

    @cached_property
    def arm_key(self) -> str:
        return json.dumps(self.arm, sort_keys=True)

    @property
    def length(self) -> str:
        """`20 epochs`, or `373 steps` of a run whose length was given in steps."""
        steps, epochs = (self.common.get(f"train.{unit}") for unit in ("steps", "epochs"))
        return f"{epochs} epoch{'' if epochs == 1 else 's'}" if steps is None else f"{steps} steps"

    @property
    def data_known_by(self) -> str | None:
        """ "contents" or "names and sizes" of a folder, by its `data.rules`; None for other data, and unrecorded."""
        if not self.from_config or self.common.get("data.fingerprint") is None:
            return None
        return "contents" if self.common.get("data.rules", OLD_BEHAVIOUR["data.rules"]) >= 2 else "names and sizes"

    @property
    def own_pair_name(self) -> str | None:
        return self.own_pair and pair_name(*self.own_pair)


@dataclass(frozen=True)
class Run:
    """A finished run: the last epoch's row of each role, the totals over its epochs, and what it is compared by."""

    run_id: str
    path: Path
    seed: int
    settings: ArmSettings
    rows: Mapping[str, Mapping[str, Any]]
    totals: Mapping[str, Any]
    expected_share: float | None
    facts: Mapping[str, Any]  # of the data, from config.json; empty where there is none
    metric: Metric

    @property
    def classic(self) -> bool:
        return self.settings.schedule in CLASSIC

    @property
    def models(self) -> dict[str, str]:
        """Role -> model name."""
        return {role: str(row["model"]) for role, row in self.rows.items()}

    def value(self, role: str) -> float:
        """Of the model as it is written; the paper's accuracy as trained (older rows hold no other)."""
        row = self.rows[role]
        as_trained = row.get("test_accuracy_as_trained_percent") if self.metric.of_the_paper else None
        return float(row[self.metric.column] if as_trained is None else as_trained)

    def recalibrated(self, role: str) -> float | None:
        """With BatchNorm statistics that were re-estimated after training; None where that was not measured."""
        value = self.rows[role].get("test_accuracy_recalibrated_percent") if self.metric.of_the_paper else None
        return None if value is None else float(value)

    @property
    def steps(self) -> int:
        return int(self.totals["motivated_steps"]) + int(self.totals["base_steps"])

    @property
    def share(self) -> float:
        """Motivated steps / all steps, over the whole run."""
        return int(self.totals["motivated_steps"]) / self.steps


def load_runs(summaries: Sequence[RunSummary], metric: str | None = None) -> tuple[list[Run], list[LeftOut]]:
    """Sort summaries into finished runs and the others, in the order given; `metric` as in `metric_for`."""
    runs: list[Run] = []
    left_out: list[LeftOut] = []
    quick = QuickCheck()
    known: dict[bytes, ArmSettings] = {}
    outcomes = overlapped(lambda summary: _load(summary, metric, known), summaries)
    for summary, outcome in zip(summaries, outcomes, strict=True):
        if isinstance(outcome, Run) and summary.status and (wrong := quick.problem(summary.path, summary.status)):
            outcome = LeftOut(outcome.run_id, outcome.path, DAMAGED, wrong, outcome.seed, outcome.settings)
        if isinstance(outcome, Run):
            runs.append(outcome)
        else:
            left_out.append(with_help(outcome))
    return runs, left_out


def _load(summary: RunSummary, asked: str | None, known: dict[bytes, ArmSettings]) -> Run | LeftOut:
    """`known` has the settings of runs that were read before, by what their files say without the seed."""
    status = summary.status
    if _is_over_a_fold(summary):
        return LeftOut(summary.run_id, summary.path, FOLD, "over a fold, to choose k by: it has no test accuracy")
    if status is None:
        state = DAMAGED if summary.state == "unreadable" else summary.state
        return LeftOut(summary.run_id, summary.path, state, summary.message or "no readable status")
    rows = {str(row["role"]): row for row in status.final}
    try:
        found = run_config(summary, status.run_id)
    except BadInput as error:
        return LeftOut(summary.run_id, summary.path, state_after(error), str(error))
    config = None if found is None else found.flat
    settings = _settings(found, status, rows, known)
    seed = _seed(config, rows)
    steps = None if config is None else config.get("train.steps")
    facts = {} if found is None else found.facts
    metric = metric_for(asked, status.final, facts)
    reason = _why_left_out(summary, status, rows, steps)
    state = summary.state if status.state != "finished" else DAMAGED
    if reason is None and metric is None:
        reason, state = _without(asked, rows, facts), UNMEASURED
    elif reason is None:
        try:
            reason = _problem_of_files(summary, status)
        except BadInput as error:
            reason, state = str(error), state_after(error)
    if reason is not None or metric is None or settings is None or seed is None:
        return LeftOut(status.run_id, summary.path, state, reason or "its settings are not recorded", seed, settings)
    share = expected_share_of_run(summary, status, found)
    return Run(status.run_id, summary.path, seed, settings, rows, status.totals, share, facts, metric)


def _is_over_a_fold(summary: RunSummary) -> bool:
    """Its status says so; a run that has not written one yet has its config."""
    if summary.status is not None:
        return summary.status.folds is not None
    try:
        found = run_config(summary)
    except BadInput:
        return False
    return found is not None and found.flat.get("data.folds") is not None


def _why_left_out(
    summary: RunSummary, status: RunStatus, rows: Mapping[str, Mapping[str, Any]], steps: int | None
) -> str | None:
    if status.state != "finished":
        done = done_in_words(status, steps)
        return f"{done}; {summary.message}" if summary.message else done
    if summary.problem:
        return summary.problem
    if status.final and not {row["schedule"] for row in status.final} & set(CLASSIC) and len(rows) < 2:
        return "finished with one role only"
    return None


def _without(asked: str | None, rows: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """Why a finished run is not compared, and by which metrics it could be."""
    others = ", ".join(held(list(rows.values()), facts))
    has = f"; it has {others} (--metric NAME)" if others else ""
    return f"finished without a final {asked or 'test accuracy or test loss'}{has}"


def _problem_of_files(summary: RunSummary, status: RunStatus) -> str | None:
    """A published table was read; files of a run folder have to be those that its status was written for.

    Raises BadInput for the table of epochs.
    """
    if summary.path.is_file():
        return None
    summary.folder.check_epochs(status)
    return problem_of_sizes(summary.path, status)


def run_config(summary: RunSummary, owner: str | None = None) -> ConfigFile | None:
    """What config.json of a run folder says, or configs.json beside a published table; None where there is none.

    Raises BadInput when it is damaged, or of another run than `owner`, to which the status belongs.
    """
    if summary.path.is_file():  # a published table
        return None if owner is None else published_config(summary.path, owner)
    folder = summary.folder
    if not folder.config_path.is_file():
        return None
    found = folder.config_file()
    if None not in (owner, found.run_id) and owner != found.run_id:
        raise BadInput(f"{folder.status_path} belongs to another run ({owner}) than {found.path} ({found.run_id})")
    return found


def _seed(config: Mapping[str, Any] | None, rows: Mapping[str, Mapping[str, Any]]) -> int | None:
    return next((int(known["seed"]) for known in ([config] if config is not None else rows.values())), None)


def _settings(
    found: ConfigFile | None,
    status: RunStatus,
    rows: Mapping[str, Mapping[str, Any]],
    known: dict[bytes, ArmSettings],
) -> ArmSettings | None:
    if found is None:
        return settings_from_rows(rows, status) if rows else None
    if found.settings_key not in known:
        known[found.settings_key] = settings_from_config(found.flat)
    return known[found.settings_key]


def settings_from_config(flat: Mapping[str, Any]) -> ArmSettings:
    """Settings from a full resolved config (dotted keys), by the same rule as the run id."""
    common = {key: value for key, value in telling_settings(flat).items() if key not in ("seed", "schema_version")}
    schedule, data = str(common["schedule"]), str(common["data.name"])
    common["runtime.device"] = str(common.get("runtime.device", "")).partition(":")[0]
    if common.get("data.fingerprint"):
        common["data.name"] = data.partition(":")[0]
    arm = {key: common.pop(key) for key in list(common) if key.partition(".")[0] in CLASSIC_NOT_HASHED}
    if flat.get("transfer.run"):
        # The models of one source have each their own weights: what starts from one source run belongs together.
        common["transfer.run"] = flat["transfer.run"]
        arm["transfer.sha256"] = common.pop("transfer.sha256")
    if flat.get("extend.run"):
        # Of each seed another run is extended: what it had in common with the others, and its length, tell them apart.
        common = {key: value for key, value in common.items() if key not in ("extend.run", "extend.sha256")}
    own_pair = (str(arm.pop("pair.base")), str(arm.pop("pair.motivated")))
    if schedule != GROW:
        arm.pop("schedule")
    arm = {key: value for key, value in arm.items() if key not in OWN_DIGESTS}
    return ArmSettings(schedule, data, common, {} if schedule in CLASSIC else arm, True, own_pair, own_sources(flat))


def settings_from_rows(rows: Mapping[str, Mapping[str, Any]], status: RunStatus) -> ArmSettings:
    """What record rows alone tell: enough to group by, not enough to tell apart runs that differ in, say, lr."""
    whole = status.steps_done == status.epochs * status.steps_per_epoch
    length = {"train.epochs": status.epochs} if whole else {"train.steps": status.steps_done}
    row = next(iter(rows.values()))
    schedule = str(row["schedule"])
    common = {key: row[column] for key, column in COMMON_COLUMNS.items()} | length
    common |= {"smoke": True} if row.get("smoke") else {}
    if schedule in CLASSIC or len(rows) < 2:
        return ArmSettings(schedule, str(row["data"]), common, {}, False, None)
    arm = {key: row.get(column) for key, column in ARM_COLUMNS.items()}
    # A table that was written before a setting was there has no value of it, and stands at its old behaviour.
    arm = {
        key: value for key, value in arm.items() if key not in OLD_BEHAVIOUR or value not in (None, OLD_BEHAVIOUR[key])
    }
    if schedule == GROW:
        arm["schedule"] = schedule
    own_pair = (str(rows["base"]["model"]), str(rows["motivated"]["model"]))
    return ArmSettings(schedule, str(row["data"]), common, arm, False, own_pair)
