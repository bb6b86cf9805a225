"""Which settings each motivation condition reads, and what is known of its share before a run."""

from __future__ import annotations

# What each shipped condition reads of [motivation]; a condition of somebody else's reads k and its options. The rest
# stays out of the run id, and so does `counts_from`, which only says where the counts were found.
CONDITION_READS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("loss", "validation-loss", "gradient-norm", "inverse"), ("k",)),
    "ema-loss": ("k", "ema_alpha", "ema_fall_percent"),
    "matched-count": ("counts",),
    "window": ("window_start", "window_stop"),
    "periodic": ("every_steps",),
    "budget": ("share",),
    **dict.fromkeys(("random-count", "always", "never"), ()),
}
# Conditions whose share of motivated steps is known before the run; that of the others is up to chance.
FIXED_SHARE = ("matched-count", "window", "periodic", "budget", "always", "never")
# Of what they read, what need not be set (it becomes the default of method/condition.py) and is shown in names.
SCHEDULE_OPTIONS = ("window_start", "window_stop", "every_steps", "share")


def settings_read(condition: str) -> tuple[str, ...]:
    """Names of the [motivation] settings that a condition reads."""
    return CONDITION_READS.get(condition, ("k", "options", "source_sha256"))


def share_basis(schedule: str, condition: str | None) -> str:
    """Where the expected share of a run of both models comes from, in words."""
    return "by its schedule" if schedule == "grow" or condition in FIXED_SHARE else "by chance"
