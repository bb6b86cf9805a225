"""Which share of its training images a run gave to its larger model: what its mean forward cost F_XY is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seekcli.analysis.runs import Run
from seekcli.method.roles import ROLES
from seekcli.runs import records

# The FLOPs of a run are sums of whole numbers below 2**53 or nearly so: a count that they give is whole up to this.
WHOLE = 1e-3


def motivated_share_of_images(run: Run, facts: Mapping[str, Any]) -> float | None:
    """As recorded; of an older run what its training FLOPs say exactly; None where they do not.

    `facts` are those of its config.json.
    """
    recorded = records.motivated_image_share(run.totals)
    return _from_train_flops(run, facts.get("train_images")) if recorded is None else recorded


def _from_train_flops(run: Run, train_images: Any) -> float | None:
    """Solve 6 x (F_X x base images + F_Y x motivated images) = training FLOPs for the motivated images.

    It takes whole epochs of an alternating run whose training images are as large as those that F_X and F_Y are of.
    """
    common = run.settings.common
    known = isinstance(train_images, int) and run.settings.from_config and run.settings.schedule == "alternating"
    if not known or common.get("data.train_size") is not None or common.get("train.steps") is not None:
        return None
    row = run.rows["base"]
    f_x, f_y = (float(run.rows[role]["forward_macs_per_image"]) for role in ROLES)
    epochs, motivated_steps = int(row["epoch"]), int(run.totals["motivated_steps"])
    images = epochs * train_images
    if f_x == f_y or not images:
        return None
    found = (float(run.totals["train_flops"]) / 6 - f_x * images) / (f_y - f_x)
    batch = int(row["batch_size"])
    fits = (motivated_steps - epochs) * batch <= found <= motivated_steps * batch + WHOLE
    return round(found) / images if fits and abs(found - round(found)) < WHOLE else None
