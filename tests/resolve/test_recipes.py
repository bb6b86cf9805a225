"""Every shipped recipe: what it sets, that it trains its family, and which one is picked."""

from __future__ import annotations

import math
from importlib import resources

import pytest
import torch
from photo_tree import photo_tree

from seekcli.config.identity import OLD_BEHAVIOUR, run_id
from seekcli.config.layers import DEFAULTS, load_recipe, merge, recipe_names
from seekcli.data.sets import sources
from seekcli.errors import BadInput
from seekcli.models.catalog import MODELS
from seekcli.resolve.build import build_trainer
from seekcli.resolve.recipes import check_settings, pick_recipe
from seekcli.resolve.resolve import resolve

# Of each recipe's own kind of network, the smallest pair; in the order of the paper's table.
PAIRS = {
    "digits": ("resnet8", "resnet14"),
    "cifar-resnet": ("resnet8", "resnet14"),
    "cifar-vit": ("vit-tiny", "vit-small"),
    "cifar-efficientnet": ("efficientnet-b0", "efficientnet-b1"),
    "imagenet-a3": ("resnet8", "resnet14"),  # what the recipe sets is the same for the larger ResNets
    "transfer": ("resnet8", "resnet14"),
    "any-model": ("resnet8", "resnet14"),
    "small-vit": ("vit-tiny", "vit-small"),
    "small-efficientnet": ("efficientnet-b0", "efficientnet-b1"),
    "text": ("gpt-2x64", "gpt-4x64"),
}
# The table of the paper's recipes (4.1 to 4.3): optimizer, lr, weight decay, schedule, warm-up, batch, epochs.
TABLE = {
    "digits": ("sgd", 0.1, 5e-4, "cosine", 0, 64, 20),
    "cifar-resnet": ("sgd", 0.1, 5e-4, "cosine", 0, 128, 200),
    "cifar-vit": ("adamw", 2.5e-4, 0.05, "cosine", 20, 64, 300),
    "cifar-efficientnet": ("rmsprop", 0.01, 1e-5, "exponential", 5, 64, 350),
    "imagenet-a3": ("lamb", 8e-3, 0.02, "cosine", 5, 2048, 100),
    "transfer": ("sgd", 0.01, 1e-4, "cosine", 0, 384, 300),
}
AUGMENTED = {
    "digits": {"crop_padding": 1},
    "cifar-resnet": {"crop_padding": 4, "flip": True},
    "cifar-vit": {"randaugment_ops", "erasing_probability", "erasing_rule", "mixup_alpha", "cutmix_alpha"},
    "cifar-efficientnet": {"crop_padding", "flip", "autoaugment"},
    "imagenet-a3": {
        *("mixup_alpha", "cutmix_alpha", "randaugment_ops", "resized_crop_area", "resized_crop_rule", "flip")
    },
    "transfer": {
        *("mixup_alpha", "cutmix_alpha", "randaugment_ops", "repeats", "resized_crop_area", "resized_crop_rule", "flip")
    },
}


def config_of(name):
    return merge([(name, load_recipe(name))]).config


@pytest.mark.parametrize("name", TABLE)
def test_a_recipe_of_the_paper_says_what_its_table_says(name):
    config = config_of(name)
    optimizer, schedule, train = config.optimizer, config.lr_schedule, config.train
    assert TABLE[name] == (
        optimizer.name, optimizer.lr, optimizer.weight_decay, schedule.name, schedule.warmup_epochs,
        train.batch_size, train.epochs,
    )  # fmt: skip
    assert optimizer.momentum == 0.9
    assert optimizer.decay_norms_and_biases is (name in ("digits", "cifar-resnet"))
    changed = {key for key, value in config.augment if value != DEFAULTS[f"augment.{key}"]}
    assert changed - {"randaugment_magnitude", "randaugment_policy"} == set(AUGMENTED[name])


def test_resolutions_and_losses_are_the_papers():
    a3, vit = config_of("imagenet-a3"), config_of("cifar-vit")
    assert (a3.data.train_size, a3.data.image_size, a3.train.loss) == (160, 224, "bce")
    assert a3.train.batch_size % a3.train.accumulate_steps == 0
    assert (vit.data.image_size, config_of("cifar-efficientnet").data.image_size) == (224, 224)
    assert config_of("transfer").augment.repeats == 3


