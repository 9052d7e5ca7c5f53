"""One step's work of a reinforcement run: roll groups of episodes out, train on them, send the weights on.

In: the number of the step. Out: its episodes, then new weights in trainer and engine. Everything drawn depends
on the seed and the step alone. Files are not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from lib.environments.environment import Message, Question
from lib.errors import EngineError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.balance import share_out
from lib.learning.domain_shares import share_groups
from lib.learning.item_order import items_of_step
from lib.learning.policy_loss import policy_loss
from lib.learning.rollout_batch import RolloutBatch, select_samples
from lib.learning.step_measures import TokenMeasures
from lib.learning.task_advantage import normalize_by_task, weigh_domains
from lib.learning.token_batch import MicroBatch, Sample, make_micro_batches
from lib.learning.trainer import Trainer
from lib.policy.conversation import ChatFormat
from lib.policy.engine import TrainedEngine
from lib.rollout.attempt import episode_limits
from lib.rollout.collect import play_group
from lib.rollout.episode import Episode
from lib.rollout.stream import Ledger, RolloutStream
from lib.rollout.worlds import Worlds
from lib.seeds import derive_seed
from lib.settings.settings import Settings

PROBE_TOKENS = 64


@dataclass(frozen=True)
class Learner:
    """What stays the same from step to step."""

    settings: Settings
    seed: int
    trainer: Trainer
    engine: TrainedEngine
    chat: ChatFormat
    worlds: Worlds
    questions: dict[str, list[Question]]  # by domain
    reference: ActionLogProbs | None  # the warmed-up policy, only where a KL term needs it
    probe: Sample  # that trainer and engine are compared by

    async def play_group(self, question: Question, step: int) -> list[Episode]:
        """The episodes of one question, drawn for a step."""
        wanted = self.settings.reinforce
        episodes = await play_group(
            question,
            samples=wanted.group_size,
            seed=derive_seed(self.seed, "reinforce", step),
            engine=self.engine,
            chat=self.chat,
            worlds=self.worlds,
            limits=episode_limits(self.settings, temperature=wanted.temperature),
        )
        for episode in episodes:
            episode.draw = step
        return episodes

    def open_stream(self, *, first: int, ledger: Ledger) -> RolloutStream:
        """Of this rank's groups, from a step on."""
        wanted = self.settings.reinforce
        return RolloutStream(
            self.play_group,
            self.questions_of,
            first=first,
            steps=wanted.steps,
            ahead=wanted.ahead,
            in_flight=wanted.mode == "async",
            ledger=ledger,
            lane=self.engine.lane,
        )

    def select(self, episodes: Sequence[Episode], step: int) -> RolloutBatch:
        """What the step trains on, with advantages. All ranks take part, those without episodes too."""
        settings = self.settings.reinforce
        batch = select_samples(
            episodes,
            divide_by_std=settings.divide_by_std,
            filters=settings.filters,
            filtered_count=settings.filtered_count,
            vision_masks=settings.vision_masks,
            versions=range(step - settings.ahead, step + 1),
        )
        if len(self.questions) == 1:
            return batch  # there is nothing to balance
        samples = batch.samples
        if settings.normalize_by_task:
            samples = normalize_by_task(
                samples, batch.domains, among=list(self.questions), total=self.trainer.sum_over_ranks
            )
        return replace(batch, samples=weigh_domains(samples, batch.domains, settings.domain_pulls))

    def train(
        self, rolled_out: RolloutBatch, step: int, *, learning_rate: float, between: Callable[[], None]
    ) -> tuple[float, float, TokenMeasures]:
        """Optimizer steps over the batch; none when no rank has a group with a signal.

        ``between`` is called after every pass.

        Returns (loss, gradient norm, measures); the first two are those of the last optimizer step.
        """
        settings, trainer = self.settings.reinforce, self.trainer
        loss, norm, measures = 0.0, 0.0, TokenMeasures()
        if trainer.sum_over_ranks(len(rolled_out.samples)) == 0:
            return loss, norm, measures

        num_tokens = None
        if settings.full_normalizer:
            num_tokens = trainer.sum_over_ranks(rolled_out.num_action_tokens) / settings.mini_batches
        seed = derive_seed(self.seed, "mini-batches", step)
        samples = share_out(trainer.gather_from_ranks(rolled_out.samples), trainer.num_ranks)[trainer.rank]
        parts = [
            make_micro_batches(part or [_nothing()], max_nodes=trainer.micro_batch_tokens, encoder=self.chat.encoder)
            for part in _mini_batches(samples, settings.mini_batches, seed)
        ]
        # The first part meets the weights that the step begins with, so that its own pass measures them.
        parts[1:] = [
            [
                replace(batch, proximal_logprobs=logprobs)
                for batch, logprobs in zip(part, trainer.measure(part), strict=True)
            ]
            for part in parts[1:]
        ]
        for place, part in enumerate(parts):
            sum_loss = partial(self._loss, measures=measures, is_first=place == 0)
            loss, norm = trainer.step(
                part, loss=sum_loss, learning_rate=learning_rate, num_tokens=num_tokens, between=between
            )
        return loss, norm, measures

    def send_weights(self, stream: RolloutStream, *, version: int) -> float:
        """From the trainer to the engine, which must then compute what the trainer computes.

        Returns the mean difference in nats a token of the probe's log-probabilities, the largest of all copies.
        Raises EngineError where it is above ``reinforce.max_probe_gap``.
        """
        stream.settle()
        self.trainer.wait_for_ranks()  # they may share servers, and each has episodes of its own
        with self.trainer.weights() as weights:
            change = partial(self.engine.update_weights, weights, version=version, probe=self.probe.tokens)
            copies = stream.change_weights(change, version=version)
        (own,) = self.trainer.measure(make_micro_batches([self.probe], max_nodes=PROBE_TOKENS), temperature=1.0)
        gaps = [(torch.tensor(copy) - own.cpu()).abs().mean().item() for copy in copies]
        # What is no number compares with nothing, and a maximum would pass over it.
        gap = self.trainer.max_over_ranks(max(math.inf if math.isnan(gap) else gap for gap in gaps))
        if gap > (bound := self.settings.reinforce.max_probe_gap):
            raise EngineError(
                f"Engine and trainer differ by {gap:.3f} nats a token on a fixed text after version {version} of the "
                f"weights was sent, more than reinforce.max_probe_gap = {bound}.",
                where="the engine's weights",
                kept="the steps before",
                next_step="set engine.precision as workers.precision; if they are equal, the engine does not compute "
                "what transformers computes: set engine.type=transformers",
            )
        return gap

    def questions_of(self, step: int) -> list[Question]:
        """This rank's share. Each at most once: a set smaller than a step comes round in it; a group needs no twin."""
        settings, chosen = self.settings.reinforce, []
        for domain, groups in share_groups(settings.groups, list(self.questions), settings.domain_weights).items():
            if groups:
                questions, seed = self.questions[domain], derive_seed(self.seed, "questions", domain)
                places = items_of_step(len(questions), step=step, per_step=groups, seed=seed)
                chosen += [questions[place] for place in dict.fromkeys(places)]
        return chosen[self.trainer.rank :: self.trainer.num_ranks]

    def _loss(
        self, logprobs: torch.Tensor, batch: MicroBatch, *, measures: TokenMeasures, is_first: bool
    ) -> torch.Tensor:
        settings = self.settings.reinforce
        proximal = logprobs.detach() if is_first else batch.proximal_logprobs
        value = policy_loss(
            logprobs,
            behaviour_logprobs=batch.behaviour_logprobs,
            proximal_logprobs=proximal,
            advantages=batch.advantages,
            clip_low=settings.clip_low,
            clip_high=settings.clip_high,
            importance_cap=settings.importance_cap,
            kl_weight=settings.kl_weight,
            reference_logprobs=_reference_logprobs(self.reference, batch),
        )
        measures.add(logprobs.detach(), proximal, batch, value)
        return value.loss


@torch.no_grad()
def _reference_logprobs(reference: ActionLogProbs | None, batch: MicroBatch) -> torch.Tensor | None:
    return None if reference is None else reference(batch)


def _mini_batches(samples: list[Sample], parts: int, seed: int) -> list[list[Sample]]:
    if parts == 1:
        return [samples]
    order = np.random.default_rng(seed).permutation(len(samples))
    return [[samples[i] for i in order[part::parts]] for part in range(parts)]


def make_probe(chat: ChatFormat, questions: dict[str, list[Question]]) -> Sample:
    """The same text every time: the beginning of the prompt of the first question."""
    first = questions[min(questions)][0]
    tokens = chat.encode_prompt([Message("user", first.prompt)]).tokens[:PROBE_TOKENS]
    return Sample(tokens, [place > 0 for place in range(len(tokens))], [0.0] * len(tokens))


def _nothing() -> Sample:
    """Stands in on a rank whose groups were all dropped, so that it takes part in the others' step."""
    return Sample([0, 0], [False, False], [0.0, 0.0])
