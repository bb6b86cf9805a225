"""What one image costs: the image, as words describe it or as a run would resolve it, and the cost of its models."""

from __future__ import annotations

from pathlib import Path

from seekcli.config.condition_settings import settings_read
from seekcli.config.layers import Layers, merge
from seekcli.config.schema import RunConfig
from seekcli.errors import BadInput
from seekcli.method.condition import expected_share
from seekcli.models.catalog import check_image_size
from seekcli.models.conventions import ModelCost
from seekcli.models.known_macs import Shape, known_cost
from seekcli.report.forward_costs import CostReport, Expectation, Image


def image_of(layers: Layers) -> tuple[RunConfig, Image]:
    """What `seek train` would train with these words, and on which image; or the image that the flags describe.

    Only a folder without `--classes` is looked at on disk.
    """
    from seekcli.data.sets.kept_listings import listings_kept
    from seekcli.resolve.conditions import resolve_condition
    from seekcli.resolve.recipes import check_settings
    from seekcli.resolve.resolve import resolve_images
    from seekcli.resolve.transfer import check_request

    given = {flag for flag, _ in layers}
    if "--classes" in given:
        return described_image(layers, given)
    if "--channels" in given:
        raise BadInput("--channels goes with --image-size and --classes: a data set knows its own")
    with listings_kept():
        resolved = resolve_images(layers)
        check_request(resolved.config)
        check_settings(resolved.config)
        resolved = resolve_condition(resolved, Path("results"))
    data = resolved.config.data
    assert data.channels and data.side and data.classes, "the data is not resolved"
    by_recipe = resolved.origins["data.image_size"].startswith("recipe ")
    return resolved.config, Image(
        data=data.name, channels=data.channels, image_size=data.side, classes=data.classes,
        train_size=data.train_size or data.side, recipe=resolved.config.recipe if by_recipe else None,
        tokens=data.context_length is not None,
    )  # fmt: skip


def described_image(layers: Layers, given: set[str]) -> tuple[RunConfig, Image]:
    from seekcli.data.sets.listings import is_folder, recorded_name
    from seekcli.resolve.resolve import check_models

    draft = merge(layers)
    check_models(draft)
    data, folder = draft.config.data, is_folder(draft.config.data)
    if "--data" in given and not folder:
        raise BadInput(f"--classes: {data.name} knows its own number of classes; give one of --data and --classes")
    if data.image_size is None or data.classes is None:
        raise BadInput("--classes without a data set to look at needs --image-size, such as --image-size 32")
    label = recorded_name(data) if folder else None
    size = data.train_size or data.image_size
    return draft.config, Image(label, data.channels or 3, data.image_size, data.classes, size)


def names_by_role(config: RunConfig) -> dict[str, str]:
    """A model that is trained alone has no role here."""
    if config.classic:
        return {"model": config.model_name(config.roles[0])}
    return {role: config.model_name(role) for role in config.roles}


def cost_report(layers: Layers, convention: str = "macs") -> CostReport:
    """The models that `layers` name, on the image that they name. Raises BadInput for what cannot be built."""
    config, image = image_of(layers)
    from seekcli.method.cost_measures import mean_forward_cost, training_flops_per_image

    costs, training_flops = {}, {}
    for role, name in names_by_role(config).items():
        costs[role] = model_cost(name, image, image.shape, convention)
        training_flops[role] = training_flops_per_image(model_cost(name, image, image.train_shape, "macs").per_image)
    expectation, share = None, expected_by_chance(config)
    if share is not None:
        f_x, f_y = costs["base"].per_image, costs["motivated"].per_image
        f_xy, motivation = mean_forward_cost(f_x, f_y, share), config.motivation
        k = motivation.k if "k" in settings_read(motivation.condition) else None
        expectation = Expectation(config.pair_name, motivation.condition, k, share, f_xy, f_xy / f_x)
    unit = next(iter(costs.values())).unit
    subject = config.model_name(config.roles[0]) if config.classic else config.pair_name
    return CostReport(subject, image, convention, unit, costs, training_flops, expectation)


def model_cost(name: str, image: Image, shape: Shape, convention: str) -> ModelCost:
    """As it was written down, which takes no torch; else counted. The model is built for `image`."""
    check_image_size(name, image.image_size)
    known = known_cost(name, image.classes, image.image_size, shape, convention)
    if known is not None:
        return known
    from seekcli.models.costs import forward_cost
    from seekcli.models.pairs import build_model

    return forward_cost(build_model(name, image.classes, image.channels, image.image_size), name, shape, convention)


def expected_by_chance(config: RunConfig) -> float | None:
    """The share of motivated steps that is expected where any batch may be one; None where none is known."""
    from seekcli.resolve.conditions import condition_settings
    from seekcli.train.length import RunLength

    if config.schedule != "alternating":
        return None
    return expected_share(config.motivation.condition, condition_settings(config, RunLength(0, 0)))
