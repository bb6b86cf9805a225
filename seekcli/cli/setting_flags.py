"""The flags that are settings: each has the type, the choices and the one text that the schema has of it.

`train` and `tune` share most of them. A command declares by hand only what is no setting, or becomes several.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from seekcli.cli.completion import conditions, data_names, recipes
from seekcli.config.describe import described_setting, plain_type
from seekcli.config.layers import Layers
from seekcli.errors import BadInput

MODEL, DATA, TRAINING, MOTIVATION, RUN, OUTPUT = "Model", "Data", "Training", "Motivation", "Run", "Output"
PANELS = (MODEL, DATA, TRAINING, MOTIVATION, RUN, OUTPUT)
# Recipes set these for the data and the model, so that the default of the schema says little.
SET_BY_RECIPES = ("train", "optimizer")


# A wider one is broken within a choice where the terminal has 80 columns.
WIDEST_METAVAR = len("[auto|fp32|bf16|fp16]") + 1


def choice_words(meaning: str, choices: Sequence[str], default: str = "") -> dict[str, Any]:
    """The help of an option and how it shows the choices, if there are any: as `[one|other]`, else in the help."""
    metavar = f"[{'|'.join(choices)}]"
    if not choices or len(metavar) <= WIDEST_METAVAR:
        return {"help": f"{meaning}{default}", "metavar": metavar if choices else None}
    return {"help": f"{meaning}: {', '.join(choices)}{default}", "metavar": "<choice>"}


def as_given(value: Any) -> Any:
    return value


def parse_k(text: str | None) -> int | str | None:
    """`--k 3` or `--k auto`; the schema checks the number."""
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise BadInput(f"--k: expected an integer or auto, got {text!r}") from None


@dataclass(frozen=True)
class SettingFlag:
    """`--flag` sets the setting `key`. What a shell completes it to is asked of `complete`."""

    flag: str
    key: str
    panel: str
    complete: Callable[[str], list[str]] | None = None
    parse: Callable[[Any], Any] = as_given

    @property
    def parameter(self) -> inspect.Parameter:
        """As a command takes it: None, or False, where it is not given."""
        kind: Any = str if self.parse is not as_given else plain_type(self.key)
        default, taken = (False, bool) if kind is bool else (None, kind | None)
        option = typer.Option(self.flag, rich_help_panel=self.panel, autocompletion=self.complete, **self.words())
        annotation: Any = Annotated[taken, option]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    @property
    def name(self) -> str:
        return f"setting_{self.flag.removeprefix('--').replace('-', '_')}"

    def words(self) -> dict[str, Any]:
        setting = described_setting(self.key)
        shown = setting["default"] if self.key.split(".")[0] not in SET_BY_RECIPES else None
        default = f" (default: {shown})" if shown not in (None, False, "auto") else ""
        choices = setting["choices"] if self.parse is as_given else None
        return choice_words(setting["meaning"], choices or (), default)


SHARED = (
    SettingFlag("--recipe", "recipe", TRAINING, recipes),
    SettingFlag("--init", "pair.init", MODEL),
    SettingFlag("--map", "pair.map", MODEL),
    SettingFlag("--init-from", "transfer.source", MODEL),
    SettingFlag("--role", "transfer.role", MODEL),
    SettingFlag("--pretrained", "transfer.pretrained", MODEL),
    SettingFlag("--data", "data.name", DATA, data_names),
    SettingFlag("--data-dir", "data.dir", DATA),
    SettingFlag("--image-size", "data.image_size", DATA),
    SettingFlag("--limit-train", "data.limit_train", DATA),
    SettingFlag("--workers", "runtime.workers", DATA),
    SettingFlag("--epochs", "train.epochs", TRAINING),
    SettingFlag("--steps", "train.steps", TRAINING),
    SettingFlag("--batch-size", "train.batch_size", TRAINING),
    SettingFlag("--lr", "optimizer.lr", TRAINING),
    SettingFlag("--eval-every", "train.eval_every", TRAINING),
    SettingFlag("--condition", "motivation.condition", MOTIVATION, conditions),
    SettingFlag("--device", "runtime.device", RUN),
    SettingFlag("--precision", "runtime.precision", RUN),
    SettingFlag("--checkpoint-minutes", "runtime.checkpoint_minutes", RUN),
)
BENCH_FLAGS = (
    *SHARED,
    SettingFlag("--task", "train.task", DATA),
    SettingFlag("--k", "motivation.k", MOTIVATION, parse=parse_k),
)
TRAIN_FLAGS = (
    *BENCH_FLAGS,
    SettingFlag("--at", "motivation.grow_at", MOTIVATION),
    SettingFlag("--extend", "extend.source", MODEL),
    SettingFlag("--force", "runtime.force", RUN),
)
TUNE_FLAGS = (
    *SHARED,
    SettingFlag("--k", "tune.k", MOTIVATION),
    SettingFlag("--folds", "tune.folds", MOTIVATION),
    SettingFlag("--tune-epochs", "tune.epochs", MOTIVATION),
    SettingFlag("--seed", "tune.seed", TRAINING),
)


def with_settings(flags: Iterable[SettingFlag]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with these flags beside its own; it is given their layers as `settings`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()

        def run(**given: Any) -> None:
            values = {flag.flag: (flag, given.pop(flag.name)) for flag in flags}
            command(settings=layers_of(values), **given)

        parameters = [*(one for one in own if one.name != "settings"), *(flag.parameter for flag in flags)]
        keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        keyword.sort(key=lambda one: PANELS.index(one.annotation.__metadata__[0].rich_help_panel))
        run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        return run

    return decorate


def layers_of(values: Mapping[str, tuple[SettingFlag, Any]]) -> Layers:
    """One layer per flag that was given. Raises BadInput where two of them say the same."""
    given = {name: said for name, said in values.items() if said[1] is not None and said[1] is not False}
    if {"--epochs", "--steps"} <= given.keys():
        raise BadInput("--epochs counts passes over the training set and --steps updates: give one of the two")
    return [(name, {flag.key: flag.parse(value)}) for name, (flag, value) in given.items()]
