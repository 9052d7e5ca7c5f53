"""How weights follow from episodes: the two training stages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.settings.section import Section
from lib.settings.synthesis import Domain


class WorkerSettings(Section):
    """Where and how training processes run."""

    ranks: int = Field(1, ge=1)
    """Processes a machine; on GPUs, one per device."""
    hostfile: str | None = None
    """DeepSpeed hostfile for several machines."""
    zero_stage: Literal[0, 1, 2, 3] = 0
    """What DeepSpeed shards over ranks: nothing, optimizer states, and gradients, and parameters. With one rank there
    is nothing to shard, and the bookkeeping of sharding takes time."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products; auto is the one that the machine multiplies faster; master weights stay in float32."""
    threads: int | None = Field(None, ge=1)
    """Threads a rank; default: cores divided by ranks."""
    micro_batch_tokens: int = Field(1536, ge=64)
    """Distinct tokens of one forward and backward pass, which bound the memory of activations."""
    recompute: bool = False
    """Keep of each layer only what went into it, and compute the rest again in the backward pass: a third more work,
    and room for sequences many times as long."""
    checkpoint_every: int = Field(5, ge=1)
    """Steps between checkpoints from which an interrupted job resumes."""
    checkpoint_pause_s: float = Field(120.0, ge=0)
    """Least seconds between two of them: where steps are short, writing would take longer than what it saves."""
    start_timeout_s: float = Field(300.0, gt=0)
    """Seconds until every rank must have reported."""
    silence_timeout_s: float = Field(1800.0, gt=0)
    """Seconds without progress after which a job counts as hung."""


