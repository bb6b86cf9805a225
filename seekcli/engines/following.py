"""The processes of a run but the first: they do what it says, hold no lease, write nothing and say nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from seekcli.config.schema import RunConfig
from seekcli.engines import leading, start
from seekcli.errors import AgreedFailure, SeekError, Stopped
from seekcli.ranks import Ranks
from seekcli.train.progress import Progress
from seekcli.train.trainer import Trainer


def follow(ranks: Ranks, stop_requested: Callable[[], str | None]) -> None:
    """Build, take states and train epochs until the first process says to leave.

    Raises Stopped where all stop, or another process is gone; and what this process alone has met.
    """
    follower = Follower(ranks, stop_requested)
    try:
        while (order := ranks.order())["do"] != leading.LEAVE:
            follower.obey(order)
    finally:
        follower.close()
        ranks.leave()


class Follower:
    """One process, with the trainer of the run that is going on."""

    def __init__(self, ranks: Ranks, stop_requested: Callable[[], str | None]) -> None:
        self.ranks, self.stop_requested = ranks, stop_requested
        self.trainer: Trainer | None = None

    def obey(self, order: Mapping[str, Any]) -> None:
        if order["do"] == leading.BUILD:
            self.close()
            self.ranks.answers(self.build(RunConfig.model_validate(order["config"]), order["data"]))
            return
        assert self.trainer is not None, "the first process has said what to build"
        if order["do"] == leading.TAKE_STATE:
            own, _ = self.trainer.state()
            self.trainer.load_state(self.ranks.copy_from_first(own), order["plain"])
            return
        try:
            self.trainer.train_epoch(self.after_step)
        except AgreedFailure:  # the first process says so
            return
        self.trainer.start_next_epoch()

    def build(self, config: RunConfig, data: list[Any]) -> str | None:
        """What keeps this process from it, in words. The weights come from the first process."""
        if config.runtime.threads:
            torch.set_num_threads(config.runtime.threads)
        try:
            dataset, self.trainer = start.load_and_build(config, Progress(), start.Beginning(), None, self.ranks)
        except SeekError as error:
            return str(error)
        return None if leading.facts_of(dataset) == data else f"--data {config.data.name} is other data here"

    def after_step(self) -> None:
        assert self.trainer is not None
        reason, save = leading.agreed(self.ranks, self.stop_requested(), False)
        if reason is not None or save:
            self.trainer.state()  # the first process looks at the last gradient now, and may refuse to save it
        if reason is not None:
            self.ranks.decided(False)  # comes when the first process has saved
            raise Stopped("")

    def close(self) -> None:
        """End what reads ahead."""
        if self.trainer is not None:
            self.trainer.batches.close()
            self.trainer = None
