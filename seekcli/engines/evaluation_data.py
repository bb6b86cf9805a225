"""Which images a model is evaluated on: the test split of its run's own data, and all images of another folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput, counted

if TYPE_CHECKING:
    from torch import nn

    from seekcli.config.schema import RunConfig
    from seekcli.config.settings import DataConfig
    from seekcli.data.sets.sources import DataFacts, Dataset
    from seekcli.export.card import Card


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate: from an export, or straight from a run (which also knows its whole config)."""

    card: Card
    model: nn.Module
    source: Path
    run: RunConfig | None = None


def load_for_card(candidate: Candidate, data: str | None, data_dir: str | None) -> Dataset:
    """The data at the card's input size, normalised by the card's mean and deviation instead of its own.

    A folder is the run's own data where its contents are, whatever its path: then the test split is that of the run. Of
    another folder every image is a test image, and there are no training images. Raises BadInput when the data does not
    fit the model; what the name alone tells is checked before anything is read.
    """
    from seekcli.data.sets.kept_listings import listings_kept

    with listings_kept():
        return load_at_once(candidate, data, data_dir)


def load_at_once(candidate: Candidate, data: str | None, data_dir: str | None) -> Dataset:
    from seekcli.data.sets import sources
    from seekcli.data.splitting.every_image import list_for_test, load_listed
    from seekcli.data.splitting.holdout import hold_out

    card = candidate.card
    asked = data_config(candidate, data, data_dir)
    own = own_data(candidate, asked, sure=data is None)
    if own is None and sources.is_folder(asked):
        listing = list_for_test(asked, card.class_names)
        check_channels(candidate, asked.name, card.input.channels, listing.channels)
        dataset = load_listed(asked, listing)
    else:
        config = own or asked
        check_shape(candidate, sources.data_facts(config))
        dataset = sources.load(config)
        if own is not None and candidate.run is not None:
            dataset = hold_out(dataset, candidate.run.data.holdout_images, candidate.run.seed)
        check_class_names(candidate, dataset)
    return replace(dataset, mean=card.input.mean, std=card.input.std)


def training_images_among(candidate: Candidate, dataset: Dataset, data: str | None, data_dir: str | None) -> str | None:
    """How many of the images that are evaluated on are training images of the run; None for none.

    Of another folder than the run's it may not be known, which is said: an export does not know where the images of its
    run lie, and those of a run may be gone.
    """
    from seekcli.data.sets.kind import FolderSet
    from seekcli.data.sets.kinds import kind_named
    from seekcli.data.sets.listings import is_folder
    from seekcli.data.splitting.every_image import list_for_test
    from seekcli.data.splitting.overlap import CHANGED_SINCE, overlap_note, overlap_with_training

    asked = data_config(candidate, data, data_dir)
    own = own_data(candidate, asked, sure=data is None)
    if own is not None:
        return overlap_note(own, dataset)
    trained_on_files = isinstance(kind_named(candidate.card.training.data), FolderSet)
    if not is_folder(asked) or not trained_on_files:
        return None
    if candidate.run is None:
        return "not looked for: an export does not know its training images, `seek evaluate RUN` does"
    if has_other_contents(candidate, candidate.run.data):
        return CHANGED_SINCE
    others = list_for_test(asked, candidate.card.class_names)
    return overlap_with_training(candidate.run.data, others)


def data_config(candidate: Candidate, data: str | None, data_dir: str | None) -> DataConfig:
    """The data that the flags name, read by the rules of the run; without `--data` it is that of the run."""
    from seekcli.config.layers import merge
    from seekcli.config.settings import DataConfig
    from seekcli.data.sets.listings import is_folder, is_gone
    from seekcli.data.sets.sources import may_not_be_fitted
    from seekcli.data.text.reading import is_text

    card = candidate.card
    name = data or card.training.data
    own_dir = candidate.run.data.dir if candidate.run is not None else None
    folder = data_dir or (own_dir if data is None else None)
    given = DataConfig(name=name, dir=folder, fingerprint=card.training.data_fingerprint)
    if folder is own_dir is not None and is_folder(given) and is_gone(given):
        raise BadInput(
            f"--data {name.partition(':')[0]}:{own_dir}: the data of the run was in {own_dir}, which is gone: --data "
            f"{form_of(name)} says where it is now"
        )
    settings: dict[str, Any] = {"data.name": name, "data.dir": folder, "data.image_size": card.input.image_size}
    settings |= {f"data.{key}": value for key, value in card.training.data_settings.items()}
    if card.input.test_crop is not None:
        settings["data.test_crop"] = card.input.test_crop
    if is_text(DataConfig(name=name)):
        raise BadInput(f"--data {name}: {candidate.source} is an image classifier, and this is a text")
    config = merge([("--data", settings)]).config.data
    if not may_not_be_fitted(config):
        config = config.model_copy(update={"fit": card.input.fit})
    if data is None and folder is None and is_folder(config):
        place = form_of(name)
        raise BadInput(f"--data: the run was made on {name}, and a card names no place: name it as --data {place}")
    return config


def form_of(name: str) -> str:
    """How data of this kind is named: `folder:DIR`."""
    from seekcli.data.sets.kinds import kind_named

    kind = kind_named(name)
    return name if kind is None else kind.form


