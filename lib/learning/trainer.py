"""A model under DeepSpeed: gradient accumulation over micro-batches, one optimizer step, resume, export.

Both training loops are written over this class; it knows nothing of episodes or losses. Every
rank calls every method, since most of them communicate.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import deepspeed
import torch
import torch.distributed as dist

from lib.errors import GateError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.check_policy import check_texts
from lib.learning.token_batch import MicroBatch
from lib.policy.precision import dtype_of
from lib.settings.learning import WorkerSettings

# A resumed run needs the last checkpoint and no other. Two names take turns: a process killed while it writes one
# leaves the other whole.
TAGS = ("last-0", "last-1")
# Training never calls it, and yet DeepSpeed would compile it on every CPU, for which it needs a compiler and a
# minute, and leave 66 MiB of shared memory a rank behind until the machine restarts.
SHARED_MEMORY_OP = "deepspeed_shm_comm"


Item = TypeVar("Item")


class Trainer:
    """Trains a causal language model whose master weights stay in float32.

    Raises:
        PolicyError: training would compute another model than the model's own code does.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        weight_decay: float,
        max_grad_norm: float,
        workers: WorkerSettings,
        temperature: float = 1.0,
    ):
        deepspeed.ops.__compatible_ops__[SHARED_MEMORY_OP] = False
        deepspeed.init_distributed(
            dist_backend="nccl" if torch.cuda.is_available() else "gloo",
            # Ranks wait for the one whose episodes take longest; the supervisor ends a job that is silent for longer.
            timeout=timedelta(seconds=workers.silence_timeout_s),
            verbose=False,
        )
        wrapped = ActionLogProbs(model, dtype=dtype_of(workers.precision), temperature=temperature)
        check_texts(model.eval())
        model.train()
        if workers.recompute:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, weight_decay=weight_decay, betas=(0.9, 0.98), fused=True
        )
        self._engine, *_ = deepspeed.initialize(
            model=wrapped,
            optimizer=optimizer,
            config={
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                "gradient_clipping": max_grad_norm,
                "zero_optimization": {"stage": workers.zero_stage},
                "zero_allow_untested_optimizer": True,
                "steps_per_print": 10**9,
            },
        )
        self._workers, self._zero_stage = workers, workers.zero_stage
        self._saved_at = time.monotonic()
        self.micro_batch_tokens = workers.micro_batch_tokens
        self.device = self._engine.device
        self.rank, self.num_ranks = dist.get_rank(), dist.get_world_size()
        self._last_tag = ""  # which of the two checkpoints is whole

    def logprobs(self, batch: MicroBatch) -> torch.Tensor:
        """Log-probabilities of the batch's trained tokens ``[num_trained]``, with gradient."""
        return self._engine(batch)

    @torch.no_grad()
    def measure(self, batches: list[MicroBatch], *, temperature: float | None = None) -> list[torch.Tensor]:
        """Log-probabilities of each batch's trained tokens, without gradient. All ranks take every pass together.

        Args:
            temperature: another than that of training.
        """
        passes = int(self.max_over_ranks(len(batches)))
        chosen = [batches[place % len(batches)].to(self.device) for place in range(passes)]
        measured = [self._engine(batch, temperature=temperature) for batch in chosen]
        return measured[: len(batches)]

    def step(
        self,
        batches: list[MicroBatch],
        *,
        loss: Callable[[torch.Tensor, MicroBatch], torch.Tensor],
        learning_rate: float,
        num_tokens: float | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> tuple[float, float]:
        """One optimizer step over this rank's micro-batches.

        ``loss`` maps log-probabilities and their batch to a sum over tokens; the sum over all ranks
        is divided by ``num_tokens``, by default the number of trained tokens of all ranks. A rank with
        fewer batches than another repeats its first with weight 0, since ranks take every pass together.
        ``between`` is called after every pass.

        Returns (loss, gradient norm). Raises GateError where one of them is not a finite number.
        """
        if num_tokens is None:
            num_tokens = self.sum_over_ranks(sum(len(batch.place) for batch in batches))
        passes = int(self.max_over_ranks(len(batches)))
        assert batches, "a rank without a batch cannot take part in a step"
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        total = 0.0
        for place in range(passes):
            batch = batches[place if place < len(batches) else 0].to(self.device)
            weight = self.num_ranks / max(1.0, num_tokens) if place < len(batches) else 0.0
            self._engine.set_gradient_accumulation_boundary(place == passes - 1)
            logprobs = self.logprobs(batch)
            # Whoever measures in the loss must not count a repeated batch.
            value = loss(logprobs, batch) * weight if weight else logprobs.sum() * 0.0
            self._engine.backward(value)
            total += value.item() / self.num_ranks
            between()
        norm = self._gradient_norm()
        self._engine.step()
        if norm is None:
            norm = float(self._engine.get_global_grad_norm())
        total = self.sum_over_ranks(total)
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise GateError(
                f"training has left the finite numbers: loss {total}, gradient norm {norm}",
                kept="the last checkpoint; its weights are those of a step before",
                next_step="lower the learning rate, or max_grad_norm, and run again",
            )
        return total, norm

    def _gradient_norm(self) -> float | None:
        """Before clipping; None where DeepSpeed shards gradients or optimizer states and measures it itself."""
        if self._zero_stage > 0:
            return None
        gradients = [p.grad for p in self._engine.module.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).item()

    def sum_over_ranks(self, value: float) -> float:
        return self._reduce(value, dist.ReduceOp.SUM)

    def max_over_ranks(self, value: float) -> float:
        return self._reduce(value, dist.ReduceOp.MAX)

    def gather_from_ranks(self, values: Sequence[Item]) -> list[Item]:
        """Those of all ranks, in their order, on every rank."""
        gathered: list[list[Item]] = [[]] * self.num_ranks
        dist.all_gather_object(gathered, list(values))
        return [value for part in gathered for value in part]

    def wait_for_ranks(self) -> None:
        """Until every rank has come here."""
        dist.barrier()

    @contextmanager
    def weights(self) -> Iterator[Iterator[tuple[str, torch.Tensor]]]:
        """All weights whole on this rank, under the model's own names; a tied one comes under each name."""
        model = self._engine.module.model
        parameters = list(model.parameters())
        with deepspeed.zero.GatheredParameters(parameters, enabled=self._zero_stage == 3):
            yield ((name, p.detach()) for name, p in model.named_parameters(remove_duplicate=False))

    def is_save_due(self, *, step: int) -> bool:
        """Whether the state after so many steps is to be saved; every rank hears the same."""
        if step % self._workers.checkpoint_every:
            return False
        has_waited = time.monotonic() - self._saved_at >= self._workers.checkpoint_pause_s
        return bool(self.max_over_ranks(has_waited))

    def save(self, folder: Path, *, step: int) -> None:
        """Write what a resumed run needs; it replaces the checkpoint before the last one."""
        tag = next(name for name in TAGS if name != self._last_tag)
        self._engine.save_checkpoint(str(folder), tag=tag, client_state={"step": step}, save_latest=False)
        dist.barrier()
        if self.rank == 0:
            pointer = folder / "latest.tmp"
            pointer.write_text(tag)
            pointer.replace(folder / "latest")
        self._last_tag, self._saved_at = tag, time.monotonic()
        dist.barrier()

    def resume(self, folder: Path) -> int:
        """Load the last checkpoint and return its step; 0 when there is none."""
        if not (folder / "latest").is_file():
            return 0
        self._last_tag = (folder / "latest").read_text()
        _, state = self._engine.load_checkpoint(str(folder), tag=self._last_tag)
        return int(state["step"])

    def _reduce(self, value: float, operation: dist.ReduceOp) -> float:
        tensor = torch.tensor(float(value), dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, op=operation)
        return tensor.item()
