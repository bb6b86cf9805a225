"""The README.md beside exported models, in the form that Hugging Face shows: what they are, how good, how to load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from seekcli import files
from seekcli.errors import BadInput, counted, human_bytes, visible
from seekcli.export.card import Card, read_card
from seekcli.models.costs import forward_cost
from seekcli.models.pairs import build_model

README = "README.md"
# A page with this line is written again by the next export into the folder; without it the page is the user's own.
OURS = "<!-- written by seek export; remove this line to keep your own text -->"
LOADING = {
    "safetensors": """from seekcli.export.load import load_model

model, card = load_model("{stem}")
logits = model(card.normalise(images))  # images [B, {channels}, {size}, {size}], uint8 0..255 or floats 0..1""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("{file}")
(logits,) = session.run(["logits"], {{"{input}": {input}}})  # {dtype} [B, {channels}, {size}, {size}], {what}""",
    "pt2": """import torch

model = torch.export.load("{file}").module()
logits = model({input})  # {dtype} [B, {channels}, {size}, {size}], {what}""",
}
LOADING_OF_TEXT = {
    "safetensors": """from seekcli.export.load import load_model

model, card = load_model("{stem}")
logits = model(card.encode("...")[None])  # tokens [1, T], T at most {size}
likeliest = card.decode(logits[0, -1:].argmax(dim=1))""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession("{file}")
(logits,) = session.run(["logits"], {{"{input}": {input}}})  # {dtype} [B, {size}]""",
    "pt2": """import torch

model = torch.export.load("{file}").module()
logits = model({input})  # {dtype} [B, {size}]""",
}


def write_model_card(folder: Path) -> Path | None:
    """Write README.md about all models in the folder; None where there is one that is not ours. Raises RunFailed."""
    path = folder / README
    if path.exists() and OURS not in path.read_text(encoding="utf-8", errors="replace"):
        return None
    cards = cards_in(folder)
    files.write_text(path, model_card(cards, {card.model: forward_macs(card) for card in cards}))
    return path


