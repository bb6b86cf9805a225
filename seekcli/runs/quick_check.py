"""Whether the files of many finished runs are those that they wrote, as far as that is seen in a moment."""

from __future__ import annotations

from pathlib import Path

from seekcli.documents import read_document
from seekcli.errors import BadInput
from seekcli.runs.checkpoint_files import check_checkpoint, checkpoints
from seekcli.runs.model_files import AFRESH, check_digest, check_size, weights_path
from seekcli.runs.records import CHECKPOINTS, ENVIRONMENT, RunStatus

# Of small models some hundred files, read in a moment. To open one counts as so many bytes.
MOST_BYTES_READ, OPENING = 64_000_000, 64_000


def problem_of_sizes(run_dir: Path, status: RunStatus) -> str | None:
    """What is wrong with the model files that are there (published runs have none), and what helps. None: nothing."""
    try:
        for path in models_there(run_dir, status).values():
            check_size(path)
    except BadInput as error:
        return f"{error}; {AFRESH}"
    return None


def models_there(run_dir: Path, status: RunStatus) -> dict[str, Path]:
    found = {role: weights_path(run_dir, role) for role in status.models}
    return {role: path for role, path in found.items() if path.is_file()}


class QuickCheck:
    """Digests of models, tables, environments and checkpoints of many runs, until so many bytes are read."""

    def __init__(self, most_bytes: int = MOST_BYTES_READ) -> None:
        self.bytes_left = most_bytes

    def problem(self, run_dir: Path, status: RunStatus) -> str | None:
        """As `problem_of_sizes`, of the contents."""
        if self.bytes_left <= 0:
            return None
        try:
            for role, path in models_there(run_dir, status).items():
                self.check(path, status.weights_sha256.get(role))
            for name, sha256 in status.tables_sha256.items():
                if self.bytes_left > 0 and (path := run_dir / name).is_file():
                    self.check(path, sha256)
            if self.bytes_left > 0 and (path := run_dir / ENVIRONMENT).is_file():
                self.bytes_left -= OPENING
                read_document(path, since="run_id")
        except BadInput as error:
            return f"{error}; {AFRESH}"
        try:
            for path in checkpoints(run_dir / CHECKPOINTS) if self.bytes_left > 0 else ():
                self.bytes_left -= max(path.stat().st_size, OPENING)
                if self.bytes_left >= 0:
                    check_checkpoint(path, status.run_id)
        except BadInput as error:  # says itself what helps
            return str(error)
        return None

    def check(self, path: Path, sha256: str | None) -> None:
        self.bytes_left -= max(path.stat().st_size, OPENING)
        if self.bytes_left >= 0:
            check_digest(path, sha256)
