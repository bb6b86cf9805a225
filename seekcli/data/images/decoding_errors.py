"""What to say of image files that cannot be read: one line, however many there are."""

from __future__ import annotations

import os
from collections.abc import Mapping

from seekcli.errors import BadInput

NAMED = 5  # of each reason
REASONS = 3


def unreadable_images(reasons: Mapping[str, str], root: str = "") -> BadInput:
    """`reasons` says why, by path; the paths are below `root` or whole. Images of one reason stand together."""
    if len(reasons) == 1:
        ((path, why),) = reasons.items()
        return BadInput(f"cannot read the image {os.path.join(root, path)}: {why}")
    if not root:
        root = os.path.commonpath([os.path.dirname(path) for path in reasons])
        reasons = {os.path.relpath(path, root): why for path, why in reasons.items()}
    by_reason: dict[str, list[str]] = {}
    for path, why in reasons.items():
        by_reason.setdefault(why, []).append(path)
    parts = [f"{few(paths)} ({why})" for why, paths in by_reason.items()]
    others = sum(map(len, list(by_reason.values())[REASONS:]))
    more = f"; and {others:,} more for other reasons" if others else ""
    if others or any(len(paths) > NAMED for paths in by_reason.values()):
        more += "; `seek doctor --data` names every one"
    return BadInput(f"cannot read {len(reasons):,} images below {root}: {'; '.join(parts[:REASONS])}{more}")


def few(paths: list[str]) -> str:
    words = ", ".join(paths[:NAMED])
    return f"{words} and {len(paths) - NAMED:,} more" if len(paths) > NAMED else words
