"""What a run recorded of the contents of its data, where its id says names and sizes alone (`data.rules` 1).

Programs that know contents record them beside the facts of the data; older ones recorded mean and deviation alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seekcli.config.settings import DataConfig
from seekcli.data.sets.listings import contents_of, is_folder, listing_of
from seekcli.errors import BadInput
from seekcli.runs.config_file import ConfigFile

if TYPE_CHECKING:
    from seekcli.data.sets.sources import Dataset
    from seekcli.runs.folder import RunFolder

CONTENTS = "contents"  # a key of the facts
TOKEN_BYTES = "token_bytes"  # of a text: bytes that each token stands for
HOW_TO_GO_ON = (
    "--set data.rules=2 makes a run that knows its data by contents, --fresh sets this one aside and starts again"
)


def recorded_contents(stored: ConfigFile) -> str | None:
    """None for a run whose id holds the contents, and for one by a program that did not record them."""
    found = stored.facts.get(CONTENTS)
    return found if stored.config.data.rules == 1 and isinstance(found, str) else None


def contents_now(data: DataConfig) -> str | None:
    """Of the files that rules 1 lists; None where there is no such folder any more."""
    try:
        listing = listing_of(data.model_copy(update={"rules": 1, "whole_digest": False}))
        return None if listing is None else contents_of(listing)
    except BadInput:
        return None


def same_contents(stored: ConfigFile, data: DataConfig) -> bool | None:
    """Whether the folder of `data` holds what the run was made of; None where nothing is known of one of the two."""
    then = recorded_contents(stored)
    now = None if then is None else contents_now(data)
    return None if now is None else now == then


def refuse_other_contents(stored: ConfigFile, data: DataConfig) -> None:
    """Raise BadInput where the folder has other contents under the names and sizes that the run was made of."""
    if is_folder(data) and same_contents(stored, data) is False:
        raise BadInput(
            f"{stored.path.parent} was made of other images than {data.dir or data.name} holds now, under the same "
            f"names and sizes; {HOW_TO_GO_ON}"
        )


def refuse_other_images(folder: RunFolder, dataset: Dataset) -> None:
    """Raise BadInput for a run to be resumed whose training images had another mean or deviation when it began.

    That is all that older programs recorded of what is in the files. It is exact, and streamed images have none.
    """
    if not folder.has_config:  # set aside since it was looked at: who takes its lease says so
        return
    facts = folder.config_file().facts
    then = tuple(tuple(facts.get(name) or ()) for name in ("mean", "std"))
    now = (dataset.mean, dataset.std)
    if dataset.rules == 1 and all(then) and then != now:
        means = [", ".join(f"{value:.6f}" for value in found[0]) for found in (now, then)]
        raise BadInput(
            f"{folder.path} began with other training images than those that lie there now: their mean is {means[0]} "
            f"and was {means[1]}; {HOW_TO_GO_ON}"
        )
