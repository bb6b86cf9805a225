"""The line on a data set before an image of it is read: for `--dry-run` and `seek grid plan`."""

from __future__ import annotations

from seekcli.config.settings import DataConfig
from seekcli.data.sets.deep_images import deep_images_note
from seekcli.data.sets.listings import Listing, listing_of
from seekcli.data.sets.sources import (
    counts_in_words,
    facts_of,
    fit_note,
    folder_facts,
    limited_sizes,
    load,
    named_facts,
    rules_note,
)
from seekcli.data.splitting.splits import BOTH_SIDES, by_rules, lost_classes, quotas
from seekcli.data.splitting.validation import sizes_left
from seekcli.data.text.dataset import text_summary
from seekcli.data.text.reading import is_text


def summary_ahead(data: DataConfig) -> str:
    """As `Dataset.summary`, from what is known before an image is read: the names of the classes of a folder alone."""
    if is_text(data):
        return text_summary(data)
    if data.input_shape is not None:
        return load(data).summary  # they are in memory anyway
    listing = listing_of(data)
    facts = facts_of(data, listing)
    test = facts.test_images if data.folds is None else 0
    counts = {"training": facts.train_images, "test": test}
    held = held_out_ahead(data, listing)
    if listing is None:
        return f"{facts.name}: {counts_in_words(counts, (), facts.classes)}{fit_note(data)}{held}"
    deep = deep_images_note(data, listing) if data.rules >= 2 else ""  # else no file needs to be read yet
    notes = f"{fit_note(data)}{deep}{rules_note(data)}{held}"
    return f"{facts.name}: {counts_in_words(counts, listing.class_names)}; {listing.split}{notes}"


def held_out_ahead(data: DataConfig, listing: Listing | None) -> str:
    """What `hold_out` will take, and the classes that it takes nothing of; their sizes are known of folders alone."""
    if not data.holdout_images:
        return ""
    facts = folder_facts(data, listing) if listing is not None else named_facts(data)
    left = sizes_left(data, limited_sizes(data, facts, listing))
    held = quotas(left, data.holdout_images, by_rules(data.rules, BOTH_SIDES))
    lost = lost_classes(listing.class_names if listing is not None else (), held)
    return f"; {data.holdout_images} of {sum(left.values())} training images held out{lost}"
