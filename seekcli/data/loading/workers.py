"""Reading images ahead of the run, here or in worker processes: the same images in the same order, however many.

A worker is told what to read, piece by piece, and knows nothing else: no state, no random numbers of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seekcli.data.augment.crop_rule import CropRule, ImageRequest, decode_view
from seekcli.errors import BadInput, RunFailed
from seekcli.stop_signals import STOP_SIGNALS

# Imported once by the process that all workers are forked from, so that each starts in milliseconds.
PRELOADED = ["seekcli.data.loading.workers"]


class DecodingDataset(Dataset[Tensor | str]):
    """Turns a list of requests into images uint8 [N, S, S, 3], or into what is wrong with the first broken one.

    Said and not raised: an exception would cross to the main process with this one's traceback.
    """

    def __init__(self, rule: CropRule) -> None:
        self.rule = rule

    def __getitem__(self, requests: Any) -> Tensor | str:
        images = np.empty((len(requests), self.rule.size, self.rule.size, 3), dtype=np.uint8)
        try:
            for image, request in zip(images, requests, strict=True):
                image[:] = decode_view(self.rule, request)
        except BadInput as error:
            return str(error)
        return torch.from_numpy(images)


def read_ahead(
    rule: CropRule, pieces: Iterable[list[ImageRequest]], workers: int, ahead: int, pinned: bool = False
) -> Generator[Tensor, None, None]:
    """The images of each piece, uint8 [N, S, S, 3] in the host's memory, in the order of `pieces`.

    `ahead` pieces are read before they are asked for (none without workers). Closing the iterator ends the workers.
    Raises RunFailed that names a broken image, or says that a worker died.
    """
    options: dict[str, Any] = {}
    if workers:
        options = {"prefetch_factor": max(2, -(-ahead // workers)), "multiprocessing_context": start_method()}
    # The warning is torch's, of more workers than cores: the user's own choice.
    with warnings.catch_warnings(action="ignore"), signals_held():
        iterator = iter(
            DataLoader(
                DecodingDataset(rule), batch_size=None, sampler=pieces, num_workers=workers, collate_fn=as_it_is,
                pin_memory=pinned, worker_init_fn=outlive_stop_signals, generator=torch.Generator(), **options,
            )
        )  # fmt: skip
    try:
        while (read := next_of(iterator)) is not None:
            if isinstance(read, str):
                raise RunFailed(read)
            yield read
    finally:
        # torch would end the workers when the iterator is collected, which a traceback that holds it puts off.
        getattr(iterator, "_shutdown_workers", lambda: None)()


def next_of(iterator: Iterator[Tensor | str]) -> Tensor | str | None:
    try:
        return next(iterator, None)
    except (RuntimeError, ConnectionError, EOFError) as error:
        # A worker that dies while it hands over an image breaks the connection; torch tells of the others.
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunFailed(
            f"a data loading process died ({reason}); where memory or shared memory (/dev/shm, small in containers: "
            "docker run --shm-size) ran out, fewer --workers need less of both"
        ) from error


def start_method() -> BaseContext:
    """Never a plain fork: this process has threads, and CUDA does not survive one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@contextmanager
def signals_held() -> Iterator[None]:
    """Processes that are started inside are born with the signals blocked that ask for a stop, until they are ready."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # which lets two of the signals through again when it starts something
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def outlive_stop_signals(worker: int) -> None:
    """In a worker: the terminal's Ctrl-C and a scheduler's signals reach every process, but only the run decides.

    It finishes its step, saves, and ends the workers itself. A second SIGTERM, as Python sends when a process exits
    that did not end them, does what it says.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, heed_the_next if number == signal.SIGTERM else signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=follow_the_main_process, daemon=True).start()


def follow_the_main_process() -> None:
    """In a worker: leave when the run has died without a word. The fork server, our parent, lives as long as we do."""
    main = multiprocessing.parent_process()
    if main is not None:
        main.join()
        os._exit(1)


def heed_the_next(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def as_it_is(read: Any) -> Any:
    return read
