"""The one schema of a run: frozen, typed, checked at birth. Units are in the names of the settings."""

from __future__ import annotations

from pydantic import Field

from seekcli.config.pair_settings import PairConfig
from seekcli.config.settings import (
    CLASSIC,
    AugmentConfig,
    DataConfig,
    LrScheduleConfig,
    MotivationConfig,
    OptimizerConfig,
    RuntimeConfig,
    Schedule,
    Section,
    TrainConfig,
    TuneConfig,
    pair_name,
)
from seekcli.config.start_settings import ExtendConfig, TransferConfig
from seekcli.config.value_types import Seed
from seekcli.method.roles import ROLES


class RunConfig(Section):
    """Everything one run is made of. Two runs with equal `identity.run_key` are the same run."""

    schedule: Schedule = Field(
        "alternating", description="alternating; one model alone: base, motivated; grow: the larger branches off late"
    )
    seed: Seed = Field(0, description="seed of weights, batches and augmentation")
    recipe: str = Field("auto", description="named settings, or FILE.toml; auto picks one for the data and family")
    recipe_file: str | None = Field(None, description="path of a recipe of your own; resolved, never typed")
    smoke: bool = Field(False, description="a run at a small size that shows whether all works, and is no result")
    pair: PairConfig = PairConfig()
    motivation: MotivationConfig = MotivationConfig()
    transfer: TransferConfig = TransferConfig()
    extend: ExtendConfig = ExtendConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    lr_schedule: LrScheduleConfig = LrScheduleConfig()
    augment: AugmentConfig = AugmentConfig()
    tune: TuneConfig = TuneConfig()
    runtime: RuntimeConfig = RuntimeConfig()

    @property
    def classic(self) -> bool:
        """Whether one model is trained alone (the paper's X-C and Y-C)."""
        return self.schedule in CLASSIC

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles this schedule trains, base first."""
        return (self.schedule,) if self.classic else ROLES

    @property
    def way(self) -> str:
        """`loss-k2`, `grow-0.8`: how the motivated model comes into a run of both."""
        return f"grow-{self.motivation.grow_at:g}" if self.schedule == "grow" else self.motivation.label

    def model_name(self, role: str) -> str:
        return str(getattr(self.pair, role))

    @property
    def pair_name(self) -> str:
        return pair_name(self.pair.base, self.pair.motivated)