def cards_in(folder: Path) -> list[Card]:
    """The cards whose file is beside them, base first. What is no card is passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            card = read_card(path)
        except BadInput:
            continue
        if (folder / card.weights.file).is_file():
            found.append(card)
    return sorted(found, key=lambda card: (card.role, card.name, card.weights.file))


def forward_macs(card: Card) -> int:
    """Multiply-accumulates of one image of the size that the model takes, or of one whole window."""
    size = card.input
    module = build_model(card.model, card.classes, size.channels, size.image_size)
    shape = (size.channels, size.image_size, size.image_size) if card.text is None else (size.image_size,)
    return forward_cost(module, card.model, shape).per_image


def model_card(cards: Sequence[Card], macs: Mapping[str, float]) -> str:
    """The page about these cards; `macs` are those of one image, by model name."""
    by_run: dict[str, list[Card]] = {}
    for card in cards:
        by_run.setdefault(card.training.run_id, []).append(card)
    about_runs = [part for of_run in by_run.values() for part in about_run(of_run, macs)]
    parts = [front_matter(models_of(cards)), OURS, *about_runs, "## Citation", cards[0].citation]
    return "\n\n".join(parts) + "\n"


def models_of(cards: Sequence[Card]) -> list[Card]:
    """One card a model, which may be there in several formats."""
    return list({(card.training.run_id, card.name): card for card in cards}.values())


def about_run(cards: Sequence[Card], macs: Mapping[str, float]) -> list[str]:
    """What is said of the models of one run: its data, and so its input, is the same for all of them."""
    models = models_of(cards)
    first = models[0]
    return [
        f"# {visible(first.pair or first.model)} on {visible(first.training.data)}",
        *about(models),
        "## Models",
        "\n".join(table(models, macs)),
        *notes(models),
        "## Input",
        input_in_words(first) + inside_in_words(cards),
        "## Loading",
        *(f"```python\n{loading(card)}\n```" for card in one_of_each_format(cards)),
        "## Training",
        f"Run {visible(first.training.run_id)}: recipe {visible(first.training.recipe)}, "
        f"{counted(first.training.epochs, 'epoch')}, seed {first.training.seed}, seekcli {first.seekcli}, torch "
        f"{first.torch}. The JSON file beside each model has the rest.",
    ]


def front_matter(models: Sequence[Card]) -> str:
    """YAML between two rules. Every text is a JSON string, which is YAML too, whatever a name holds."""
    tasks = list(dict.fromkeys(map(task_of, models)))
    results = [
        f"- name: {json.dumps(card.name)}\n  results:\n  - task: {{type: {task_of(card)}}}\n"
        f"    dataset: {{name: {json.dumps(card.training.data)}, type: {json.dumps(card.training.data)}}}\n"
        f"    metrics: [{metrics(card)}]"
        for card in models
    ]
    lines = ["---", f"pipeline_tag: {tasks[0]}", f"tags: [{', '.join(['seekcli', *tasks, 'pytorch'])}]",
             "model-index:", *results, "---"]  # fmt: skip
    return "\n".join(lines)


def task_of(card: Card) -> str:
    return "image-classification" if card.text is None else "text-generation"


def metrics(card: Card) -> str:
    if card.text is None:
        return f"{{type: accuracy, value: {card.result.accuracy_percent / 100:.6g}}}"
    result = card.result
    measured = (("loss", result.test_loss), ("perplexity", result.test_perplexity),
                ("bits_per_byte", result.test_bits_per_byte))  # fmt: skip
    return ", ".join(f"{{type: {name}, value: {value:.6g}}}" for name, value in measured if value is not None)


def about(models: Sequence[Card]) -> list[str]:
    pairs = [card for card in models if card.pair]
    if not pairs:
        return [f"{models[0].model}, trained alone."]
    both = "Two models of one training run: the base model and the larger one that contains it"
    one = f"The {pairs[0].role} model of an alternating training run of two nested models"
    return [f"{both if len({card.role for card in pairs}) == 2 else one} (arXiv 2602.21064)."]


def table(models: Sequence[Card], macs: Mapping[str, float]) -> list[str]:
    """One line a model. Accuracy of one run of one seed; forward costs of one image of the size it takes."""
    text = models[0].text is not None
    named = ("test bits per byte", "test windows") if text else ("test accuracy %", "test images")
    header = ("model", "role", *named, "parameters", "forward MMACs", "float32 weights")
    rows = [
        (card.model, card.role, result_value(card), f"{card.result.test_images:,}",
         f"{card.weights.parameters:,}", f"{macs[card.model] / 1e6:,.4g}", human_bytes(4 * card.weights.parameters))
        for card in models
    ]  # fmt: skip
    rule = ("---", "---", *["---:"] * 5)
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]


def result_value(card: Card) -> str:
    if card.text is None:
        return f"{card.result.accuracy_percent:.2f}"
    return f"{card.result.test_bits_per_byte:.4f}"


def notes(models: Sequence[Card]) -> list[str]:
    what = "accuracies" if models[0].text is None else "bits per byte"
    said = [f"The {what} are of one run with one seed: they say nothing of which model would be better in another."]
    for card in models:
        left = card.training.unfinished
        if left is not None:
            done = f"after step {left.steps_done:,}, {left.epochs_done} of {card.training.epochs} epochs"
            said.append(f"**UNFINISHED**: {card.name} is of a checkpoint {done}.")
        again = card.statistics and card.statistics.recalibrated
        if again:
            said.append(f"BatchNorm statistics of {card.name} were re-estimated {visible(again)}.")
    return said


def input_in_words(card: Card) -> str:
    if card.text is not None:
        of = "characters of the text" if card.text.tokenizer == "characters" else "bytes"
        return (
            f"int64 tokens [batch, T], T at most {card.text.context_length}; the logits [batch, T, {card.classes}] are "
            f"of the token that follows each. Tokens are {of}; their names, by id, are class_names in the JSON file."
        )
    size = card.input
    mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (size.mean, size.std))
    return (
        f"float32 [batch, {size.channels}, {size.image_size}, {size.image_size}]; {size.scale}. mean = ({mean}), "
        f"std = ({std}). {card.classes} classes, by name in the JSON file."
    )


def inside_in_words(cards: Sequence[Card]) -> str:
    if not any(card.graph is not None and card.graph.preprocessing_inside for card in cards):
        return ""
    return " Graphs that take `pixels` (below) are given uint8 0..255 and normalise them themselves."


def one_of_each_format(cards: Sequence[Card]) -> list[Card]:
    return list({card.weights.format: card for card in reversed(cards)}.values())


def loading(card: Card) -> str:
    graph = card.graph
    inside = graph is not None and graph.preprocessing_inside
    forms = LOADING if card.text is None else LOADING_OF_TEXT
    return forms[card.weights.format].format(
        stem=card.name, file=card.weights.file, channels=card.input.channels, size=card.input.image_size,
        input=graph.input_name if graph else "images", dtype=graph.input_dtype if graph else "float32",
        what="pixels 0..255" if inside else "normalised as above",
    )  # fmt: skip
