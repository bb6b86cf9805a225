"""Twenty pairs of timm that no family of the catalog has: the second table of docs/families.md.

    python benchmarks/own_pairs.py                           print the table (20 minutes on 2 idle cores)
    python benchmarks/own_pairs.py --write docs/families.md  and put it between that page's markers

Each pair is named as in `seek train --base timm:A --motivated timm:B`. An identity start is measured as every run
measures it; where it is impossible the pair starts by `--init paper`. Then it trains for one epoch on synthetic images,
and both its models are exported and read back.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from pages import write_between

import seekcli
from seekcli import files
from seekcli.config.layers import Resolved
from seekcli.engines.run import train_run
from seekcli.errors import SeekError
from seekcli.export.finished_run import open_run
from seekcli.export.formats import export_run
from seekcli.export.load import load_model
from seekcli.models.own_pairs import measured_error
from seekcli.models.pairs import link_models, planned_models
from seekcli.resolve.resolve import resolve
from seekcli.runs.environment import cpu_name
from seekcli.runs.folder import RunFolder

IMAGE_SIZE, CLASSES, BATCH_SIZE, STEPS = 32, 4, 8, 4
ROLES = ("base", "motivated")
BEGIN, END = "<!-- own pairs: begin -->", "<!-- own pairs: end -->"
HEADER = "| base | motivated | settings | map coverage, % | identity error | trains | exports |\n|" + 7 * "---|"


@dataclass(frozen=True)
class NamedPair:
    base: str
    motivated: str
    settings: dict[str, str] = field(default_factory=dict)


VIT_STREAM = {"pair.stream": "patch_embed.proj,cls_token,pos_embed,attn.proj,mlp.fc2"}
PAIRS = (
    NamedPair("resnet18", "resnet34"),
    NamedPair("resnet26", "resnet50"),
    NamedPair("resnet10t", "resnet14t"),
    NamedPair("regnetx_002", "regnetx_004"),
    NamedPair("regnety_002", "regnety_004"),
    NamedPair("mobilenetv2_100", "mobilenetv2_120d"),
    NamedPair("mobilenetv3_small_100", "mobilenetv3_large_100"),
    NamedPair("mnasnet_050", "mnasnet_100"),
    NamedPair("ghostnet_050", "ghostnet_100"),
    NamedPair("efficientnet_lite0", "efficientnet_lite1"),
    NamedPair("resmlp_12_224", "resmlp_24_224"),
    NamedPair("poolformer_s12", "poolformer_s24"),
    NamedPair("deit_tiny_patch16_224", "deit_small_patch16_224", VIT_STREAM),
    NamedPair("convnext_atto", "convnext_femto"),
    NamedPair("repvgg_a0", "repvgg_a1"),
    NamedPair("mixer_s32_224", "mixer_b32_224"),
    NamedPair("convnext_tiny", "convnext_small"),
    NamedPair("swin_tiny_patch4_window7_224", "swin_small_patch4_window7_224"),
    NamedPair("cait_xxs24_224", "cait_xxs36_224"),
    NamedPair("densenet121", "densenet169"),
)


def settings(pair: NamedPair, **changes: Any) -> Resolved:
    """One epoch, in which one fall of the loss is enough to switch, so that both models learn."""
    values = {
        "pair.base": f"timm:{pair.base}",
        "pair.motivated": f"timm:{pair.motivated}",
        "data.name": f"synthetic:3x{IMAGE_SIZE}x{IMAGE_SIZE}:{CLASSES}:{BATCH_SIZE * STEPS * 5 // 4}",
        "train.batch_size": BATCH_SIZE,
        "train.epochs": 1,
        "motivation.k": 1,
        "runtime.device": "cpu",
        "runtime.force": True,
    }
    return resolve([("benchmark", values | pair.settings | {key.replace("__", "."): v for key, v in changes.items()})])


def measure(pair: NamedPair, work: Path) -> str:
    """A row of the table."""
    try:
        resolved = settings(pair)
        identity = f"{measured_error(resolved.config):.1e}"
    except SeekError as error:
        identity = f"impossible: {reason(str(error))}"
        try:
            resolved = settings(pair, pair__init="paper")
        except SeekError as other:
            return row(pair, "0", f"impossible: {reason(str(other))}", "not run", "not run")
    coverage = link_models(resolved.config.pair, planned_models(resolved.config)).coverage
    return row(pair, f"{100 * coverage:.1f}", identity, *trains_and_exports(resolved, work))


def trains_and_exports(resolved: Resolved, work: Path) -> tuple[str, str]:
    try:
        train_run(resolved, work)
    except SeekError as error:
        return f"**no**: {reason(str(error))}", "not run"
    run = open_run(RunFolder.of(work, resolved.config).path)
    try:
        done = export_run(run, ROLES, work / "exports")
        equal = [load_model(one.weights_path)[1].model == run.final_row(one.card.role)["model"] for one in done]
    except SeekError as error:
        return "yes", f"**no**: {reason(str(error))}"
    return "yes", "yes" if all(equal) and len(equal) == len(ROLES) else "**no**"


def reason(message: str) -> str:
    """The clause that says why: after the names of the pair, and before what to do about it."""
    _, _, told = message.partition(": ")
    return (told or message).partition(", and an identity")[0].partition(" of the base's")[0].partition(": name")[0]


def row(pair: NamedPair, *cells: str) -> str:
    said = ", ".join(f"`{key}`" for key in pair.settings) or "-"
    return f"| {' | '.join([pair.base, pair.motivated, said, *cells])} |"


def report(rows: list[str], command: str) -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    machine = f"{cpu_name()}, {os.cpu_count()} cores"
    where = (
        f"Measured {today} by `{command}` on {machine}; torch {torch.__version__}, timm {timm.__version__}, seekcli "
        f"{seekcli.__version__}; {IMAGE_SIZE} px, batch {BATCH_SIZE}, {STEPS} steps, fp32."
    )
    return "\n".join([where, "", HEADER, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure twenty pairs of timm.")
    parser.add_argument("--write", type=Path, help="page with markers to put the table in")
    parser.add_argument("--kept", type=Path, help="rows that were measured before, and where new ones are kept (JSON)")
    options = parser.parse_args()
    kept: dict[str, str] = json.loads(options.kept.read_text()) if options.kept and options.kept.exists() else {}
    for pair in PAIRS:
        if pair.base not in kept:
            with tempfile.TemporaryDirectory(prefix="seek-own-pairs-") as work:
                kept[pair.base] = measure(pair, Path(work))
            if options.kept:
                files.write_text(options.kept, json.dumps(kept))
        print(kept[pair.base], file=sys.stderr, flush=True)
    text = report([kept[pair.base] for pair in PAIRS], f"python {shlex.join(sys.argv)}")
    print(text)
    if options.write:
        write_between(options.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