def test_transfer_has_the_epochs_of_each_data_set():
    for data, epochs in (("cifar10", 300), ("cifar100", 300), ("flowers102", 2000), ("pets", 1000)):
        assert load_recipe("transfer", data)["train.epochs"] == epochs


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_sets_what_exists_and_says_what_it_is(name):
    assert load_recipe(name).keys() <= DEFAULTS.keys()
    text = (resources.files("seekcli") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    about = text.splitlines()[0]
    assert about.startswith('about = "')
    assert ("paper (4." in about) is (name in TABLE and name != "digits")


def small(name, **settings):
    base, motivated = PAIRS[name]
    size = 16 if base.startswith("vit") else 32
    overrides = {
        "recipe": name,
        "pair.base": base,
        "pair.motivated": motivated,
        "motivation.k": 1,
        "data.name": f"synthetic:3x{size}x{size}:3:20",  # 16 training images
        "data.image_size": size,
        "train.epochs": 2,
        "train.batch_size": 8,
        "runtime.device": "cpu",
        **settings,
    }
    if name == "text":  # 16 training windows, 2 for validation
        overrides |= {"data.name": "text:pydoc", "data.image_size": None, "data.limit_train": 18}
    if load_recipe(name).get("data.train_size"):
        overrides |= {"data.train_size": 24, "train.accumulate_steps": 2}
    return resolve([("test", overrides)])


# Of each family that takes long the recipe with more settings is trained; AdamW with cosine is that of `text` too.
ALIKE = ("small-efficientnet", "small-vit")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ()) for name in recipe_names()]
)
def test_a_recipe_trains_a_pair_of_its_family(name):
    """Two epochs of small images. The large families train their smallest model alone, to be quick."""
    alone = PAIRS[name][0] not in ("resnet8", "resnet14")
    config = small(name, **{"motivation.condition": "always", "schedule": "base" if alone else "alternating"}).config
    trainer = build_trainer(config, sources.load(config.data), torch.device("cpu"))
    before = {role: [p.clone() for p in model.parameters()] for role, model in trainer.models.items()}
    for _ in range(2):
        trainer.train_epoch(lambda: None)
        assert all(math.isfinite(loss) for loss in trainer.log.losses)
        assert trainer.log.roles == ["base", "base" if alone else "motivated"]
        trainer.start_next_epoch()
    assert trainer.finished
    for role, model in trainer.models.items():
        assert any(not torch.equal(*pair) for pair in zip(model.parameters(), before[role], strict=True))
        assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_a_shorter_run_keeps_the_shape_of_its_recipes_schedule():
    resolved = small("cifar-efficientnet", **{"train.epochs": 70})
    schedule = resolved.config.lr_schedule
    assert (schedule.warmup_epochs, schedule.decay_every_epochs) == (pytest.approx(1), pytest.approx(0.4))
    assert resolved.origins["lr_schedule.warmup_epochs"] == "recipe cifar-efficientnet, 70 of its 350 epochs"
    own = small("cifar-efficientnet", **{"train.epochs": 70, "lr_schedule.warmup_epochs": 3}).config.lr_schedule
    assert (own.warmup_epochs, own.decay_every_epochs) == (3, pytest.approx(0.4))
    longer = small("cifar-efficientnet", **{"train.epochs": 700}).config.lr_schedule
    assert (longer.warmup_epochs, longer.decay_every_epochs) == (5, 2)


def test_a_resolved_config_resolves_to_itself():
    from seekcli.config.settings import flatten

    config = small("cifar-vit").config
    assert resolve([("config.json", dict(flatten(config.model_dump())))]).config == config


@pytest.mark.parametrize(
    ("data", "family", "recipe"),
    [
        ("digits", "cifar-resnet", "digits"),
        ("digits", "resnet", "digits"),
        ("digits", "vit", "small-vit"),
        ("digits", "efficientnet", "small-efficientnet"),
        ("synthetic:3x32x32:10", "cifar-resnet", "cifar-resnet"),
        ("synthetic:3x32x32:10", "vit", "small-vit"),
        ("cifar10", "cifar-resnet", "cifar-resnet"),
        ("cifar100", "resnet", "cifar-resnet"),
        ("cifar100", "vit", "cifar-vit"),
        ("cifar100", "efficientnet", "cifar-efficientnet"),
        ("folder:photos", "vit", "cifar-vit"),
        ("imagenet:somewhere", "resnet", "imagenet-a3"),
        ("imagenet:somewhere", "vit", "cifar-vit"),
        ("imagenet:somewhere", "efficientnet", "cifar-efficientnet"),
        ("flowers102", "resnet", "transfer"),
        ("pets", "vit", "transfer"),
    ],
)
def test_the_recipe_that_is_picked(data, family, recipe):
    assert pick_recipe(data, family) == recipe
    assert recipe in recipe_names()


