"""All settings of a run: one section a stage, and what concerns all of them."""

from __future__ import annotations

from pydantic import Field

from lib.settings.align import AlignSettings
from lib.settings.databases import DatabaseSettings
from lib.settings.demonstrate import DemonstrateSettings
from lib.settings.environment import EnvironmentSettings
from lib.settings.evaluate import EvaluateSettings
from lib.settings.images import ImageSettings
from lib.settings.learning import ExtrapolateSettings, ReinforceSettings, WarmUpSettings, WorkerSettings
from lib.settings.lineage import LineageSettings
from lib.settings.policy import EngineSettings, PolicySettings, SmolLM2Policy, TransformersEngineSettings
from lib.settings.section import Section
from lib.settings.source import AtlasSource, SourceSettings
from lib.settings.synthesis import SynthesisSettings


class Settings(Section):
    """What a profile and --set fill in."""

    seed: int = Field(0, ge=0)
    """The run's seed; every other seed derives from it."""
    source: SourceSettings = AtlasSource()
    databases: DatabaseSettings = DatabaseSettings()
    images: ImageSettings = ImageSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    policy: PolicySettings = SmolLM2Policy()
    engine: EngineSettings = TransformersEngineSettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    workers: WorkerSettings = WorkerSettings()
    align: AlignSettings = AlignSettings()
    demonstrate: DemonstrateSettings = DemonstrateSettings()
    warm_up: WarmUpSettings = WarmUpSettings()
    reinforce: ReinforceSettings = ReinforceSettings()
    extrapolate: ExtrapolateSettings = ExtrapolateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    lineage: LineageSettings = LineageSettings()
