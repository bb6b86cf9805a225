"""Values that break programs: too large, too long, of the wrong type, of no type, with characters that do things."""

from __future__ import annotations

import random
from typing import Any

ESCAPES = "\x1b[31mred\x1b[0m\x07"
NUMBERS = (
    "0",
    "-1",
    "1",
    "2",
    "3",
    "0.5",
    "-0.0",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "1_000",
    "0x10",
    "1e3",
    "٣",
    "9" * 30,
)
NUMBERS += ("9" * 4301, "2147483648", "9223372036854775808", "0.1", "1e-400", "1e308", "100000", "999999999")
TEXTS = (
    "",
    " ",
    "-",
    "--",
    "a",
    "ü",
    "a" * 300,
    "a/" * 200,
    "../..",
    "/dev/null",
    "/dev/null/x",
    "~",
    "~nobody/x",
    "%s",
)
TEXTS += (
    "{}",
    "[]",
    "null",
    "true",
    "none",
    "None",
    "auto",
    "all",
    "a\nb",
    "a\tb",
    ESCAPES,
    "\u202ea",
    "\udcff",
    "\x85",
)
TEXTS += (
    "a=b",
    "=",
    "a:b",
    ":",
    "os:system",
    "os.path:nothing",
    "a.b:c",
    "*",
    "?",
    "'",
    '"',
    "#",
    "\\",
    "$(id)",
    "1,2",
    ",",
)
SETTINGS = (
    "",
    "=",
    "a=1",
    "seed",
    "seed=",
    "seed=1",
    "seed=1.5",
    "seed=true",
    "pair=1",
    "pair.base=7",
    "pair.=1",
    ".=1",
)
DATA = ("digits", "digits:", "synthetic", "synthetic:1x8x8:2:10", "synthetic:0x0x0:0", "synthetic:1x8x8:1", "folder:")
DATA += (
    "synthetic:3x99999x99999:10",
    "synthetic:1x8x8:99999999:10",
    "synthetic:1x8x8:2:-1",
    "folder:nothing",
    "folder:.",
)
DATA += ("imagenet:nothing", "imagenet:.", "synthetic:ax8x8:2", "synthetic:1x8:2", "nothing", "synthetic:1x1x1:2:10")
MODELS = (
    "resnet8-to-14",
    "resnet20-to-32",
    "resnet8",
    "resnet14-to-8",
    "resnet8-to-8",
    "resnet8-to-",
    "-to-",
    "resnet18-to-50",
)
MODELS += ("vit-tiny-to-small", "efficientnet-b0-to-b1", "resnet9", "resnet8-to-to-14", "RESNET8-TO-14")
# What an option takes, by a part of its name; of the others any of the values above.
FITTING: dict[str, tuple[str, ...]] = {
    "model": MODELS,
    "base": ("resnet8", "resnet14", "vit-tiny", "resnet18", "resnet110", "resnet9"),
    "motivated": ("resnet14", "resnet8", "resnet50", "resnet20"),
    "data": DATA,
    "schedule": ("alternating", "base", "motivated", "all", "grow", "grown"),
    "condition": ("loss", "ema-loss", "always", "never", "periodic", "window", "budget", "inverse", "loss2"),
    "init": ("identity", "paper", "timm", "source", "stack", "other"),
    "map": ("aligned", "leading", "other"),
    "recipe": ("digits", "cifar-resnet", "transfer", "small-vit", "imagenet-a3", "digitz"),
    "device": ("auto", "cpu", "cuda", "cuda:7", "cuda:-1", "mps", "cpu:1", "tpu"),
    "precision": ("auto", "fp32", "bf16", "fp16", "fp64"),
    "format": ("table", "json", "csv", "markdown", "latex", "safetensors", "xml"),
    "progress": ("auto", "plain", "json", "rich", "none"),
    "role": ("base", "motivated", "both", "neither"),
    "convention": ("macs", "flops", "paper", "paper2"),
    "match": ("train_flops", "epochs"),
    "where": ("k=2", "seed=0", "optimizer.lr=0.1", "k=", "=2", "nothing=1", "k=[1]"),
    "set": SETTINGS,
}


def word(draw: random.Random, option: str = "", fits: float = 0.6) -> str:
    """A value for an option, which fits it at least in its type with probability `fits`."""
    pool = FITTING.get(option, NUMBERS[:8])
    return draw.choice(pool) if draw.random() < fits else draw.choice(NUMBERS + TEXTS)


def json_token(draw: random.Random) -> str:
    """Raw JSON, or nearly."""
    tokens = ("null", "true", "0", "-1", "1.5", "1e999", "NaN", "-Infinity", "9" * 30, "9" * 4301, '""', '"a"', '"0"')
    tokens += (
        "[]",
        "{}",
        "[[]]",
        '{"a": 1, "a": 2}',
        '"\\u0000"',
        '"\\ud800"',
        '"\\u001b[31mred"',
        "[" * 100_000,
        "[1, 2]",
    )
    tokens += (
        '"' + "a" * 100_000 + '"',
        "100000000",
        "-0.0",
        "1e-400",
        '"../../x"',
        '"\\n"',
        '"NaN"',
        '"2"',
        "[null]",
        "",
    )
    return draw.choice(tokens)


def toml_value(draw: random.Random) -> str:
    """Raw TOML, or nearly."""
    values = (
        "0",
        "-1",
        "1.5",
        "nan",
        "inf",
        "true",
        '""',
        '"a"',
        "[]",
        "{}",
        "[[]]",
        "[[1]]",
        "[1, 'a']",
        "1979-05-27",
    )
    values += (
        "9" * 30,
        "9" * 4301,
        '"\\u0000"',
        '"\\u001b[31mred"',
        '"' + "a" * 300 + '"',
        "[" * 1000 + "]" * 1000,
        "4",
    )
    values += (
        "[1, 1]",
        "[true]",
        "[nan]",
        "{a = 1}",
        "0x10",
        "1_000",
        "[{}]",
        "",
        "'../..'",
        "[0.1, 0.2]",
        "1000000000",
    )
    return draw.choice(values)


def mutate(draw: random.Random, tree: Any, put: Any) -> Any:
    """Replace, remove or add one value somewhere in a tree of plain data; `put` is what takes its place."""
    if not isinstance(tree, dict | list) or not tree or draw.random() < 0.1:
        return put
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw.choice(keys)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    what = draw.random()
    if what < 0.1:
        del copy[key]
    elif what < 0.15 and isinstance(copy, dict):
        copy["nothing"] = put
    else:
        copy[key] = mutate(draw, tree[key], put)
    return copy
