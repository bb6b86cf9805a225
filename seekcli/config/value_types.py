"""The kinds of numbers that settings are, with their bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

# What the tables of a run hold: whole numbers of 32 bits; settings are float32 numbers in the kernels that take them.
MAX_INT32, MAX_FLOAT32 = 2**31 - 1, 1e38
Positive = Annotated[int, Field(ge=1, le=MAX_INT32)]
BatchSize = Annotated[int, Field(ge=2, le=MAX_INT32)]  # BatchNorm cannot train on one image
Count = Annotated[int, Field(ge=0, le=MAX_INT32)]
MOST_SEED = 2**63 - 1
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
UpTo1024 = Annotated[int, Field(ge=0, le=1024)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
AtLeast0 = Annotated[float, Field(ge=0, le=MAX_FLOAT32)]
PositiveFloat = Annotated[float, Field(gt=0, le=MAX_FLOAT32)]
# More at once are a slip of the keyboard: to list them alone would take minutes.
MOST_SEEDS, MOST_RUNS, MOST_POINTS = 1_000, 10_000, 100_000
# Where the rows of a run can be sent as they are recorded; each name is that of a library, and of the extra of it.
TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
# How a photograph becomes a square.
Fit = Literal["crop", "pad", "stretch"]
