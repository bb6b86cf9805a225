"""A task of somebody's own in a run: by name, by source, and tried before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seekcli.config.identity import OF_THE_LOSS, TASK_SOURCE
from seekcli.config.layers import DEFAULTS, Resolved
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput, RunFailed, unknown
from seekcli.own_code.installed import TASKS as GROUP, installed, installed_path
from seekcli.own_code.paths import imported, imported_module, is_path, line_of
from seekcli.own_code.sources import digest_of_callable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seekcli.train.tasks.own import OwnTask

# What a run does by itself, where no task of one's own is named.
SHIPPED = {
    "classification": "images with classes: cross-entropy or bce, accuracies",
    "language-modelling": "texts: the next token, perplexity, bits per byte",
}
EXAMPLES = 4  # that a task is tried on
NAME = re.compile(r"[a-z][a-z0-9_]*")


def with_full_task(resolved: Resolved) -> Resolved:
    """The name of an installed task as the import path that it stands for. Raises BadInput for a word that is none."""
    name = resolved.config.train.task
    if name is None or is_path(name):
        return resolved
    if name in SHIPPED:
        raise BadInput(f"--task {name}: is what --data and --model decide; --task names a task of your own")
    path = installed_path(GROUP, SHIPPED, name, f"--task {name}")
    if path is None:
        if ":" in name or not installed(GROUP, SHIPPED):
            raise BadInput(f"--task {name}: expected package.module:name, or a name of `seek list tasks`")
        raise unknown("--task", name, list(installed(GROUP, SHIPPED)))
    return resolved.updated({"train.task": path}, f"entry point {name}")


def resolve_own_task(resolved: Resolved) -> Resolved:
    """The task is made and tried on outputs of a model; what tells it from another version is recorded.

    Raises BadInput for a task that cannot be trained with, for settings that it would not read, and for rows of
    numbers without a task.
    """
    config = resolved.config
    if config.train.task is None:
        if config.data.input_shape is not None:
            raise BadInput(
                f"--data {config.data.name} gives rows of numbers (images are uint8): say with "
                "--task package.module:name what is to be learnt of them (docs/own_models.md)"
            )
        return resolved
    check_read_with_task(resolved)
    path = config.train.task
    try_task(config, path, task_named(path))
    said, found = config.train.task_source_sha256, source_of(path)
    if said not in (None, found):
        raise BadInput(f"{TASK_SOURCE}: the source of {path} is not what it was ({said[:12]}...)")
    return resolved.updated({TASK_SOURCE: found}, "source files") if found is not None else resolved


def source_of(path: str) -> str | None:
    said = f"--task {path}"
    return digest_of_callable(imported_module(path.partition(":")[0], said), imported(path, said))


def check_read_with_task(resolved: Resolved) -> None:
    """Raise BadInput for what a task of one's own does not read, or does not go with."""
    config = resolved.config
    said = f"--task {config.train.task}"
    if config.data.context_length is not None:
        raise BadInput(
            f"{said}: is for images and rows; {config.data.name} is a text, whose task is its own"
        )
    for key in OF_THE_LOSS:
        value = getattr(config.train, key.partition(".")[2])
        if value != DEFAULTS[key] and not resolved.origins[key].startswith("recipe "):
            raise BadInput(f"{key} {value}: {said} has a loss of its own and does not read it")
    for name in ("mixup_alpha", "cutmix_alpha"):
        if getattr(config.augment, name):
            raise BadInput(f"augment.{name}: it mixes classes, and {said} takes targets as they are; set it to 0")
    if config.data.folds is not None:
        raise BadInput(f"{said}: k is chosen by accuracy, so there is no --k auto, tune or data.folds with it")


