"""Two nested character models under Hugging Face's Trainer: a Trainer that alternates.

python examples/with_transformers.py --out results/transformers    # needs: pip install transformers accelerate
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from own_loop import CharacterModel, batches, loss_of, loss_on, pydoc_text, record_of
from transformers import Trainer, TrainerCallback, TrainingArguments

import seekcli


class Nested(torch.nn.Module):
    """Both models are parts of it, so that the Trainer finds them; a batch goes through the one whose turn it is.

    Models are on their device before `Alternating` is made: the Trainer then has nothing to move.
    """

    def __init__(self, alternating: seekcli.Alternating) -> None:
        super().__init__()
        self.alternating = alternating
        self.base, self.motivated = alternating.models["base"], alternating.models["motivated"]

    def forward(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        model, _ = self.alternating.active
        return {"loss": loss_of(model, tokens)}


class AlternatingTrainer(Trainer):
    """Adds up the loss of each update, which the Trainer divides by its micro-batches, and decides after the update."""

    def __init__(
        self, alternating: seekcli.Alternating, metrics: dict[str, Callable[[torch.nn.Module], float]], **options: Any
    ) -> None:
        optimizer = alternating.active_optimizer()
        steady = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)  # or a schedule over both optimizers
        super().__init__(model=Nested(alternating), optimizers=(optimizer, steady), **options)
        self.update_loss: torch.Tensor | float = 0.0
        self.add_callback(Alternate(self, alternating, metrics))

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **named)
        self.update_loss = self.update_loss + loss
        return loss


class Alternate(TrainerCallback):
    def __init__(self, trainer: AlternatingTrainer, alternating: seekcli.Alternating, metrics: dict[str, Any]) -> None:
        self.trainer, self.alternating, self.metrics = trainer, alternating, metrics

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.alternating.step(self.trainer.update_loss)
        self.trainer.update_loss = 0.0

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.alternating.end_epoch(self.metrics)


class Windows(torch.utils.data.Dataset):
    """All training windows of the run, in the order in which they are drawn."""

    def __init__(self, windows: torch.Tensor) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"tokens": self.windows[index]}


def fit(
    alternating: seekcli.Alternating, windows: torch.Tensor, epochs: int, out: Path, batch: int, **metrics: Any
) -> AlternatingTrainer:
    arguments = TrainingArguments(
        output_dir=str(out),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        max_grad_norm=0,  # of 1.0 the Trainer clips: then a loop that is compared with it has to clip too
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = AlternatingTrainer(alternating, metrics, args=arguments, train_dataset=Windows(windows))
    trainer.train()
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="an epoch")
    parser.add_argument("--out", type=Path, default=Path("results/transformers"))
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
    drawn = batches(train_text, 1, asked.steps)
    windows = torch.cat(drawn)
    out = asked.out / "trainer"
    fit(alternating, windows, asked.epochs, out, len(drawn[0]), test_loss=lambda model: loss_on(model, held_out))
    print(f"share of motivated steps {alternating.share:.1%}; seek compare {asked.out}")


if __name__ == "__main__":
    main()