@pytest.mark.parametrize(
    ("data", "family", "recipe"),
    [
        ("cifar10", "resnet", "transfer"),
        ("folder:photos", "vit", "transfer"),
        ("cifar10", "cifar-resnet", "cifar-resnet"),
        ("digits", "vit", "small-vit"),
    ],
)
def test_the_recipe_that_is_picked_for_weights_from_elsewhere(data, family, recipe):
    assert pick_recipe(data, family, transfers=True) == recipe


def test_another_image_size_keeps_the_ratio_of_training_and_test_size(tmp_path):
    """A3 trains at 160 of 224 pixels; what was set by name stays."""
    photo_tree(tmp_path)
    given = {"data.name": f"imagenet:{tmp_path}", "recipe": "imagenet-a3", "data.image_size": 112}
    given |= {"pair.base": "resnet8", "pair.motivated": "resnet14"}
    assert resolve([("test", given)]).config.data.train_size == 80
    assert resolve([("test", given | {"data.image_size": 224})]).config.data.train_size == 160
    assert resolve([("test", given | {"data.train_size": 96})]).config.data.train_size == 96


def test_a_vision_transformer_on_digits_never_gets_the_learning_rate_of_a_resnet():
    for spec in MODELS.values():
        optimizer = config_of(pick_recipe("digits", spec.family)).optimizer
        assert (optimizer.name == "sgd") is (spec.family in ("cifar-resnet", "resnet"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_schedule.warmup_epochs": 2}, "lr_schedule.warmup_epochs 2: it must end before"),
        ({"train.accumulate_steps": 5}, "train.accumulate_steps 5: --batch-size 8"),
        ({"augment.randaugment_ops": 1, "data.name": "synthetic:2x32x32:3:20"}, "1 or 3 channels"),
        ({"augment.autoaugment": "cifar10", "data.name": "synthetic:5x32x32:3:20"}, "has 5"),
        ({"pair.base": "vit-tiny", "pair.motivated": "vit-small", "data.train_size": 16}, "data.train_size 16"),
        ({"optimizer.nesterov": True, "optimizer.momentum": 0.0}, "optimizer.nesterov true: it needs a momentum"),
        ({"train.clip_norm": 0.0}, "train.clip_norm"),
        ({"optimizer.name": "adam"}, "optimizer.name"),
        ({"augment.erasing_probability": 1.5}, "augment.erasing_probability"),
        ({"augment.randaugment_magnitude": 11}, "augment.randaugment_magnitude"),
        ({"train.ema_decay": 1.0}, "train.ema_decay"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(BadInput, match=message.replace("(", r"\(")) as caught:
        small("digits", **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["mixup_alpha", "cutmix_alpha"])
def test_one_class_has_nothing_to_be_mixed_with(key):
    one_class = {"data.classes": 1, "data.channels": 3, "data.image_size": 32, "train.epochs": 3}
    check_settings(merge([("test", one_class)]).config)
    with pytest.raises(BadInput, match=f"augment.{key}.*has one class, and nothing to mix it with"):
        check_settings(merge([("test", one_class | {f"augment.{key}": 0.2})]).config)


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"augment.resized_crop_area": 0.5, "augment.resized_crop_rule": "torchvision"}, True),
        ({"augment.resized_crop_area": 0.0, "augment.resized_crop_rule": "torchvision"}, False),
        (
            {
                "data.name": "imagenet:photos",
                "augment.resized_crop_area": 0.5,
                "augment.resized_crop_rule": "torchvision",
            },
            False,
        ),
        ({"augment.erasing_probability": 0.5, "augment.erasing_rule": "timm"}, True),
        ({"augment.erasing_probability": 0.0, "augment.erasing_rule": "timm"}, False),
        ({"augment.randaugment_ops": 2, "augment.randaugment_policy": "timm"}, True),
        ({"augment.randaugment_ops": 0, "augment.randaugment_policy": "timm"}, False),
    ],
)
def test_a_rule_that_nothing_reads_is_in_no_run_id(settings, read):
    rule = next(key for key, value in settings.items() if value in ("torchvision", "timm"))
    new, old = (
        run_id(merge([("test", chosen)]).config) for chosen in (settings, settings | {rule: OLD_BEHAVIOUR[rule]})
    )
    assert (new != old) is read
