"""The last words of a run: accuracies, share, cost, time, and where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seekcli.errors import BadInput, visible
from seekcli.method.cost_measures import mean_forward_cost
from seekcli.plain_data import json_text
from seekcli.runs import records
from seekcli.runs.data_contents import TOKEN_BYTES
from seekcli.runs.folder import RunFolder
from seekcli.runs.records import RunStatus, motivated_image_share

# The largest class of a test split over its smallest, from which on the accuracy alone says too little.
IMBALANCED = 1.5


ACCURACIES = (
    "test_accuracy_percent",
    "test_top5_accuracy_percent",
    "test_balanced_accuracy_percent",
    "validation_accuracy_percent",
    "test_accuracy_as_trained_percent",
)
TEXT_MEASURES = ("test_loss", "test_perplexity", "test_bits_per_byte")


def is_imbalanced(folder: RunFolder) -> bool | None:
    """Whether the classes of the test split differ much in size; None where that is not known."""
    try:
        sizes = [row["images"] for row in folder.classes() if row["split"] == "test"]
    except BadInput:
        return None
    return imbalanced(sizes)


def imbalanced(images_by_class: Sequence[int]) -> bool | None:
    """Whether the accuracy alone says too little, because some classes have many more images than others."""
    return max(images_by_class) > IMBALANCED * min(images_by_class) if images_by_class else None


def recorded_image_shape(folder: RunFolder) -> list[int] | None:
    """Channels, height and width of the images that forward costs are of, or the tokens of a window of text.

    None where config.json does not say.
    """
    try:
        facts = folder.facts()
        if TOKEN_BYTES in facts:
            return [int(facts["image_size"])]
        if (shape := folder.config_file().config.data.input_shape) is not None:
            return list(shape)
        return [int(facts[key]) for key in ("channels", "image_size", "image_size")]
    except (KeyError, TypeError, ValueError):
        return None


def is_of_rows(folder: RunFolder) -> bool:
    """Whether the run was trained on rows of numbers of somebody's own."""
    try:
        return folder.config_file().config.data.input_shape is not None
    except BadInput:
        return False


def summarize(status: RunStatus, folder: RunFolder) -> dict[str, Any]:
    """The same facts as data: units in the keys, null for what does not apply."""
    totals, by_role = status.totals, {row["role"]: row for row in status.final}
    steps = totals["base_steps"] + totals["motivated_steps"]
    alternating = len(by_role) == 2
    share = totals["motivated_steps"] / steps if alternating else None
    costs = {role: row["forward_macs_per_image"] for role, row in by_role.items()}
    return {
        "run_id": status.run_id,
        "state": status.state,
        "models": status.models,
        **{name: {role: row.get(name) for role, row in by_role.items()} for name in ACCURACIES},
        **{name: {role: row.get(name) for role, row in by_role.items()} for name in TEXT_MEASURES},
        "own_metrics": {role: own_measures(row) for role, row in by_role.items()},
        "test_classes_imbalanced": is_imbalanced(folder),
        "share": share,
        "expected_share": status.expected_share,
        "expected_share_basis": records.expected_share_basis(status),
        "switches": totals["switches"],
        "image_shape": recorded_image_shape(folder),
        "rows": is_of_rows(folder),
        "forward_macs_per_image": costs,
        "f_xy_macs_per_image": None if share is None else f_xy(status, costs, share),
        "train_flops": totals["train_flops"],
        "wall_seconds": totals["epoch_seconds"],
        "folder": str(folder.path),
    }


def own_measures(row: Mapping[str, Any]) -> dict[str, float]:
    """Test metrics of a task of somebody's own, by name: all that is measured but losses, accuracies and bits."""
    names = ["test_r2", *records.own_columns([dict(row)])]
    return {
        name.removeprefix("test_"): row[name] for name in names if name[:5] == "test_" and row.get(name) is not None
    }


def f_xy(status: RunStatus, costs: dict[str, float], share: float) -> float:
    """By images; by steps where an older program did not count them."""
    by_image = motivated_image_share(status.totals)
    return mean_forward_cost(costs["base"], costs["motivated"], share if by_image is None else by_image)


