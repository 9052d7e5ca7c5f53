"""Where a trained policy stops: held-out accuracy as questions get harder, without further training.

    python -m benchmarks.difficulty --checkpoint POLICY/checkpoint [--profile laptop] [--questions 100] [--seed 0]

Each rung makes its own questions from the same source: more look-ups, blurred clues, more distractors in each search.
Prints a Markdown table with 95 % intervals.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from lib.bootstrap import bootstrap_mean
from lib.policy.engines import Engines
from lib.progress import Silent
from lib.rollout.attempt import attempt
from lib.rollout.choose_questions import choose_questions
from lib.rollout.worlds import Sources
from lib.settings.load import load_settings
from lib.sources.build import build_graph
from lib.synthesis.knowledge.synthesize import synthesize
from lib.synthesis.question_set import write_question_set

# What each rung changes, against the profile.
RUNGS = {
    "1 look-up": ["synthesis.min_hops=1", "synthesis.max_hops=1"],
    "2 look-ups": ["synthesis.min_hops=2", "synthesis.max_hops=2"],
    "3 look-ups": ["synthesis.min_hops=3", "synthesis.max_hops=3"],
    "4 look-ups": ["synthesis.min_hops=4", "synthesis.max_hops=4"],
    "2 look-ups, blurred clues": ["synthesis.min_hops=2", "synthesis.max_hops=2", "synthesis.blur=1.0"],
    "2 look-ups, 6 results a search": [
        "synthesis.min_hops=2",
        "synthesis.max_hops=2",
        "environment.results_per_search=6",
    ],
}
# Longer questions need longer episodes; the same room for every rung.
ROOM = ["environment.max_tool_calls=8", "environment.max_turns=10", "engine.max_tokens=1536"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print("| questions | accuracy | well formed | tool calls |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        graph = Path(name) / "graph"
        graph.mkdir()
        build_graph(load_settings(chosen.profile, [], chosen.seed).source, out=graph, progress=Silent())
        for place, (rung, overrides) in enumerate(RUNGS.items()):
            folder = Path(name) / str(place)
            folder.mkdir()
            settings = load_settings(chosen.profile, [*ROOM, *overrides], chosen.seed)
            made = synthesize(settings.synthesis, graph=graph, seed=chosen.seed, progress=Silent())
            write_question_set({"knowledge": made}, folder)
            questions = choose_questions(
                folder / "questions.parquet", split="test", count=chosen.questions, seed=chosen.seed
            )
            with Engines(settings.engine, logs=folder) as engines:
                rows = attempt(
                    questions,
                    engines=engines,
                    sources=Sources(graph=graph),
                    checkpoint=chosen.checkpoint,
                    policy="policy",
                    benchmark=rung,
                    settings=settings,
                    seed=chosen.seed,
                    progress=Silent(),
                )
            interval = bootstrap_mean(
                np.array(rows["correct"].to_pylist(), dtype=float), resamples=2000, seed=chosen.seed, is_share=True
            )
            calls = np.mean([len(calls) for calls in rows["tool_calls"].to_pylist()])
            print(
                f"| {rung} | {interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%}) "
                f"| {np.mean(rows['well_formed'].to_pylist()):.0%} | {calls:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
