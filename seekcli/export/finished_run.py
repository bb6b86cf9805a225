"""The run that a model is taken from: found by path or id, checked to be finished, described as a card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import Tensor

import seekcli
from seekcli.config.identity import OLD_BEHAVIOUR
from seekcli.config.pair_settings import is_own_model
from seekcli.config.schema import RunConfig
from seekcli.documents import first_problem
from seekcli.errors import BadInput, MissingSource, unknown
from seekcli.export.card import (
    CARD_FORMAT,
    OF_IMAGES,
    SCALE,
    TOKENS,
    ArchitectureCard,
    Card,
    EvaluationCard,
    InputCard,
    ResultCard,
    StatisticsCard,
    TimmCard,
    TrainingCard,
    UnfinishedCard,
    WeightsCard,
)
from seekcli.export.tokens import TextCard
from seekcli.method.roles import ROLES
from seekcli.models.catalog import family_of, has_running_statistics, model_spec
from seekcli.models.timm_form import stem_of, timm_form
from seekcli.runs import records
from seekcli.runs.config_file import RecordedFacts
from seekcli.runs.folder import RunFolder
from seekcli.runs.model_files import AFRESH
from seekcli.runs.records import RunStatus

DATA_SETTINGS = ("rules", "whole_digest", "grey_bits", "test_images")
# What a card takes from the last epoch's rows.
TRAINING_KEYS = ("schedule", "seed", "recipe", "data", "condition", "k", "init", "map")
ROW_KEYS = ("role", "model", "pair", "epoch", "test_accuracy_percent", "test_loss", *TRAINING_KEYS)


@dataclass(frozen=True)
class FinishedRun:
    """A run folder whose run is finished, read once."""

    recalibrated_when: ClassVar[str] = "at the end of training"
    folder: RunFolder
    config: RunConfig
    facts: RecordedFacts
    status: RunStatus
    environment: dict[str, Any]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(row["role"] for row in self.status.final)

    @property
    def steps(self) -> int:
        """Updates of the whole run."""
        return self.status.steps_done

    @property
    def unfinished(self) -> UnfinishedCard | None:
        return None

    def weights_path(self, role: str) -> Path:
        return self.folder.weights_path(role)

    def weights(self, role: str) -> dict[str, Tensor]:
        """The tensors of a role's model file. Raises BadInput unless it is there and is the one that was recorded."""
        try:
            return self.folder.weights(role, self.status.weights_sha256.get(role))
        except BadInput as error:
            if " is damaged" in str(error) or "does not exist" in str(error):
                raise BadInput(f"{error}; {AFRESH}") from None
            raise

    def final_row(self, role: str) -> dict[str, Any]:
        """The last epoch's row of a role. Raises BadInput naming the roles that the run has."""
        for row in self.status.final:
            if row["role"] == role:
                return row
        raise BadInput(f"--role {role}: run {self.status.run_id} has only the {' and '.join(self.roles)} model")

    def card(self, role: str, weights: WeightsCard) -> Card:
        """The card of a role's model. Raises BadInput when what is recorded of the run makes none."""
        try:
            return self._card(role, weights)
        except ValidationError as error:
            where = f"{self.folder.status_path} or {self.folder.config_path.name}"
            raise BadInput(f"{where} is damaged: {first_problem(error)}") from None

    def _input_card(self) -> InputCard:
        facts, data = self.facts, self.config.data
        cropped = data.is_streamed and data.fit == "crop"
        return InputCard(
            channels=facts.channels,
            image_size=facts.image_size,
            fit=data.fit,
            test_crop=data.test_crop if cropped else None,
            scale=SCALE if data.context_length is None else TOKENS,
            mean=facts.mean,
            std=facts.std,
        )

    def _text_card(self) -> TextCard | None:
        """None for image classifiers."""
        data = self.config.data
        if data.context_length is None:
            return None
        return TextCard(tokenizer=data.tokenizer or "characters", context_length=data.context_length)

    def _card(self, role: str, weights: WeightsCard) -> Card:
        row, facts = self.final_row(role), self.facts
        text = self._text_card()
        measured = "test_accuracy_percent" if text is None else "test_bits_per_byte"
        if row.get(measured) is None:
            what = "accuracy" if text is None else "bits per byte"
            raise BadInput(f"{self.folder.status_path} has no {what} of the last epoch for the {role} model")
        return Card(
            format_version=OF_IMAGES if text is None else CARD_FORMAT,
            text=text,
            model=row["model"],
            family=model_spec(row["model"]).family,
            role=role,
            pair=row["pair"],
            classes=facts.classes,
            class_names=facts.class_names,
            input=self._input_card(),
            architecture=architecture_card(row["model"], facts, getattr(self.config.pair, f"{role}_source_sha256")),
            weights=weights,
            result=ResultCard(
                test_accuracy_percent=row["test_accuracy_percent"],
                test_loss=row["test_loss"],
                test_perplexity=row["test_perplexity"] if text else None,
                test_bits_per_byte=row["test_bits_per_byte"] if text else None,
                test_images=facts.test_images,
                epoch=row["epoch"],
            ),
            statistics=self._statistics_card(row),
            evaluation=self._evaluation_card(),
            training=self._training_card(row),
            seekcli=seekcli.__version__,
            torch=torch.__version__,
        )

    def _statistics_card(self, row: dict[str, Any]) -> StatisticsCard | None:
        """None for a model that has no running statistics."""
        if not self._has_statistics(row):
            return None
        config = self.config
        batches = 0 if config.classic else config.pair.recalibrate_batches or 0
        as_trained = row.get("test_accuracy_as_trained_percent")
        return StatisticsCard(
            buffers=None if config.classic else config.pair.buffers,
            recalibrated_batches=batches,
            recalibrated=self.recalibrated_when if batches else None,
            test_accuracy_as_trained_percent=row["test_accuracy_percent"] if as_trained is None else as_trained,
        )

    def _has_statistics(self, row: dict[str, Any]) -> bool:
        """Of a module of one's own its tensors tell."""
        if is_own_model(row["model"]):
            return any(name.endswith("running_mean") for name in self.weights(row["role"]))
        return has_running_statistics(row["model"])

    def _evaluation_card(self) -> EvaluationCard:
        runtime, environment = self.config.runtime, self.environment
        return EvaluationCard(
            batch_size=self.config.train.eval_batch_size,
            precision=runtime.precision,
            layout=runtime.layout,
            device_type=runtime.device.partition(":")[0],
            **{key: environment.get(key) for key in ("device", "cpu", "threads", "torch")},
        )

    def _training_card(self, row: dict[str, Any]) -> TrainingCard:
        config = self.config
        return TrainingCard(
            run_id=self.status.run_id,
            extends=config.extend.run,
            epochs=self.status.epochs,
            steps=self.steps,
            unfinished=self.unfinished,
            data_fingerprint=config.data.fingerprint,
            data_contents=self.facts.contents,
            data_settings=data_settings(config),
            limit_train=config.data.limit_train,
            train_images=self.facts.train_images,
            **{key: row[key] for key in TRAINING_KEYS},
        )


