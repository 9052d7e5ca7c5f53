"""Episodes: one attempt at one question by one policy, token by token."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, measured, optional, required

TURN = pa.struct(
    [
        ("role", pa.string()),  # system, user, assistant or tool; system and user share the first span
        ("start", pa.int32()),  # first token of the span
        ("end", pa.int32()),  # one past its last token
        ("text", pa.string()),
        ("policy_version", pa.int32()),  # of the sampled turn; -1 where nothing was sampled
    ]
)

TOOL_CALL = pa.struct(
    [
        ("turn", pa.int32()),
        ("name", pa.string()),
        ("arguments", pa.string()),  # JSON
        ("status", pa.string()),
        measured("latency_s").with_nullable(True),
    ]
)

IMAGE = pa.struct(
    [
        ("image_id", pa.string()),
        ("box", pa.list_(pa.int32())),  # left, top, right, bottom in pixels; null is the whole image
        ("start", pa.int32()),  # first token that stands for it
        ("end", pa.int32()),  # one past the last
        ("num_patches", pa.int32()),  # placeholders among them
        ("patch_token", pa.int32()),  # the placeholder
    ]
)

REWARD_PART = pa.struct([("name", pa.string()), ("value", pa.float64())])

EPISODES = Contract(
    name="episodes",
    version=3,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("question_id", pa.string()),
            required("group_id", pa.string()),  # whose rewards are compared: a question at one draw
            required("domain", pa.string()),
            required("policy", pa.string()),
            required("benchmark", pa.string()),
            required("sample", pa.int32()),
            required("step", pa.int32()),  # of the run that trained on it; 0 outside training
            required("tokens", pa.list_(pa.int32())),  # [num_tokens]
            required("action_mask", pa.list_(pa.bool_())),  # [num_tokens], true where the policy sampled
            required("logprobs", pa.list_(pa.float32())),  # [num_tokens], 0 where not an action
            required("turns", pa.list_(TURN)),
            optional("images", pa.list_(IMAGE)),  # in the order of their places; shown, not sampled
            required("tool_calls", pa.list_(TOOL_CALL)),
            required("status", pa.string()),
            optional("error", pa.string()),
            optional("answer", pa.string()),
            optional("answer_key", pa.string()),  # equal for answers that amount to the same; null: to nothing
            required("correct", pa.bool_()),
            required("well_formed", pa.bool_()),
            required("reward", pa.float64()),
            required("reward_parts", pa.list_(REWARD_PART)),
            required("seed", pa.int64()),
            measured("seconds"),
        ]
    ),
    rules=(
        Rule("one mask value a token", "len(tokens) = len(action_mask)"),
        Rule("one log-probability a token", "len(tokens) = len(logprobs)"),
        Rule(
            "turns cover the tokens without gaps",
            "len(tokens) = 0 OR (turns[1].start = 0 AND turns[-1].end = len(tokens) "
            "AND len(list_filter(range(1, len(turns)), lambda i: turns[i].end <> turns[i + 1].start)) = 0)",
        ),
        Rule(
            "images lie inside, one after the other",
            "images IS NULL OR len(list_filter(range(1, len(images) + 1), lambda i: images[i].start < "
            "coalesce(images[i - 1].end, 0) OR images[i].end > len(tokens))) = 0",
        ),
        # One that the policy itself wrote stands for nothing, and is a token like any other.
        Rule(
            "there are as many placeholders as the images have patches",
            "images IS NULL OR len(images) = 0 OR len(list_filter(images, lambda i: len(list_filter("
            "tokens[i.start + 1 : i.end], lambda t: t = i.patch_token)) <> i.num_patches)) = 0 AND len(list_filter("
            "range(1, len(tokens) + 1), lambda p: tokens[p] = images[1].patch_token AND NOT action_mask[p])) = "
            "list_sum(list_transform(images, lambda i: i.num_patches))",
        ),
        Rule(
            "no patch is an action",
            "images IS NULL OR len(list_filter(images, lambda i: list_bool_or(action_mask[i.start + 1 : i.end]))) = 0",
        ),
        Rule("log-probabilities are not positive", "coalesce(list_max(logprobs), 0) <= 1e-6"),
        Rule("reward is finite", "isfinite(reward)"),
    ),
    key=("id",),
)

EPISODE_SET = ArtifactKind(name="episodes", tables=(EPISODES,), summary="episodes")
