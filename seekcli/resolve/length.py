"""How long a run of this config is, from its settings and the facts of its data."""

from __future__ import annotations

from seekcli.config.schema import RunConfig
from seekcli.data.loading.batch_bounds import batch_bounds
from seekcli.data.sets.sources import data_facts
from seekcli.train.length import RunLength


def length_of(config: RunConfig, steps_per_epoch: int) -> RunLength:
    """`train.steps` updates where they are given, else `train.epochs` whole epochs."""
    train = config.train
    return RunLength(train.epochs * steps_per_epoch if train.steps is None else train.steps, steps_per_epoch)


def planned_length(config: RunConfig) -> RunLength:
    """As `length_of`, from the facts of the data alone: it needs no data set on disk but a folder's."""
    return length_of(config, len(planned_bounds(config)))


def planned_bounds(config: RunConfig) -> list[tuple[int, int]]:
    """[(start, stop), ...] of the batches of a whole epoch, in positions of its images."""
    return batch_bounds(data_facts(config.data).train_images, config.train.batch_size, config.train.drop_last)