def own_data(candidate: Candidate, asked: DataConfig, sure: bool) -> DataConfig | None:
    """The data as the run read and split it, where `asked` is that; None where it is another set.

    `sure`: it is meant to be the run's own; reading it raises BadInput where its contents are others.
    """
    from seekcli.data.sets.listings import fingerprint_of, known_by

    training = candidate.card.training
    if known_by(asked) != "name" and not sure:
        try:
            same = training.data_fingerprint is not None and fingerprint_of(asked) == training.data_fingerprint
        except BadInput:  # no set to train on: it has one class, a test split alone, ...
            same = False
    else:
        same = asked.name == training.data
    if same and has_other_contents(candidate, asked):
        if sure:
            raise BadInput(
                f"--data: {asked.dir} holds other images by now than {training.run_id} was made of, under the same "
                f"names and sizes; to evaluate on them name it, as in --data {asked.name.partition(':')[0]}:{asked.dir}"
            )
        same = False
    if not same:
        return None
    return asked.model_copy(update={"fingerprint": training.data_fingerprint, **split_settings(candidate)})


def has_other_contents(candidate: Candidate, asked: DataConfig) -> bool:
    """Whether a folder with the names and sizes that the run knew surely has other contents than it was made of."""
    from seekcli.data.sets.listings import contents_of, listing_of

    known = candidate.card.training.data_contents or contents_of_own_folder(candidate, asked)
    if known is None:
        return False
    try:
        listing = listing_of(asked)
    except BadInput:  # it is gone
        return True
    return listing is not None and contents_of(listing) != known


def contents_of_own_folder(candidate: Candidate, asked: DataConfig) -> str | None:
    """For a run of an older program, which recorded none: what its folder holds, where `asked` is another folder."""
    from seekcli.data.sets.listings import folder_of, is_folder
    from seekcli.runs.data_contents import contents_now

    own = None if candidate.run is None else candidate.run.data
    if own is None or own.rules != 1 or not is_folder(own) or not is_folder(asked):
        return None
    return None if same_place(folder_of(own), folder_of(asked)) else contents_now(own)


def same_place(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def own_data_known_by(candidate: Candidate, dataset: Dataset) -> str | None:
    """Whether the data is the run's own, and by what that is known: "contents", "names and sizes" or "name".

    None for another set.
    """
    training = candidate.card.training
    if dataset.fingerprint is not None:
        if dataset.facts.train_images and dataset.fingerprint != training.data_fingerprint:
            return None  # of one's own, and another one than the run's
        return "contents" if dataset.rules >= 2 or training.data_contents is not None else "names and sizes"
    return "name" if dataset.facts.train_images and dataset.facts.name == training.data else None


def split_settings(candidate: Candidate) -> dict[str, Any]:
    """How the run cut the data that it was made on: its test images again, and its training images alone."""
    if candidate.run is None:
        return {"limit_train": candidate.card.training.limit_train}
    data = candidate.run.data
    names = ("limit_train", "test_images", "validation_fraction", "holdout_images")
    return {name: getattr(data, name) for name in names}


def check_shape(candidate: Candidate, facts: DataFacts) -> None:
    card = candidate.card
    if facts.classes != card.classes:
        raise BadInput(f"--data {facts.name} has {facts.classes} classes, {candidate.source} has {card.classes}")
    check_channels(candidate, facts.name, card.input.channels, facts.channels)


def check_channels(candidate: Candidate, name: str, taken: int, found: int) -> None:
    if found != taken:
        raise BadInput(f"--data {name} has images of {counted(found, 'channel')}, {candidate.source} takes {taken}")


def check_class_names(candidate: Candidate, dataset: Dataset) -> None:
    """Raise BadInput unless label i of the data means what output i of the model means."""
    for index, (theirs, ours) in enumerate(zip(dataset.class_names, candidate.card.class_names, strict=True)):
        if theirs != ours:
            raise BadInput(
                f"--data {dataset.facts.name}: class {index} is {theirs!r}, that of {candidate.source} is {ours!r}: "
                "an accuracy over other classes would mean nothing"
            )


def is_read_otherwise(card: Card, dataset: Dataset) -> bool:
    """Whether the run read the folder by another loader: `imagenet:` cuts images otherwise than `folder:`."""
    from seekcli.data.sets.kind import FolderSet
    from seekcli.data.sets.kinds import kind_named

    kinds = [kind_named(name) for name in (dataset.facts.name, card.training.data)]
    return len({kind.streamed for kind in kinds if isinstance(kind, FolderSet)}) == 2


def images_taken(candidate: Candidate, dataset: Dataset) -> str:
    """Which images are evaluated on, in words."""
    if dataset.facts.train_images == 0:
        return f"another set than the run's: {dataset.split}"
    if is_read_otherwise(candidate.card, dataset):
        kind, own = (name.partition(":")[0] for name in (dataset.facts.name, candidate.card.training.data))
        how = f"cut and scaled as {kind}: does it and not as {own}: did in training"
        return f"the run's own images, but {how}: {dataset.split}"
    whose = {
        None: "the",
        "names and sizes": "the run's own data by names and sizes (other pixels would not be noticed), its",
    }.get(own_data_known_by(candidate, dataset), "the run's own data, its")
    return f"{whose} test split: {dataset.split}"