def task_named(path: str) -> OwnTask:
    """Raises BadInput where the path cannot be imported or called, or gives no task whose parts can be used."""
    from seekcli.train.tasks.own import OwnTask

    said = f"--task {path}"
    make = imported(path, said)
    if not callable(make):
        raise BadInput(f"{said}: is a {type(make).__name__}, not a callable that returns a seekcli.OwnTask")
    try:
        made = make()
    except (Exception, SystemExit) as error:  # anybody's code
        raise BadInput(f"{said}: called without arguments it raised {line_of(error)}") from error
    if not isinstance(made, OwnTask):
        raise BadInput(f"{said}: gave a {type(made).__name__} instead of a seekcli.OwnTask")
    check_parts(said, made)
    return made


def check_parts(said: str, task: OwnTask) -> None:
    from seekcli.runs.records import EPOCH_NAMES
    from seekcli.runs.rows import MEASURED

    if not callable(task.loss):
        raise BadInput(f"{said}: its loss is a {type(task.loss).__name__}, not a function (outputs, targets)")
    if not isinstance(task.metrics, dict):
        raise BadInput(f"{said}: its metrics are a {type(task.metrics).__name__}, not a dict of functions by name")
    for name, metric in task.metrics.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name == "loss":
            raise BadInput(f"{said}: a metric is named by a word such as mae (a-z, 0-9, _; not loss), not {name!r}")
        if f"test_{name}" in EPOCH_NAMES and name not in MEASURED["test"]:
            raise BadInput(f"{said}: test_{name} is a column of another meaning; give its metric {name} another name")
        if not callable(metric):
            raise BadInput(f"{said}: its metric {name} is a {type(metric).__name__}, not a function (outputs, targets)")
    for name in task.lower_is_better:
        if name not in task.metrics:
            raise unknown(f"name in lower_is_better of {said}:", str(name), list(task.metrics))
    if not isinstance(task.loss_unit, str) or not task.loss_unit.strip():
        raise BadInput(f"{said}: its loss_unit is to be a text, such as squared error")


def try_task(config: RunConfig, path: str, task: OwnTask) -> None:
    """One forward of the base on a few inputs, and the loss and metrics of it. Raises BadInput for what fails."""
    import torch

    from seekcli.models.pairs import seeded_model
    from seekcli.train.tasks.own import mean_loss, metric_value

    data = config.data
    assert data.classes and data.channels and data.side, "the config is not resolved"
    model = seeded_model(config.model_name(config.roles[0]), 0, data.classes, data.channels, data.side)
    inputs, targets = some_examples(config)
    with torch.random.fork_rng(devices=[]):
        outputs = outputs_of(config, path, model.eval(), inputs)
        try:
            loss = mean_loss(task, path, outputs, targets)
            for name in task.metrics:
                metric_value(task, path, name, outputs.detach(), targets)
        except RunFailed as error:
            raise BadInput(f"--{error}") from error
    if not loss.requires_grad:
        raise BadInput(f"--task {path}: its loss has no gradient: compute it of the outputs by torch's operations")


def outputs_of(config: RunConfig, path: str, model: nn.Module, inputs: object) -> Tensor:
    from torch import Tensor

    try:
        outputs = model(inputs)
    except Exception as error:  # anybody's code
        raise BadInput(f"model {config.model_name(config.roles[0])}: cannot take its data: {line_of(error)}") from error
    if not isinstance(outputs, Tensor):
        raise BadInput(f"--task {path}: the model gave a {type(outputs).__name__}: one tensor of outputs is needed")
    return outputs.float()


def some_examples(config: RunConfig) -> tuple[Tensor, Tensor]:
    """The first training rows; of images, which need not be there yet, noise with a class each."""
    import torch

    from seekcli.data.sets.sources import load
    from seekcli.resolve.expected_cost import image_shape

    if config.data.input_shape is not None:
        rows = load(config.data)
        assert isinstance(rows.train_images, torch.Tensor)
        return rows.train_images[:EXAMPLES], rows.train_labels[:EXAMPLES]
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((EXAMPLES, *image_shape(config)), generator=generator)
    return images, torch.arange(EXAMPLES) % (config.data.classes or 1)
