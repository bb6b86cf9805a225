"""How fast a run would be on this machine: its own batches, steps, copies and evaluation, timed. Writes nothing."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seekcli.config.layers import Resolved
from seekcli.config.schema import RunConfig
from seekcli.engines import start
from seekcli.engines.leading import require_processes
from seekcli.errors import BadInput, RunFailed
from seekcli.method.alternating import Alternating
from seekcli.ranks import ALONE
from seekcli.report.speed import RunLengths, Speed, Timing
from seekcli.resolve.conditions import expected_share_of
from seekcli.runs.environment import describe_environment
from seekcli.train.progress import Progress
from seekcli.train.step import AUTOCAST, Readback
from seekcli.train.trainer import Trainer

# The first steps choose kernels and fill caches. A block is long beside the clock, and there are some for a spread.
WARM_UP, BLOCK_SECONDS, LEAST_BLOCKS, COPIES, TESTED_BATCHES = 3, 0.3, 3, 20, 8


def measure(resolved: Resolved, results: Path, seconds: float, progress: Progress) -> Speed:
    """Train for about `seconds` with a learning rate of 0, and evaluate; whatever is slow takes longer.

    Raises BadInput as a run would, and RunFailed where the device has no memory for it.
    """
    config = resolved.config
    if config.schedule == "grow":
        raise BadInput("seek bench times alternating runs and models alone: leave out --set schedule=grow")
    require_processes(config, ALONE)
    if config.runtime.threads:
        torch.set_num_threads(config.runtime.threads)
    _, trainer = start.load_and_build(config, progress, start.beginning_of(config, results))
    try:
        return Stopwatch(config, trainer).speed(seconds)
    except torch.OutOfMemoryError as error:
        raise RunFailed(
            f"out of memory: {error}; try a smaller --batch-size or --set train.accumulate_steps=2"
        ) from None
    finally:
        trainer.batches.close()


class Stopwatch:
    """The parts of a run, one after the other."""

    def __init__(self, config: RunConfig, trainer: Trainer) -> None:
        self.config, self.trainer = config, trainer
        self.batches = every_batch(trainer)
        self.loss = Readback(trainer.device, 1)
        self.waited: list[float] = []

    def speed(self, seconds: float) -> Speed:
        config, trainer = self.config, self.trainer
        for model in trainer.models.values():
            model.train()
        steps = self.training(seconds)
        switch, keep = self.switching(), self.keeping()
        evaluation = {role: Timing(self.evaluation(role)) for role in trainer.models}
        images = {split: len(trainer.batches.to_evaluate[split][1]) for split in trainer.batches.splits}
        length, every = trainer.length, config.train.eval_every
        due = [epoch for epoch in range(1, length.epochs + 1) if epoch % every == 0 or epoch == length.epochs]
        return Speed(
            names={role: config.model_name(role) for role in trainer.models},
            data=config.data.name,
            examples=config.data.examples,
            where=where(config, trainer.device),
            lengths=RunLengths(
                epochs=length.epochs,
                steps=length.steps,
                batch_size=config.train.batch_size,
                evaluations=len(due),
                images_per_evaluation=sum(images.values()),
                expected_share=None if config.classic else expected_share_of(config, length),
            ),
            steps={role: Timing(tuple(found)) for role, found in steps.items()},
            batches=Timing(tuple(self.waited)),
            evaluation=evaluation,
            switch=switch,
            keep=keep,
            retested_images=images.get("test", 0) if trainer.recalibration is not None else 0,
            peak_memory_bytes=peak_memory(trainer.device),
            disk_bytes=start.needed_bytes(trainer, None),
        )

    def training(self, seconds: float) -> dict[str, list[float]]:
        """Seconds a step by role and block. The roles take turns, so that what slows the machine slows both."""
        roles = list(self.trainer.models)
        lengths = {role: self.block_length(role) for role in roles}
        found: dict[str, list[float]] = {role: [] for role in roles}
        self.waited.clear()
        begin = time.perf_counter()
        while len(found[roles[-1]]) < LEAST_BLOCKS or time.perf_counter() - begin < seconds:
            for role in roles:
                found[role].append(self.block(role, lengths[role]))
        return found

    def block_length(self, role: str) -> int:
        """How many steps take BLOCK_SECONDS."""
        self.block(role, WARM_UP)
        return max(1, round(BLOCK_SECONDS / self.block(role, 1)))

    def block(self, role: str, steps: int) -> float:
        """Seconds a step, the wait for its batch taken out, which goes to `waited`."""
        trainer, waited = self.trainer, 0.0
        self.synchronise()
        begin = time.perf_counter()
        for _ in range(steps):
            asked = time.perf_counter()
            images, targets = next(self.batches)
            waited += time.perf_counter() - asked
            trainer.steps[role].take(images, targets, 0.0, self.loss.start)
            self.loss.read()
            if trainer.averages is not None:
                trainer.averages.update(role, fresh=False)
            if trainer.held_out is not None:
                trainer.held_out.loss(trainer.models[role])
        self.synchronise()
        self.waited.append(waited / steps)
        return (time.perf_counter() - begin - waited) / steps

    def switching(self) -> Timing | None:
        rule = self.trainer.turn_rule
        if not isinstance(rule, Alternating):
            return None

        def there_and_back() -> None:
            rule.state_transfer.up(fresh=False)
            rule.state_transfer.down()

        return Timing(tuple(self.timed(there_and_back) for _ in range(COPIES)))

    def keeping(self) -> Timing | None:
        """None where a run re-estimates nothing."""
        trainer = self.trainer
        if trainer.recalibration is None or not trainer.keeps_recalibrated:
            return None
        return Timing(tuple(self.timed(trainer.models_to_keep) for _ in range(LEAST_BLOCKS)))

    def evaluation(self, role: str) -> tuple[float, ...]:
        """Seconds an image, of some batches of one split."""
        trainer, split = self.trainer, self.trainer.batches.splits[0]
        seconds = []
        for _ in range(LEAST_BLOCKS):
            batches = list(islice(trainer.batches.evaluation(split), TESTED_BATCHES))
            images = sum(len(targets) for _, targets in batches)

            def evaluate(batches: list[tuple[Tensor, Tensor]] = batches) -> None:
                dtype = AUTOCAST[self.config.runtime.precision]
                trainer.task.evaluate(trainer.models[role], batches, dtype, lambda done: None)

            seconds.append(self.timed(evaluate) / images)
        return tuple(seconds)

    def timed(self, work: Callable[[], Any]) -> float:
        self.synchronise()
        begin = time.perf_counter()
        work()
        self.synchronise()
        return time.perf_counter() - begin

    def synchronise(self) -> None:
        """Wait for what the device still has to do."""
        kind = self.trainer.device.type
        if kind == "cuda":
            torch.cuda.synchronize(self.trainer.device)
        elif kind == "mps":
            torch.mps.synchronize()


def every_batch(trainer: Trainer) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of epoch after epoch, without an end."""
    for epoch in count():
        yield from trainer.batches.epoch(epoch)


def where(config: RunConfig, device: torch.device) -> dict[str, Any]:
    found = describe_environment(device)
    name = found["cpu"] if device.type == "cpu" else found["device"]
    named = {"device": f"{device.type} ({name})", "precision": config.runtime.precision}
    return {**named, "layout": config.runtime.layout, "threads": found["threads"], "torch": found["torch"]}


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device where it counts them, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
