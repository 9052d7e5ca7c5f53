"""The gates of the chain, measured again on what a run has stored.

In: the artifacts of a run and its settings. Out: one row a gate: the value, its bound, and whether it
keeps to it. Stages refuse to go on at a broken gate; here the tables speak, so that nobody need take a
stage's word for it. Where there is nothing to measure, a gate has neither passed nor failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from lib.percent import count, percent, points
from lib.settings.demonstrate import DemonstrateSettings
from lib.settings.settings import Settings

GATES = pa.schema(
    [
        ("gate", pa.string()),
        ("promise", pa.string()),  # what holds when the gate is passed
        ("stage", pa.string()),  # whose tables are measured
        ("measured", pa.float64()),  # null where there was nothing to measure
        ("unit", pa.string()),
        ("bound", pa.string()),
        ("passed", pa.bool_()),  # null where there was nothing to measure
        ("checked", pa.int64()),  # how many were looked at
        ("of", pa.string()),  # what they are
        ("note", pa.string()),
    ]
)
# Stages whose artifacts hold episodes.
PLAYING = ("demonstrate", "reinforce", "evaluate")
# In SQL, the turns that the agent wrote.
AGENT_TURNS = "list_filter(turns, lambda t: t.role = 'assistant')"


@dataclass(frozen=True)
class Gate:
    """One row of the table; ``passed`` is None until something was measured."""

    gate: str
    promise: str
    stage: str
    unit: str
    bound: str
    note: str = ""
    measured: float | None = None
    passed: bool | None = None
    checked: int = 0
    of: str = ""

    def judged(self, measured: float, passed: bool, *, checked: int, of: str, note: str = "") -> Gate:
        return replace(self, measured=float(measured), passed=passed, checked=checked, of=of, note=note or self.note)


def measure_gates(settings: Settings, *, inputs: Mapping[str, Path]) -> list[Gate]:
    """All gates, in the order of the chain; ``inputs`` are artifact directories by stage name."""
    demonstrations = _files(inputs, ("demonstrate",), "episodes")
    episodes = _files(inputs, PLAYING, "episodes")
    return [
        contamination(_files(inputs, ("synthesize",), "questions")),
        trained_share(demonstrations, settings.demonstrate),
        turn_ends(demonstrations, _stop_tokens(inputs) if demonstrations else ()),
        action_mask(episodes),
        token_drift(episodes),
        mismatch(_files(inputs, ("reinforce",), "steps"), bound=settings.reinforce.max_mismatch),
        extrapolation(_files(inputs, ("extrapolate",), "sweep")),
    ]


def tell_measured(value: float | None, unit: str) -> str:
    """A gate's value in its unit."""
    if value is None:
        return "–"
    if unit == "share":
        return percent(value)
    if unit == "points":
        return f"{points(value)} points"
    return f"{value:.4f} nats" if unit == "nats" else f"{count(int(value))} {unit}"


def gates_table(gates: Iterable[Gate]) -> pa.Table:
    return pa.Table.from_pylist([asdict(gate) for gate in gates], schema=GATES)


def contamination(questions: Sequence[str]) -> Gate:
    """Pairs of a training and a held-out question that share an entity, or all facts that lead to the answer."""
    promise = "no training question shares an entity or an answer path with a held-out one"
    gate = Gate("contamination", promise, "synthesize", "pairs", "none")
    if not questions:
        return gate
    train, held_out, pairs = _ask(
        """WITH asked AS (SELECT id, split = 'train' AS trains, source_ids,
             list_transform(evidence, lambda e: e.page_id || chr(31) || e.fact)::VARCHAR AS path,
             len(evidence) AS num_facts FROM read_parquet($files)),
           entities AS (SELECT id, trains, unnest(source_ids) AS entity FROM asked),
           shared AS (
             SELECT a.id, b.id FROM entities a JOIN entities b USING (entity) WHERE a.trains AND NOT b.trains
             UNION
             SELECT a.id, b.id FROM asked a JOIN asked b USING (path)
             WHERE a.trains AND NOT b.trains AND a.num_facts > 0)
           SELECT count(*) FILTER (trains), count(*) FILTER (NOT trains), (SELECT count(*) FROM shared) FROM asked""",
        questions,
    )
    if not train or not held_out:
        return gate
    note = f"{train:,} training questions, {held_out:,} held-out ones"
    return gate.judged(pairs, pairs == 0, checked=train * held_out, of="pairs", note=note)


def trained_share(demonstrations: Sequence[str], limits: DemonstrateSettings) -> Gate:
    """The share of tokens with a loss."""
    low, high = limits.min_trained_share, limits.max_trained_share
    promise = "the demonstrations train a reasonable share of their tokens"
    gate = Gate("trained share", promise, "demonstrate", "share", f"{100 * low:g} % to {100 * high:g} %")
    if not demonstrations:
        return gate
    total, trained = _ask(
        """SELECT coalesce(sum(len(tokens)), 0), coalesce(sum(len(list_filter(action_mask, lambda m: m))), 0)
           FROM read_parquet($files)""",
        demonstrations,
    )
    if not total:
        return gate
    share = trained / total
    return gate.judged(share, low <= share <= high, checked=total, of="tokens")


def turn_ends(demonstrations: Sequence[str], stop_tokens: Sequence[int]) -> Gate:
    """Turns of the demonstrated agent whose last token is no stop token, or is not trained."""
    promise = "every turn of the agent in the demonstrations ends on a trained stop token"
    gate = Gate("turn ends", promise, "demonstrate", "turns", "none")
    if not demonstrations or not stop_tokens:
        return gate
    turns, bad = _ask(
        f"""SELECT coalesce(sum(len({AGENT_TURNS})), 0), coalesce(sum(len(list_filter({AGENT_TURNS}, lambda t:
              NOT coalesce(list_contains($stop_tokens, tokens[t.end]) AND action_mask[t.end], false)))), 0)
            FROM read_parquet($files)""",
        demonstrations,
        stop_tokens=list(stop_tokens),
    )
    if not turns:
        return gate
    return gate.judged(bad, bad == 0, checked=turns, of="turns")


