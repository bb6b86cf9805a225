"""Forward costs of recorded runs in the paper's FLOPs, for `seek compare --convention paper`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from seekcli.errors import BadInput
from seekcli.models.catalog import has_papers_flops

if TYPE_CHECKING:
    from seekcli.analysis.runs import Run

OTHERWISE = "leave out --convention, or choose runs by --where"


def paper_flops(run: Run, role: str) -> float:
    """The paper's FLOPs of one forward of one test image (table 8), by the run's model of a role.

    Raises BadInput for a model that the convention is not defined for, and for a run that does not say how large its
    images are.
    """
    name = run.models[role]
    if not has_papers_flops(name):
        raise BadInput(f"--convention paper is defined for CIFAR ResNets only, and {run.path} has {name}; {OTHERWISE}")
    facts = run.facts
    sizes = [facts.get(key) for key in ("classes", "channels", "image_size")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise BadInput(f"--convention paper: {run.path} does not say how large its images are; {OTHERWISE}")
    return counted_flops(name, *sizes)


@cache
def counted_flops(name: str, classes: Any, channels: Any, image_size: Any) -> float:
    from seekcli.models.costs import forward_cost
    from seekcli.models.pairs import build_model

    module = build_model(name, classes, channels, image_size)
    return float(forward_cost(module, name, (channels, image_size, image_size), "paper").per_image)
