"""Two nested character models under Lightning: an ordinary LightningModule, and a callback that alternates.

python examples/with_lightning.py --out results/lightning    # needs: pip install lightning
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from own_loop import CharacterModel, batches, loss_of, loss_on, pydoc_text, record_of

import seekcli


class Alternate(lightning.Callback):
    """After each batch the decision and the switch; after each epoch both models evaluated, each as it is kept."""

    def __init__(
        self, alternating: seekcli.Alternating, metrics: dict[str, Callable[[torch.nn.Module], float]]
    ) -> None:
        self.alternating, self.metrics = alternating, metrics

    def on_fit_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.accumulate_grad_batches != 1:
            raise ValueError("accumulate_grad_batches: 1, as Lightning gives a callback the loss of one batch")

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        self.alternating.step(outputs["loss"])

    def on_train_epoch_end(self, *_: Any) -> None:
        self.alternating.end_epoch(self.metrics)


class Nested(lightning.LightningModule):
    """Both models are parts of it, so that Lightning moves them; a batch goes through the one whose turn it is."""

    def __init__(self, alternating: seekcli.Alternating) -> None:
        super().__init__()
        self.alternating = alternating
        self.base, self.motivated = alternating.models["base"], alternating.models["motivated"]

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        model, _ = self.alternating.active
        return loss_of(model, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.alternating.active_optimizer()


class OfEpoch(torch.utils.data.IterableDataset):
    """Ready batches, others in each epoch."""

    def __init__(self, alternating: seekcli.Alternating, draw: Callable[[int], list[torch.Tensor]]) -> None:
        self.alternating, self.draw = alternating, draw

    def __iter__(self):
        return iter(self.draw(self.alternating.epoch))


def fit(
    alternating: seekcli.Alternating, draw: Callable[[int], list[torch.Tensor]], epochs: int, **metrics: Any
) -> None:
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Alternate(alternating, metrics)],
    )
    loader = torch.utils.data.DataLoader(OfEpoch(alternating, draw), batch_size=None)
    trainer.fit(Nested(alternating), loader)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="an epoch")
    parser.add_argument("--out", type=Path, default=Path("results/lightning"))
    asked = parser.parse_args()
    symbols, train_text, held_out = pydoc_text()
    torch.manual_seed(0)
    small, large = CharacterModel(symbols, depth=1), CharacterModel(symbols, depth=3)
    pair = seekcli.Pair.nested(
        small, large, blocks=("blocks",), silence=("attn.out_proj", "fc2"), sample=held_out[0][:, :-1]
    )
    alternating = seekcli.Alternating(
        pair,
        optimizers=(torch.optim.AdamW(small.parameters(), 3e-3), torch.optim.AdamW(large.parameters(), 3e-3)),
        condition=seekcli.conditions.Loss(k=2),
        record=record_of(asked, 0, (small, large)),
    )
    fit(
        alternating,
        lambda epoch: batches(train_text, epoch + 1, asked.steps),
        asked.epochs,
        test_loss=lambda model: loss_on(model, held_out),
    )
    print(f"share of motivated steps {alternating.share:.1%}; seek compare {asked.out}")


if __name__ == "__main__":
    main()
