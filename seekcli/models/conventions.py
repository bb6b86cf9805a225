"""By which convention the forward of a model is counted, and what was counted. Without torch.

One multiply-accumulate is 1 MAC. Three conventions, all for a single image in eval mode:

- `macs`: convolution + linear + matmul + attention. Normalisation, activations, pooling and additions count nothing.
- `flops`: 2 x `macs`.
- `paper`: 2 x (convolution and linear MACs + 2 x BatchNorm elements + ReLU elements + pooled elements), which is what
  Acheli and Gaaloul (arXiv 2602.21064, table 8) count. For CIFAR ResNets only; their other families are in MACs.
"""

from __future__ import annotations

from dataclasses import dataclass

from seekcli.errors import BadInput, unknown
from seekcli.models.catalog import has_papers_flops

UNIT_OF_CONVENTION = {"macs": "MACs", "flops": "FLOPs", "paper": "FLOPs"}
CONVENTIONS = tuple(UNIT_OF_CONVENTION)
FACTOR = {"macs": 1, "flops": 2, "paper": 2}  # by which what is counted is multiplied


@dataclass(frozen=True)
class ModelCost:
    """The forward cost of one image. The counts of `per_stage`, in order of execution, add up to `per_image`."""

    model: str
    convention: str
    image_shape: tuple[int, ...]  # C, H, W; of a window of text its tokens
    per_stage: dict[str, int]

    @property
    def per_image(self) -> int:
        return sum(self.per_stage.values())

    @property
    def unit(self) -> str:
        """MACs or FLOPs."""
        return UNIT_OF_CONVENTION[self.convention]


def check_convention(name: str, convention: str) -> None:
    """Raise BadInput unless `convention` exists and is defined for the model called `name`."""
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    if convention == "paper" and not has_papers_flops(name):
        raise BadInput(f"convention 'paper' is defined for CIFAR ResNets only, not for {name!r}; use macs or flops")