class WarmUpSettings(Section):
    """Supervised training on demonstrations."""

    steps: int = Field(18, ge=1)
    batch_size: int = Field(8, ge=1)
    """Episodes a step, over all ranks."""
    learning_rate: float = Field(3e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(2, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    full_loss_share: float = Field(0.0, ge=0, le=1)
    """Share of the steps, from the start, that train on all tokens; for models from scratch."""


class ReinforceSettings(Section):
    """Multi-turn reinforcement learning with group-relative advantages."""

    steps: int = Field(12, ge=1)
    mode: Literal["sync", "one_step_off", "async"] = "sync"
    """sync: a step's episodes are sampled by the policy that the step begins with. one_step_off: while a step trains,
    the next one's episodes are sampled, by the policy of now. async: sampling runs ahead by max_staleness, and
    weights change while episodes go on."""
    max_staleness: int = Field(2, ge=1)
    """In the mode async: steps between the weights that sampled a turn and those that learn from it; older turns are
    not trained on. A step has reinforce.mini_batches optimizer steps."""
    groups: int = Field(6, ge=1)
    """Questions a step, over all ranks."""
    group_size: int = Field(8, ge=2)
    """Episodes a question."""
    learning_rate: float = Field(4e-5, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    warmup_steps: int = Field(0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    temperature: float = Field(1.0, gt=0)
    """Of the episodes; the trainer's probabilities are taken at the same one. The whole distribution is sampled
    from: a nucleus would give tokens a probability that the trainer does not compute."""
    clip_low: float = Field(0.2, gt=0, lt=1)
    """Lower clip of the probability ratio (1 - clip_low)."""
    clip_high: float = Field(0.28, gt=0)
    """Upper clip (1 + clip_high)."""
    importance_cap: float = Field(2.0, ge=1)
    """Greatest weight of a token: its probability under the trainer's policy over the one that it was sampled with."""
    divide_by_std: bool = True
    """Divide the advantage by the group's standard deviation."""
    full_normalizer: bool = True
    """Divide the loss by the action tokens of all episodes, those of dropped groups too, so that a step with
    little signal moves little; otherwise by those trained on."""
    kl_weight: float = Field(0.0, ge=0)
    """Weight of the KL term against the warmed-up policy; 0 leaves it out."""
    normalize_by_task: bool = True
    """Give the advantages of each domain mean 0 and deviation 1 over its action tokens, so that none of them decides
    alone where the policy goes. A run of one domain has nothing to balance."""
    domain_pulls: dict[Domain, Annotated[float, Field(ge=0)]] = {}
    """What the advantages of a domain are multiplied by beside others'; those that are not named have 1. A run of one
    domain is scaled by its learning rate alone."""
    domain_weights: dict[Domain, Annotated[float, Field(ge=0)]] = {}
    """How many groups of a step belong to a domain, relative to the others; those that are not named have 1."""
    filters: tuple[Literal["no_call", "empty_turn", "cut"], ...] = ()
    """Episodes that are not trained on: without a tool call that could be read, with a turn that is neither call nor
    answer, ended by a limit."""
    filtered_count: bool = True
    """Whether filtered episodes still count in the mean and deviation of their group."""
    vision_masks: tuple[Literal["action", "trajectory"], ...] = ("action", "trajectory")
    """What of an episode about images carries no loss: the turns with an invalid call; the whole of one that a limit
    cut or that made the same call twice."""
    sql_reward: Literal["parts", "strict"] = "parts"
    """What an SQL episode earns: format, executable and result, each with its sign; or 1 for a right one, else 0."""
    tool_gain: float = Field(0.1, ge=0)
    """What a right answer about images earns beyond 1 where a tool was used on the way; a call alone earns nothing."""
    redundancy_weight: float = Field(0.1, ge=0)
    """In the knowledge domain, the weight of the mean pairwise Jaccard similarity of an episode's queries."""
    mini_batches: int = Field(1, ge=1)
    """Optimizer steps a batch of episodes."""
    max_mismatch: float = Field(0.5, gt=0)
    """Gate: greatest mean |log p trainer - log p sampler| of a step, in nats a token."""
    max_probe_gap: float = Field(0.25, gt=0)
    """Gate: the same on a fixed text, after each time that new weights were sent to the engine."""
    trajectory_every: int = Field(1, ge=1)
    """Steps between the checkpoints kept for extrapolation."""
    trajectory_precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of those checkpoints."""

    @property
    def ahead(self) -> int:
        """Steps by which sampling may run ahead of training."""
        return {"sync": 0, "one_step_off": 1, "async": self.max_staleness}[self.mode]

    @model_validator(mode="after")
    def trajectory_holds_a_line(self) -> ReinforceSettings:
        kept = -(-self.steps // self.trajectory_every)  # the last step's checkpoint is always kept
        if kept < 2:
            raise ValueError(
                f"steps = {self.steps} and trajectory_every = {self.trajectory_every} leave one checkpoint, and "
                "extrapolation needs two: raise steps or lower trajectory_every"
            )
        return self


class ExtrapolateSettings(Section):
    """RELEX: rank-r extrapolation of the row of checkpoints."""

    rank: int = Field(1, ge=1)
    window: int = Field(-1, ge=-1)
    """Last points that the line is fitted on, at least 2; -1 takes all."""
    targets: tuple[float, ...] = (1.5, 2.5)
    """Target steps of the sweep, as multiples of the last trained step."""
    scales: tuple[float, ...] = (1.5, 2.5)
    """Scales of the last delta, the baseline that extrapolation is compared with."""
    questions: int = Field(48, ge=8)
    """Validation questions of the sweep."""

    @model_validator(mode="after")
    def window_holds_a_line(self) -> ExtrapolateSettings:
        if self.window in (0, 1):
            raise ValueError("window must be -1 or at least 2, since a line needs two points")
        return self

    @model_validator(mode="after")
    def targets_lie_ahead(self) -> ExtrapolateSettings:
        if not self.targets:
            raise ValueError("targets must name at least one target, since one of them is published")
        if any(target < 1 for target in self.targets):
            raise ValueError(
                "targets must be at least 1: the last step itself, rebuilt from the line, or a step ahead of it"
            )
        return self