def action_mask(episodes: Sequence[str]) -> Gate:
    """Tokens that are marked as the agent's own and are not, or the other way round."""
    promise = "the tokens marked for training are the agent's own, all of them and no others"
    gate = Gate("action mask", promise, ", ".join(PLAYING), "tokens", "none")
    if not episodes:
        return gate
    total, marked, own, both = _ask(
        f"""SELECT coalesce(sum(len(tokens)), 0), coalesce(sum(len(list_filter(action_mask, lambda m: m))), 0),
              coalesce(sum(list_sum(list_transform({AGENT_TURNS}, lambda t: t.end - t.start))), 0),
              coalesce(sum(list_sum(list_transform({AGENT_TURNS}, lambda t:
                len(list_filter(action_mask[t.start + 1 : t.end], lambda m: m))))), 0)
            FROM read_parquet($files)""",
        episodes,
    )
    wrong = (marked - both) + (own - both)
    return gate.judged(wrong, wrong == 0, checked=total, of="tokens")


def token_drift(episodes: Sequence[str]) -> Gate:
    """Turns that do not begin where the one before ended, the first at 0 and the last at the end of the tokens.

    A turn's prompt is all that stands before it, so without such a turn each prompt extends the last one exactly.
    """
    promise = "tokens in equal tokens out: each turn's prompt extends the last one exactly"
    gate = Gate("token drift", promise, ", ".join(PLAYING), "turns", "none")
    if not episodes:
        return gate
    count, turns, adrift = _ask(
        """SELECT count(*), coalesce(sum(len(turns)), 0), coalesce(sum(
             len(list_filter(range(1, len(turns) + 1), lambda i:
               turns[i].start IS DISTINCT FROM coalesce(turns[i - 1].end, 0) OR turns[i].end < turns[i].start))
             + (coalesce(turns[-1].end, 0) <> len(tokens))::INT), 0)
           FROM read_parquet($files)""",
        episodes,
    )
    return gate.judged(adrift, adrift == 0, checked=turns, of="turns", note=f"{count:,} stored episodes")


def mismatch(steps: Sequence[str], *, bound: float) -> Gate:
    """The greatest mean |log p trainer - log p sampler| of a step that trained."""
    promise = "sampler and trainer give the same token nearly the same log-probability"
    gate = Gate("mismatch", promise, "reinforce", "nats", f"at most {bound:g} nats")
    if not steps:
        return gate
    trained, mean, largest = _ask(
        """SELECT count(*), max(CASE WHEN isfinite(mismatch_mean) THEN mismatch_mean ELSE 'infinity' END),
             max(mismatch_max) FROM read_parquet($files) WHERE num_action_tokens > 0""",
        steps,
    )
    if not trained:
        return replace(gate, note="no step had a group to learn from")
    note = f"mean over the tokens of the worst step; the worst token differs by {largest:.3f}"
    return gate.judged(mean, mean <= bound, checked=trained, of="steps", note=note)


def extrapolation(sweep: Sequence[str]) -> Gate:
    """The published extrapolation against the last trained step, on the same validation questions."""
    promise = "the extrapolated model is not behind the last trained step on validation"
    gate = Gate("extrapolation", promise, "extrapolate", "points", "interval reaches 0")
    if not sweep:
        return gate
    gain, low, high, questions, chosen, last, scaled = _ask(
        """SELECT any_value(gain) FILTER (chosen), any_value(gain_low) FILTER (chosen),
             any_value(gain_high) FILTER (chosen), any_value(n) FILTER (chosen), any_value(accuracy) FILTER (chosen),
             any_value(accuracy) FILTER (method = 'last_step'), max(accuracy) FILTER (method = 'scaled_delta')
           FROM read_parquet($files)""",
        sweep,
    )
    if gain is None or last is None:
        return replace(gate, note="the sweep lacks the published model or the last step")
    note = f"{percent(chosen)}, last step {percent(last)}"
    note += "" if scaled is None else f", best scaled delta {percent(scaled)}"
    note += f"; 95 % interval of the gain {points(low)} to {points(high)}"
    return gate.judged(gain, high >= 0, checked=questions, of="questions", note=note)


def _ask(query: str, files: Sequence[str], **values: object) -> tuple:
    """The one row of a query over ``$files``."""
    with duckdb.connect() as connection:
        row = connection.execute(query, {"files": list(files), **values}).fetchone()
    assert row is not None, "an aggregate has a row"
    return row


def _files(inputs: Mapping[str, Path], stages: Sequence[str], table: str) -> list[str]:
    paths = [inputs[stage] / f"{table}.parquet" for stage in stages if stage in inputs]
    return [str(path) for path in paths if path.exists()]


def _stop_tokens(inputs: Mapping[str, Path]) -> Sequence[int]:
    """What ends a turn in the base policy's chat format; nothing where there is no policy."""
    checkpoint = inputs["base"] / "checkpoint" if "base" in inputs else None
    if checkpoint is None or not checkpoint.is_dir():
        return ()
    # Torch takes seconds to load, and nothing else in the report needs it.
    from lib.policy.conversation import ChatFormat
    from lib.policy.load import load_tokenizer

    return sorted(ChatFormat(load_tokenizer(checkpoint)).stop_tokens)