def architecture_card(model: str, facts: RecordedFacts, source_sha256: str | None = None) -> ArchitectureCard:
    spec = model_spec(model)
    form = timm_form(spec, facts.classes, facts.channels, facts.image_size)
    return ArchitectureCard(
        stem=stem_of(spec, facts.image_size),
        patch_size=family_of(model).patch_at(facts.image_size),
        timm=form and TimmCard(**asdict(form)),
        source_sha256=source_sha256,
    )


def data_settings(config: RunConfig) -> dict[str, Any]:
    """The settings of [data] that decide which data it is and which images are the test split."""
    values = {name: getattr(config.data, name) for name in DATA_SETTINGS}
    return {name: value for name, value in values.items() if value != OLD_BEHAVIOUR[f"data.{name}"]}


def open_run(path: Path) -> FinishedRun:
    """Raises BadInput for a run that is not finished, or naming the file that is missing or damaged."""
    run = read_run_as_it_is(path)
    folder, status = run.folder, run.status
    if status.state != "finished":
        done = f"{records.done_in_words(status, run.config.train.steps)} done"
        raise MissingSource(
            f"run {status.run_id} is not finished ({folder.state_now(status)}, {done}): its models are not final; "
            "the same `seek train` command goes on with it, `seek export` writes those of its last checkpoint"
        )
    lacking = [name for row in status.final for name in ROW_KEYS if name not in row]
    if lacking or not status.final:
        what = f"its final rows lack {lacking[0]}" if lacking else "it has no final rows"
        raise BadInput(f"{folder.status_path} is damaged: {what}")
    if folder.epochs_path.exists():
        with saying_what_helps():
            folder.check_epochs(status)
    return run


def read_run_as_it_is(path: Path) -> FinishedRun:
    """As `open_run`, whatever the state of the run is."""
    with saying_what_helps():
        folder, config, facts, status = read_documents(path)
    return FinishedRun(folder, config, facts, status, recorded_environment(folder))


@contextmanager
def saying_what_helps() -> Iterator[None]:
    """Of a damaged file: to make the run anew."""
    try:
        yield
    except BadInput as error:
        if type(error) is not BadInput or " is damaged" not in str(error):
            raise
        raise BadInput(f"{error}; {AFRESH}") from None


def read_documents(path: Path) -> tuple[RunFolder, RunConfig, RecordedFacts, RunStatus]:
    """Its settings, the facts of its data and its status. Raises BadInput as `open_run`."""
    folder = RunFolder(path)
    document = folder.config_file()
    if document.facts.get("made_by") == "own loop":
        raise BadInput(
            f"{path} is of a loop of one's own, whose models seek cannot build: their weights are base.safetensors and "
            "motivated.safetensors in it"
        )
    facts = document.recorded_facts()
    if not folder.status_path.exists():
        if folder.epochs_path.exists():
            raise BadInput(f"{folder.status_path} is missing; the same `seek train` command makes it again")
        raise MissingSource(f"run {document.run_id} is not finished: it has not done an epoch yet")
    status = folder.status()
    if status.run_id != document.run_id:
        raise BadInput(f"{folder.status_path} belongs to another run ({status.run_id}) than {document.path}")
    return RunFolder(path, status.run_id), document.config, facts, status


def recorded_environment(folder: RunFolder) -> dict[str, Any]:
    """Empty where there is none. Raises BadInput when it is damaged or of another run."""
    try:
        return folder.environment() or {}
    except BadInput as error:
        raise BadInput(f"{error}; remove it to go on without knowing what the run ran on") from None


def choose_roles(run: FinishedRun, asked: str | None) -> tuple[str, ...]:
    """None is every role the run has; `both` needs both. Raises BadInput for a role that it has not."""
    if asked is None:
        return run.roles
    if asked not in (*ROLES, "both"):
        raise unknown("--role", asked, (*ROLES, "both"))
    roles = ROLES if asked == "both" else (asked,)
    for role in roles:
        run.final_row(role)
    return roles
