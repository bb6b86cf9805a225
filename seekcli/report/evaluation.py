"""What `seek evaluate` found of one model, as lines of text."""

from __future__ import annotations

from typing import Any

from seekcli.errors import visible
from seekcli.report.predictions import Predictions, confusion_text


def text_evaluation_text(result: dict[str, Any]) -> str:
    """Of a language model."""
    pair = f" of {result['pair']}" if result["pair"] else " (trained alone)"
    recorded = result["recorded_test_loss"]
    beside = "no recorded loss: the run was made on another text"
    if recorded is not None:
        verdict = "equal" if result["equals_recorded"] else f"{result['test_loss'] - recorded:+.3g}"
        beside = f"recorded {recorded:.4f} {when_recorded(result)}: {verdict}"
    perplexity = result["test_perplexity"]
    counts = f"{result['test_windows']:,} windows, {result['test_tokens']:,} tokens, {result['test_bytes']:,} bytes"
    among = result["training_windows_among_them"]
    return "\n".join(
        [
            f"model       {result['model']}, {result['role']}{pair}, from {visible(result['source'])}",
            f"data        {visible(result['data'])}, {counts}; {result['device']}, {result['precision']}",
            f"windows     {visible(result['windows_taken'])}",
            *([] if among is None else [f"overlap     {visible(among)}"]),
            f"loss        {result['test_loss']:.4f} nats per token  ({beside})",
            f"perplexity  {'more than a number holds' if perplexity is None else f'{perplexity:.2f}'}",
            f"bits        {result['test_bits_per_byte']:.4f} per byte",
        ]
    )


def own_task_text(result: dict[str, Any]) -> str:
    """Of a task of somebody's own: each number beside the recorded one."""
    pair = f" of {result['pair']}" if result["pair"] else " (trained alone)"
    names = [name for name in result if name.startswith("test_") and f"recorded_{name}" in result]
    verdict = "equal" if result["equals_recorded"] else "not equal"
    counts = f"{result['test_examples']:,} test {result['examples']}"
    changed = f"; {result['task_source']}" if result["task_source"] else ""
    lines = {
        "model": f"{result['model']}, {result['role']}{pair}, from {visible(result['source'])}",
        "data": f"{visible(result['data'])}, {counts}; {result['device']}, {result['precision']}",
        "task": f"{result['task']}{changed}",
    }
    for name in names:
        recorded = result[f"recorded_{name}"]
        beside = "not recorded" if recorded is None else f"recorded {recorded:.4f} after epoch {result['epoch']}"
        lines[name.removeprefix("test_")] = f"{result[name]:.4f}  ({beside})"
    lines["recorded"] = f"{verdict} to what the run recorded"
    width = max(map(len, lines)) + 2
    return "\n".join(f"{word:<{width}}{text}" for word, text in lines.items())


def when_recorded(result: dict[str, Any]) -> str:
    left = result["unfinished"]
    return f"after step {left['steps_done']:,} of an unfinished run" if left else f"after epoch {result['epoch']}"


def evaluation_text(result: dict[str, Any], answers: Predictions | None = None) -> str:
    if "test_windows" in result:
        return text_evaluation_text(result)
    if "task_source" in result:
        return own_task_text(result)
    pair = f" of {result['pair']}" if result["pair"] else " (trained alone)"
    recorded = result["recorded_test_accuracy_percent"]
    beside = "no recorded accuracy: the run was made on other data"
    if recorded is not None:
        difference = result["test_accuracy_percent"] - recorded
        verdict = "equal" if result["equals_recorded"] else f"{difference:+.2f} points"
        beside = f"recorded {recorded:.2f} % {when_recorded(result)}: {verdict}"
    images, runtime = f"{result['test_images']:,} test images", f"{result['device']}, {result['precision']}"
    lines = [
        f"model     {result['model']}, {result['role']}{pair}, from {visible(result['source'])}",
        f"data      {visible(result['data'])}, {images}; {runtime}",
        f"images    {visible(result['images_taken'])}",
        f"accuracy  {result['test_accuracy_percent']:.2f} %  ({beside})",
    ]
    if result["training_images_among_them"] is not None:
        lines.append(f"overlap   {visible(result['training_images_among_them'])}")
    if result["recalibration"] is not None:
        lines.append(f"mended    {result['recalibration']}")
    if result["test_top5_accuracy_percent"] is not None:
        lines.append(f"top 5     {result['test_top5_accuracy_percent']:.2f} %")
    seen = sum(one["images"] > 0 for one in result["classes"])
    if result["test_classes_imbalanced"] and seen > 1:  # of one class alone it is the accuracy again
        balanced, which = result["test_balanced_accuracy_percent"], "the classes, which are of unequal size"
        if seen < len(result["classes"]):
            which = f"the {seen} classes that have images here"
        lines.append(f"balanced  {balanced:.2f} %  (mean over {which})")
    if answers is not None:
        lines.append(confusion_text(answers))
    return "\n".join(lines)
