"""One run on disk: where it lives, how it stands there, and all that can be read of it. `writer.py` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.config.identity import run_id, run_key
from seekcli.config.schema import RunConfig
from seekcli.documents import read_document
from seekcli.errors import BadInput, DamagedRun, MissingSource, NewerFile
from seekcli.runs import finished_tables, model_files, records
from seekcli.runs.checkpoint_files import check_checkpoint, checkpoints
from seekcli.runs.config_file import ConfigFile, read_config
from seekcli.runs.data_contents import refuse_other_contents
from seekcli.runs.liveness import is_being_written
from seekcli.runs.parquet import read_table, table_problem
from seekcli.runs.records import Row, RunStatus

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

TRACKING = "tracking.json"  # the name of the run in trackers; no other file of a run knows of them
AFRESH = "use --fresh to set this run aside and start again"


class RunFolder:
    """The folder of one run, there or not. A name of a file is an attribute; a method reads, anew at each call.

    Methods raise BadInput, naming the file, for what is missing, damaged, newer than this program, or of another run
    than `owner`, the run id that the folder should hold (not known: any). `asked` is the config that the folder was
    looked up for.
    """

    def __init__(self, path: Path, owner: str | None = None, asked: RunConfig | None = None) -> None:
        self.path, self.owner, self.asked = path, owner, asked

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run that is there. Raises BadInput for another folder, a file or nothing."""
        folder = cls(path)
        if folder.holds_run:
            return folder
        if path.is_file():
            raise BadInput(f"{path} is a file: name the run folder that it is in")
        if not path.is_dir():
            raise MissingSource(f"{path} is not a folder" if path.exists() else f"{path} does not exist")
        hint = f"; name one of the runs under {path / 'runs'}" if (path / "runs").is_dir() else ""
        raise BadInput(f"{path} is not a run folder (it has no {records.CONFIG}){hint}")

    @classmethod
    def of(cls, results: Path, config: RunConfig) -> RunFolder:
        """Where the run of this config is, or would be."""
        owner = run_id(config)
        return cls(results / "runs" / owner, owner, config)

    @property
    def config_path(self) -> Path:
        return self.path / records.CONFIG

    @property
    def status_path(self) -> Path:
        return self.path / records.STATUS

    @property
    def environment_path(self) -> Path:
        return self.path / records.ENVIRONMENT

    @property
    def epochs_path(self) -> Path:
        return self.path / records.EPOCHS

    @property
    def steps_path(self) -> Path:
        return self.path / records.STEPS

    @property
    def classes_path(self) -> Path:
        return self.path / records.CLASSES

    @property
    def checkpoints_path(self) -> Path:
        return self.path / records.CHECKPOINTS

    @property
    def tracking_path(self) -> Path:
        return self.path / TRACKING

    @property
    def holds_run(self) -> bool:
        return self.config_path.is_file() or self.status_path.is_file()

    @property
    def has_config(self) -> bool:
        return self.config_path.exists()

    @property
    def is_being_written(self) -> bool:
        """Whether a live process holds its lease."""
        return is_being_written(self.path)

    def state_now(self, status: RunStatus) -> str:
        """That of the status; `interrupted` where it says that it runs and its process is gone."""
        return "interrupted" if status.state == "running" and not self.is_being_written else status.state

    # --- what it holds ---

    def config_file(self) -> ConfigFile:
        """What config.json says: the settings, the run id and the facts of the data."""
        return read_config(self.path)

    def config(self) -> RunConfig:
        """The full resolved settings."""
        return self.config_file().config

    def readable_config(self) -> ConfigFile | None:
        """As `config_file`, None where that would raise."""
        try:
            return self.config_file()
        except BadInput:
            return None

    def facts(self) -> Mapping[str, Any]:
        """What the data turned out to be; empty where config.json cannot be read or says nothing of it."""
        found = self.readable_config()
        return found.facts if found else {}

    def status(self) -> RunStatus:
        """Where the run stands, and its last numbers."""
        return records.read_status(self.path, self.owner)

    def environment(self) -> dict[str, Any] | None:
        """What it runs on; None where that was not recorded."""
        path = self.environment_path
        if not path.exists():
            return None
        found = read_document(path, since="run_id")
        if not isinstance(found, dict):
            raise BadInput(f"{path} is damaged (not a mapping)")
        if self.owner is not None and (stored := found.get("run_id", self.owner)) != self.owner:
            raise BadInput(f"{path} belongs to another run, {stored}")
        return found

    def tracker_key(self) -> str | None:
        """The name by which trackers know this folder; None where none does, or the file that says so is damaged."""
        try:
            found = read_document(self.tracking_path, since="run_id")
        except BadInput:
            return None
        return str(found["key"]) if isinstance(found, dict) and found.get("run_id") == self.owner else None

    def epochs(self) -> list[Row]:
        """The epoch table as rows: one an epoch and role."""
        return records.read_epochs(self.epochs_path, self.owner)

    def steps(self) -> dict[str, list[Any]]:
        """The step table as columns: one row an update."""
        return records.read_steps(self.steps_path, self.owner)

    def steps_of(self, role: str) -> NDArray[np.bool_]:
        """Which rows of the step table are of this role, in their order: of a long run without an object a row."""
        table = read_table(self.steps_path, records.STEP_TABLE, self.owner, records.STEP_TABLE.key)
        found: NDArray[np.bool_] = table.column("role").to_numpy() == role
        return found

    def classes(self) -> list[Row]:
        """The table of classes as rows, of the last evaluation."""
        return records.read_classes(self.classes_path, self.owner)

    def weights_path(self, role: str) -> Path:
        return model_files.weights_path(self.path, role)

    def weights(self, role: str, sha256: str | None = None) -> dict[str, Tensor]:
        """The tensors of a role's model file, on the CPU; the file has to have the digest, where one is given."""
        from seekcli.runs.weights import read_weights

        return read_weights(self.weights_path(role), sha256)

    def checkpoints(self) -> list[Path]:
        """Oldest first."""
        return checkpoints(self.checkpoints_path)

    def checkpoint(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and the plain state of one of them."""
        from seekcli.runs.checkpoint import read_checkpoint

        return read_checkpoint(path, self.owner or self.status().run_id)

    def load_checkpoint(self, path: Path, load: Callable[[Mapping[str, Tensor], Mapping[str, Any]], None]) -> None:
        """Give `load` what one of them holds."""
        from seekcli.runs.checkpoint import load_one

        load_one(path, self.owner or self.status().run_id, load)

    # --- how it stands ---

    def standing(self, whole: bool = True) -> str:
        """ "finished", "failed" (it starts again, or goes on), "unfinished" or "new".

        Raises DamagedRun. Without `whole` tables and model files are not read, for lists of many runs.
        """
        return self.standing_with_status(whole)[0]

    def standing_with_status(self, whole: bool = True) -> tuple[str, RunStatus | None]:
        """The same with the status, where there is one."""
        if (status := self.finished_status(whole)) is not None:
            return "finished", status
        if not self.has_config:
            return "new", None
        if not self.status_path.exists():
            return "unfinished", None
        status = self.status()
        if not self.is_being_written:
            self.check_can_go_on(status)
        return "failed" if status.state == "failed" else "unfinished", status

    def check_can_go_on(self, status: RunStatus) -> None:
        """Raise DamagedRun, as going on would, for a table of saved epochs that is gone or cut off; none is read."""
        if not status.epochs_done or not any(self.checkpoints_path.glob("step-*.safetensors")):
            return
        written = [self.classes_path] if self.classes_path.exists() else []  # by the first evaluation
        for path in (self.epochs_path, self.steps_path, *written):
            if problem := table_problem(path):
                raise DamagedRun(f"{problem}; {AFRESH}")

    def standing_or_damage(self) -> tuple[str, str | None]:
        """`standing` for lists of runs, which go on after a bad one: ("damaged" or "newer", what is wrong with it)."""
        try:
            return self.standing(whole=False), None
        except BadInput as error:
            return records.NEWER if isinstance(error, NewerFile) else "damaged", str(error)

    def epochs_problem(self) -> str | None:
        """What is plainly wrong with the table of epochs, where there is one: its first and last bytes are read."""
        return table_problem(self.epochs_path) if self.epochs_path.is_file() else None

    def finished_status(self, whole: bool = True) -> RunStatus | None:
        """The status of a run that is done, None for one that is not. Raises DamagedRun when its files are damaged."""
        if not self.has_config:
            if any(self.path.glob("checkpoint/*")) or self.epochs_path.exists():
                raise DamagedRun(f"{self.config_path} is missing from a run that has begun; {AFRESH}")
            return None
        self.check_config(whole)
        if not self.status_path.exists():
            return None
        try:
            status = self.status()
            if status.state == "finished":
                self.check_finished(status, whole)
        except NewerFile:
            raise
        except BadInput as error:
            raise DamagedRun(f"{error}; {AFRESH}") from None
        return status if status.state == "finished" else None

    def check_config(self, whole: bool = True) -> None:
        """Raise DamagedRun unless config.json is that of the run asked for (by its id alone without `whole`), BadInput
        where its data has changed."""
        try:
            stored = self.config_file()
        except NewerFile:
            raise
        except BadInput as error:
            raise DamagedRun(f"{error}; {AFRESH}") from None
        asked = self.asked or stored.config
        name = self.owner if self.asked is not None and self.owner is not None else run_id(asked)
        if stored.run_id != name or (whole and run_key(stored.config) != run_key(asked)):
            whose = f" but of {stored.run_id}" if stored.run_id != name else ""
            raise DamagedRun(f"{self.config_path} is not the config of this run{whose}; {AFRESH}")
        refuse_other_contents(stored, asked.data)

    def check_finished(self, status: RunStatus, whole: bool = True) -> None:
        """Raise BadInput, naming it, for a file of a finished run that is missing or damaged. They may be large:
        without `whole` ends of tables and sizes of model files are looked at."""
        if not whole:
            finished_tables.check_ends(self.path, status)
        elif len(self.epochs()) != status.epochs_done * len(status.models):
            raise BadInput(f"{self.epochs_path} lacks rows of a finished run")
        else:
            finished_tables.check_tables(self.path, status)
            self.environment()
            for path in self.checkpoints():
                check_checkpoint(path, status.run_id)
        model_files.check_model_files(self.path, status, whole)

    def check_epochs(self, status: RunStatus) -> None:
        """Raise BadInput unless the epoch table is the one that a finished run's status was written for."""
        finished_tables.check_epochs(self.path, status)

    def unverifiable_note(self) -> str | None:
        """Of a finished run that an earlier version wrote, which recorded no digests of model files."""
        return model_files.unverifiable_note(self.status())
