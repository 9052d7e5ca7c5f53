"""How far what engines say of their tokens is from what the trainer says of them, over whole multi-turn episodes.

    python -m benchmarks.sampler_mismatch --run STORE [--profile laptop] [--engines transformers vllm]
        [--precisions float32 bfloat16] [--episodes 1000] [--set K=V]

STORE has a run of that profile; its warmed-up policy plays its training questions of the domain `knowledge` at
temperature 1, eight episodes each. Every action token's logged log-probability is compared with the trainer's, at the
precision of the engine. Drift are tokens that the trainer reads and that the engine was not given or did not sample.
Prints a table of |log p trainer - log p engine| in nats.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

from benchmarks.versions import tell_versions
from benchmarks.warmed_up import DOMAIN, WarmedUp
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.device import own_device
from lib.policy.engine import Completion, SampleRequest
from lib.policy.engines import Engines
from lib.policy.load import load_chat, load_model
from lib.policy.precision import DTYPES
from lib.rollout.attempt import episode_limits
from lib.rollout.collect import collect_episodes
from lib.rollout.episode import Episode
from lib.rollout.worlds import Worlds
from lib.settings.load import load_settings
from lib.settings.settings import Settings

GROUP = 8


class Witness:
    """An engine that notes what it is given and what it gives, session by session."""

    def __init__(self, engine):
        self._engine = engine
        self.read: dict[str, list[int]] = {}

    @property
    def policy_version(self) -> int:
        return self._engine.policy_version

    async def sample(self, request: SampleRequest) -> Completion:
        completion = await self._engine.sample(request)
        self.read[request.session] = request.prompt + completion.tokens
        return completion

    def release(self, session: str) -> None:
        self._engine.release(session)


def measure(chosen: argparse.Namespace, engine: str, precision: str) -> str:
    settings = load_settings(
        chosen.profile, [DOMAIN, f"engine.type={engine}", f"engine.precision={precision}", *chosen.settings], 0
    )
    run = WarmedUp.of(chosen.run)
    checkpoint = run.checkpoint
    chat = load_chat(checkpoint)
    with tempfile.TemporaryDirectory() as logs, Engines(settings.engine, logs=Path(logs)) as engines:
        witness = Witness(engines.of(checkpoint, chat.encoder))
        started = time.perf_counter()
        episodes = collect_episodes(
            run.questions("train", chosen.episodes // GROUP),
            samples=GROUP,
            seed=0,
            engine=witness,
            chat=chat,
            worlds=Worlds.load(settings, run.sources),
            limits=episode_limits(settings, temperature=1.0),
        )
        seconds = time.perf_counter() - started
    gaps = np.concatenate(trainer_gaps(settings, checkpoint, episodes, precision))
    drift = sum(
        given != read
        for episode in episodes
        # What comes after the last turn, an observation, no engine has been given.
        for given, read in zip_longest(
            witness.read[episode.id], episode.conversation.tokens[: len(witness.read[episode.id])]
        )
    )
    turns = np.mean([episode.num_policy_turns for episode in episodes])
    return (
        f"| {engine} | {precision} | {len(episodes):,} | {turns:.1f} | {len(gaps):,} | {gaps.mean():.2g} "
        f"| {np.quantile(gaps, 0.999):.2g} | {gaps.max():.2g} | {drift} | {seconds:.0f} |"
    )


@torch.no_grad()
def trainer_gaps(settings: Settings, checkpoint: Path, episodes: list[Episode], precision: str) -> list[np.ndarray]:
    model = ActionLogProbs(load_model(checkpoint).to(own_device()), dtype=DTYPES[precision], temperature=1.0)
    samples = [
        Sample(talk.tokens, talk.action_mask, talk.logprobs)
        for talk in (episode.conversation for episode in episodes)
        if any(talk.action_mask)
    ]
    gaps = []
    for batch in make_micro_batches(samples, max_nodes=settings.workers.micro_batch_tokens):
        batch = batch.to(own_device())
        gaps.append((model(batch) - batch.behaviour_logprobs).abs().cpu().numpy())
    return gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="store with a run")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--engines", nargs="+", default=["transformers", "vllm"])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    chosen = parser.parse_args()
    chosen.run = chosen.run.absolute()
    print(f"{tell_versions()}; seed 0\n")
    heads = ("engine", "precision", "episodes", "turns", "action tokens", "mean", "99.9 %", "largest", "drift", "s")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for engine in chosen.engines:
        for precision in chosen.precisions:
            print(measure(chosen, engine, precision), flush=True)


if __name__ == "__main__":
    main()
