"""Fuzz: random command lines, grid files and fields of a run's documents.

Whatever it is, it ends soon with exit code 0, 1 or 2 and a line that a user can act on.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from torture.nasty import json_token, mutate, toml_value, word
from torture.reading import library
from torture.runs import Reference, Verdict
from torture.seek_process import limit_memory, seek
from torture.together import GRID

# More than any of these commands needs; what computes for longer would do so for ever.
CPU_SECONDS = 20
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Options by which a random command could train for an hour, or write outside of its folder: given by the storm itself.
OURS = {"out", "to", "tables", "help", "install_completion", "show_completion", "version"}
LONG = {
    "epochs",
    "steps",
    "seeds",
    "model",
    "base",
    "motivated",
    "data",
    "data_dir",
    "image_size",
    "match",
    "match_from",
}
LONG |= {
    "tune_epochs",
    "folds",
    "recipe",
    "init_from",
    "pretrained",
    "ks",
    "workers",
    "dry_run",
    "print_config",
    "limit_train",
}
QUICK = ("--model", "resnet8-to-14", "--data", "synthetic:1x8x8:2:10", "--steps", "2", "--batch-size", "4")


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    kind = draw.choice((command_line, command_line, grid_file, run_document, run_document, card))
    return kind(draw, folder, reference)


def ask(folder: Path, *words: object) -> str:
    """What is wrong with how a command ends, whatever it was asked for."""
    ended = seek(*words, prepare=lambda: move_in(folder), cpu_seconds=CPU_SECONDS)
    control = CONTROL.search(ended.output)
    return ended.problem(0, 1, 2) or (f"control character {control[0]!r}: {ended.output[-600:]!r}" if control else "")


def move_in(folder: Path) -> None:
    limit_memory()
    os.chdir(folder)
    os.environ |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / ".cache")}


@cache
def commands() -> dict[tuple[str, ...], list[Any]]:
    """The words of every command, and its parameters."""
    import typer

    from seekcli.cli.app import app

    found: dict[tuple[str, ...], list[Any]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for own, sub in getattr(command, "commands", {"": command}).items():
            found[(name, own) if own else (name,)] = sub.params
    return found


def command_line(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    words = draw_words(draw, reference)
    return Verdict(f"seek {words!r}"[:400], ask(folder, *words))


def draw_words(draw: random.Random, reference: Reference) -> list[str]:
    """A random command: it trains for a moment at most, and writes where it is."""
    name = draw.choice([*commands(), ("train",), ("train",), ("compare",), ("evaluate",)])
    options = [one for one in commands()[name] if one.param_type_name == "option" and one.name not in OURS]
    words, quick = list(name), False
    if name[0] in ("train", "tune"):
        quick = name == ("train",) and draw.random() < 0.15
        options = [one for one in options if not quick or one.name not in LONG]
        looks = ("--dry-run", "--print-config") if name == ("train",) else ("--dry-run",)
        words += QUICK if quick else (draw.choice(looks),)
    for one in draw.sample(options, min(len(options), draw.choice((0, 1, 1, 2, 2, 3, 5)))):
        words += [draw.choice(one.opts)]
        words += [] if one.is_flag or draw.random() < 0.03 else [word(draw, words[-1].strip("-"))]
    arguments = [one for one in commands()[name] if one.param_type_name == "argument"]
    words += [argument(draw, one.name, reference) for one in arguments if draw.random() < 0.95]
    if any(one.name == "out" for one in commands()[name]):
        kept = "r" if name[0] in ("train", "tune", "grid") else str(library(reference).results)
        words += ["--out", draw.choice((kept, kept, kept, "r", "\udcff", "a" * 300, "/dev/null", ""))]
    if any(one.name == "to" for one in commands()[name]):
        words += ["--to", draw.choice(("e", "e", "/dev/null", "a" * 300, "\udcff", ""))]
    return words


def argument(draw: random.Random, name: str, reference: Reference) -> str:
    shelf = library(reference)
    run_id = shelf.pick(draw)
    there = {
        "run": (str(shelf.results / "runs" / run_id), run_id, run_id[-10:], str(shelf.results)),
        "what": (str(shelf.results / "runs" / run_id), str(shelf.exports(run_id)), run_id),
        "paths": (str(shelf.results), str(shelf.results / "runs" / run_id), str(shelf.folder)),
        "grid": ("grid.toml", "."),
    }.get(name, ("runs", "models", "data", "recipes", "conditions", "columns"))
    return draw.choice(there) if draw.random() < 0.7 else word(draw)


def grid_file(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """Some lines of a grid file replaced by others, or bytes of it."""
    path = folder / "grid.toml"
    lines = GRID.strip().splitlines()
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = draw.randrange(len(lines))
        key = lines[at].partition("=")[0].strip()
        other = draw.choice(
            (key, key, key, "seeds", "name", "settings", "arms", "nothing", "pair.init", "motivation.k")
        )
        lines[at] = draw.choice((f"{other} = {toml_value(draw)}", f"{key} = {toml_value(draw)}", toml_value(draw), ""))
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    if draw.random() < 0.1:
        at = draw.randrange(len(text))
        text = text[:at] + draw.randbytes(3) + text[at:]
    path.write_bytes(text)
    words = ("grid", "plan", path, "--out", folder / "r", "--format", draw.choice(("table", "json")))
    return Verdict(f"grid {text.decode(errors='replace')!r}"[:600], ask(folder, *words))


def run_document(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    """A document of a run in which a value is another one: with a digest that fits, a wrong one, or none."""
    shelf = library(reference)
    results, run_id = shelf.copy(folder / "r"), shelf.pick(draw)
    run = results / "runs" / run_id
    name = draw.choice(("config.json", "config.json", "status.json", "environment.json"))
    what = f"{name} of {run_id}: {change(draw, run / name)}"
    asked = [("compare", "--format", "csv", results), ("list", "runs", "--out", results), ("export", run, "--to", "e")]
    asked += [("evaluate", run), (*shelf.command_of(run_id), "--out", results), ("compare", results)]
    return Verdict(what, next(filter(None, (ask(folder, *words) for words in draw.sample(asked, 3))), ""))


def card(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    shelf = library(reference)
    run_id = shelf.pick(draw)
    exports = Path(shutil.copytree(shelf.exports(run_id), folder / "e"))
    path = draw.choice(sorted(exports.glob("*.json")))
    what = f"card of {run_id}: {change(draw, path)}"
    words = ("evaluate", path, *draw.choice(((), ("--format", "json"))))
    return Verdict(what, ask(folder, *words))


def change(draw: random.Random, path: Path) -> str:
    """Change a value of a document and say what it is now."""
    from seekcli.documents import digest_of

    tree, token, mark = json.loads(path.read_text()), json_token(draw), "\x00here\x00"
    digest = draw.choice(("fits", "fits", "is stale", "is gone"))
    stale = tree.pop("sha256", "")
    tree = mutate(draw, tree, mark)
    text = json.dumps(tree).replace(json.dumps(mark), token)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        digest = "is of no use"
    if digest == "fits" and isinstance(tree, dict):
        text = json.dumps({**tree, "sha256": digest_of(tree)})
    elif digest == "is stale" and isinstance(tree, dict):
        text = json.dumps({**tree, "sha256": stale})
    path.write_text(text)
    return f"{token[:40]!r} in it, its digest {digest}"