def run_summary_json(status: RunStatus, folder: RunFolder) -> str:
    return json_text({"event": "finished", **summarize(status, folder)})


def run_summary_text(status: RunStatus, folder: RunFolder) -> str:
    """A few aligned lines, the same on a terminal and in a pipe."""
    facts = summarize(status, folder)
    whole = status.steps_done == status.epochs_done * status.steps_per_epoch
    last = f"after epoch {status.epochs_done}" if whole else f"after step {status.steps_done}"
    lines = [f"{role:<12}{name}: {accuracy_words(facts, role)} {last}" for role, name in status.models.items()]
    if facts["share"] is not None:
        lines.append(f"{'share':<12}{describe_share(facts, grown=status.final[0]['schedule'] == 'grow')}")
    lines.append(f"{'cost':<12}{cost_words(facts)}")
    lines.append(f"{'time':<12}{facts['wall_seconds']:.1f} s training and evaluation")
    lines.append(f"{'run':<12}{visible(facts['folder'])}")
    return "\n".join(lines)


def accuracy_words(facts: dict[str, Any], role: str) -> str:
    """`test accuracy 98.61 %`; balanced beside it where classes are of unequal size; validation where there is one."""
    test, _, balanced, validation, as_trained = (facts[name][role] for name in ACCURACIES)
    words = [] if test is None else [f"test accuracy {test:.2f} %"]
    words += text_words(facts, role) or own_words(facts, role)
    if as_trained not in (None, test):
        words.append(f"as trained {as_trained:.2f} % (before BatchNorm statistics were re-estimated)")
    if balanced is not None and facts["test_classes_imbalanced"]:
        words.append(f"balanced {balanced:.2f} %")
    if validation is not None:
        words.append(f"validation accuracy {validation:.2f} %")
    return ", ".join(words)


def text_words(facts: dict[str, Any], role: str) -> list[str]:
    """`test loss 1.6512 nats per token, perplexity 5.21, 2.3763 bits per byte`; nothing for images."""
    if facts["test_bits_per_byte"][role] is None:
        return []
    loss, perplexity, bits = (facts[name][role] for name in TEXT_MEASURES)
    return [f"test loss {loss:.4f} nats per token", f"perplexity {perplexity:.2f}", f"{bits:.4f} bits per byte"]


def own_words(facts: dict[str, Any], role: str) -> list[str]:
    """`test loss 0.5117, r2 0.4883`; nothing where there is an accuracy."""
    loss = facts["test_loss"][role]
    accuracies = [facts[f"{split}_accuracy_percent"][role] for split in ("test", "validation")]
    if loss is None or any(one is not None for one in accuracies):
        return []
    return [f"test loss {loss:.4f}", *(f"{name} {value:.4f}" for name, value in facts["own_metrics"][role].items())]


def describe_share(facts: dict[str, Any], grown: bool) -> str:
    """A batch of a growing run is an update of either model after the branch: its share is of updates."""
    expected = facts["expected_share"]
    basis = "no expectation for this condition"
    if expected is not None:
        basis = f"expected {facts['expected_share_basis']} {expected:.4f}"
    if grown:
        return f"{facts['share']:.4f} of updates are the larger model's ({basis}), branched off once"
    return f"{facts['share']:.4f} of steps motivated ({basis}), {facts['switches']} switches"


def cost_words(facts: dict[str, Any]) -> str:
    costs = {role: f"{macs / 1e6:.3f}" for role, macs in facts["forward_macs_per_image"].items()}
    shape = facts["image_shape"]
    image = f"{'x'.join(map(str, shape))} image" if shape else "image"
    if shape and facts["rows"]:
        image = f"row of {'x'.join(map(str, shape))} numbers"
    elif shape and len(shape) == 1:
        image = f"window of {shape[0]} tokens"
    if facts["f_xy_macs_per_image"] is None:
        (cost,) = costs.values()
        return f"{cost} MMACs forward per {image}"
    mean = facts["f_xy_macs_per_image"] / 1e6
    between = f"base (F_X) {costs['base']} and larger (F_Y) {costs['motivated']}"
    return f"average step (F_XY) {mean:.3f} MMACs forward per {image}, between {between}"
