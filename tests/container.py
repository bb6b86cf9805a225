"""The Dockerfile, read: docker is on few machines that run tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Instruction(NamedTuple):
    """`COPY`, what follows it, and the stage that it is of: its name, or its base image."""

    word: str
    rest: str
    stage: str


def instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found: list[Instruction] = []
    stage = ""
    for word, _, rest in (line.partition(" ") for line in lines if line):
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        found.append(Instruction(word, rest, stage))
    return found


def copied(stage: str) -> list[str]:
    """Files and folders of the repository that a stage copies."""
    copies = [one.rest.split() for one in instructions() if one.word == "COPY" and one.stage == stage]
    return [name for words in copies if not words[0].startswith("--from") for name in words[:-1]]
