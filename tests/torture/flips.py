"""Flips: one bit of one file. Whatever is printed afterwards is what was printed before, or the file is named."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from torture.reading import evaluated_export, library, numbers_told, placeless, refused_by_name
from torture.runs import Reference, Verdict
from torture.seek_process import seek

FILES = ("status.json", "status.json", "config.json", "config.json", "environment.json", "epochs.parquet")
FILES += ("epochs.parquet", "steps.parquet", "classes.parquet", "base.safetensors", "motivated.safetensors")
EXPORTED = (".json", ".json", ".safetensors")
# A large file is mostly weights: every second flip falls into its beginning, where its structure is.
HEAD_BYTES = 2000


def case(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    return flip_export(draw, folder, reference) if draw.random() < 0.25 else flip_run(draw, folder, reference)


def flip_run(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    shelf = library(reference)
    results, run_id = shelf.copy(folder / "r"), shelf.pick(draw)
    path = results / "runs" / run_id / draw.choice(FILES)
    if not path.exists():  # a classic run has one model
        path = path.with_name("status.json")
    bit = flip(draw, path)
    what = f"bit {bit} of {run_id}/{path.name}"
    return Verdict(what, numbers_told(shelf, results, run_id, path.name))


def flip_export(draw: random.Random, folder: Path, reference: Reference) -> Verdict:
    shelf = library(reference)
    run_id, suffix = shelf.pick(draw), draw.choice(EXPORTED)
    exports = Path(shutil.copytree(shelf.exports(run_id), folder / "e"))
    path = draw.choice(sorted(exports.glob(f"*{suffix}")))
    what = f"bit {flip(draw, path)} of the export {run_id}/{path.name}"
    ended = seek("evaluate", exports)
    if ended.code == 0 and placeless(ended.stdout, exports) != evaluated_export(shelf, run_id):
        return Verdict(what, f"evaluate prints other numbers: {ended.stdout}")
    return Verdict(what, ended.problem(0, 2) or refused_by_name(ended, path.name))


def flip(draw: random.Random, path: Path) -> int:
    """Flip a bit and say which."""
    data = bytearray(path.read_bytes())
    bit = draw.randrange(8 * min(len(data), draw.choice((HEAD_BYTES, len(data)))))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return bit
