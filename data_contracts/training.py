"""Checkpoints and what a training run leaves beside them: one row a step, the episodes it learned from."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, measured, required
from data_contracts.episodes import EPISODES

COUNT = pa.struct([("reason", pa.string()), ("count", pa.int64())])

STEPS = Contract(
    name="steps",
    version=2,
    schema=pa.schema(
        [
            required("step", pa.int32()),  # from 1
            required("loss", pa.float64()),
            required("learning_rate", pa.float64()),
            required("grad_norm", pa.float64()),
            required("num_episodes", pa.int32()),  # trained on
            required("num_tokens", pa.int64()),
            required("num_action_tokens", pa.int64()),
            required("reward_mean", pa.float64()),  # over all episodes sampled in the step; 0 in warm-up
            required("accuracy", pa.float64()),
            required("entropy", pa.float64()),  # nats a sampled token, estimated by -log p
            required("mismatch_mean", pa.float64()),  # mean |log p trainer - log p sampler|
            required("mismatch_max", pa.float64()),
            # p trainer / p sampler of the action tokens at the beginning of the step: three quantiles, and the share of
            # tokens whose ratio is greater than what the loss weighs them by
            required("importance_p01", pa.float64()),
            required("importance_p50", pa.float64()),
            required("importance_p99", pa.float64()),
            required("truncated_share", pa.float64()),
            required("clipped_share", pa.float64()),
            # steps between the oldest turn of an episode and the step, over those trained on
            required("staleness_mean", pa.float64()),
            required("staleness_max", pa.int32()),
            required("probe_gap", pa.float64()),  # mean |log p trainer - log p engine| on a fixed text after the step
            required("kl", pa.float64()),
            required("groups_kept", pa.int32()),
            required("dropped", pa.list_(COUNT)),  # episodes left out, by reason
            required("tool_calls_mean", pa.float64()),
            required("turns_mean", pa.float64()),
            required("well_formed_share", pa.float64()),
            measured("seconds_rollout"),  # that training waited for episodes
            measured("seconds_train"),
        ]
    ),
    rules=(Rule("loss is finite", "isfinite(loss)"), Rule("steps count from 1", "step >= 1")),
    key=("step",),
)

# A folder that transformers loads: config.json, model.safetensors, tokenizer.json, chat_template.jinja.
CHECKPOINT = "checkpoint"
# One folder a step, trajectory/step_00007/model.safetensors, for extrapolation.
TRAJECTORY = "trajectory"

POLICY = ArtifactKind(name="policy", tables=(), paths=(CHECKPOINT,))
ALIGNMENT = ArtifactKind(name="alignment", tables=(STEPS,), paths=(CHECKPOINT,), summary="steps")
WARM_UP = ArtifactKind(name="warm_up", tables=(STEPS,), paths=(CHECKPOINT,), summary="steps")
REINFORCEMENT = ArtifactKind(
    name="reinforcement", tables=(STEPS, EPISODES), paths=(CHECKPOINT, TRAJECTORY), summary="steps"
)

TENSOR_FITS = Contract(
    name="tensor_fits",
    version=1,
    schema=pa.schema(
        [
            required("tensor", pa.string()),
            required("num_elements", pa.int64()),
            required("explained_variance", pa.float64()),  # share of the first r squared singular values
            required("r_squared", pa.float64()),  # of the line through the first coefficient; 0 if it never moved
            required("slope", pa.float64()),
            required("intercept", pa.float64()),
            required("delta_norm", pa.float64()),  # of the last step
        ]
    ),
    rules=(
        Rule("explained variance is a share", "explained_variance BETWEEN -1e-9 AND 1 + 1e-9"),
        Rule("the fit is finite", "isfinite(slope) AND isfinite(intercept) AND isfinite(r_squared)"),
    ),
    key=("tensor",),
)

SWEEP = Contract(
    name="sweep",
    version=1,
    schema=pa.schema(
        [
            required("method", pa.string()),  # relex, scaled_delta or last_step
            required("target", pa.float64()),  # target step (relex) or scale (scaled_delta)
            required("accuracy", pa.float64()),
            required("low", pa.float64()),  # 95 % bootstrap interval over questions
            required("high", pa.float64()),
            required("gain", pa.float64()),  # accuracy less the last step's, on the same questions
            required("gain_low", pa.float64()),  # paired 95 % bootstrap interval
            required("gain_high", pa.float64()),
            required("n", pa.int32()),  # questions
            required("chosen", pa.bool_()),  # the published checkpoint
        ]
    ),
    rules=(
        Rule("method is known", "method IN ('relex', 'scaled_delta', 'last_step')"),
        Rule("accuracy is a share", "accuracy BETWEEN 0 AND 1"),
        Rule("only an extrapolation is chosen", "NOT chosen OR method = 'relex'"),
    ),
    key=("method", "target"),
)

# The verdict on the published checkpoint, in words and numbers.
GATE = "gate.json"

EXTRAPOLATION = ArtifactKind(
    name="extrapolation", tables=(TENSOR_FITS, SWEEP), paths=(CHECKPOINT, GATE), summary="tensor_fits"
)
