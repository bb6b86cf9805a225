"""Batches of a text: its windows in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

import torch
from torch import Tensor

from seekcli.data.loading.row_batches import RowBatches


class WindowBatches(RowBatches):
    """The batches of one run on its device: tokens int64 [B, T], and the token that follows each, int64 [B, T].

    The text is on the device once, in the type that it is kept in; an epoch shows each training window once.
    """

    examples = "windows"

    def at(self, rows: tuple[Tensor, Tensor], index: Tensor | slice) -> tuple[Tensor, Tensor]:
        seen, following = rows
        return seen[index].to(torch.int64), following[index].to(torch.int64)
