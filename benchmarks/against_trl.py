"""Rollouts with tools, and a step of reinforcement, beside TRL's GRPO trainer on the same work.

    python -m venv TRL && TRL/bin/pip install --editable . trl==1.16.0
    python -m benchmarks.against_trl --run STORE --trl TRL/bin/python [--rounds 3] [--steps 2] [--profile laptop]
        [--set K=V]

STORE has a run of that profile with the domain `knowledge`, whose warmed-up policy everybody starts from. A step is
eight training questions with eight episodes each, all at once: prompts, tools (search and open over the same pages),
limits on turns and on tokens a turn, temperature, learning rate and optimizer are equal. Rewards are drawn at random,
so that nobody may leave a group out and everybody trains on all that was sampled.

TRL takes the work in each of the ways that it offers on the machine: weights in float32, the same under autocast to
bfloat16, weights in bfloat16. The first round tries all of them; the others go on with the fastest. Every contestant
has a process of its own in each round, with the allocator's settings of Ropewalk's jobs, and the last of its --steps
counts: from the start of its first episode on, a rollout until the end of its last one, a step until its weights are in
the engine. Ratios are medians over the rounds, by tokens, since everybody samples its own. "Of the ceiling" is the
share of the machine's matrix multiplication in bfloat16 that a rollout's sampled tokens take, and a step's with
training on its episodes, counted as if no beginning were shared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.ceiling import READ, TRAINED, multiply, num_multiplied
from benchmarks.versions import tell_versions
from benchmarks.warmed_up import DOMAIN, WarmedUp, become_the_only_rank
from lib.workers.launch import KEEP_MEMORY

REPOSITORY = Path(__file__).resolve().parents[1]
QUESTIONS, GROUP = 8, 8
# Of one pass of TRL's update; eight passes make a step.
TRL_BATCH = 8
TRL_WAYS = {
    "TRL, float32": {"dtype": "float32"},
    "TRL, autocast to bfloat16": {"dtype": "float32", "bf16": True},
    "TRL, bfloat16": {"dtype": "bfloat16"},
}
# SmolLM2's own template, and a call as the policies here write it; what tools there are stands in the rules.
TEMPLATE = """{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] -%}
{{ '<tool_call>' + ({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + '</tool_call>' }}
{%- endfor -%}
{{ '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"""
RESPONSES = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "tool_calls": {
            "open": "<tool_call>",
            "close_pattern": r"</tool_call>\s*",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"<\|im_end\|>\s*", "content": "text"},
    },
}


def load(chosen: argparse.Namespace, engine: str = "transformers"):
    from lib.settings.load import load_settings

    fixed = (
        DOMAIN,
        "reinforce.mode=sync",
        f"reinforce.groups={QUESTIONS}",
        f"reinforce.group_size={GROUP}",
        f"reinforce.steps={max(2, chosen.steps)}",  # a run of one step is none
        "reinforce.trajectory_every=1",
        "reinforce.warmup_steps=0",
        f"engine.max_concurrent={QUESTIONS * GROUP}",
        f"engine.type={engine}",
    )
    return load_settings(chosen.profile, [*fixed, *chosen.settings], chosen.round)


class RandomRewards:
    """Stands in for lib.rollout.worlds.Worlds, and judges by lot."""

    def __init__(self, inner, seed: int):
        self._inner, self._draw = inner, random.Random(seed)

    def of(self, question):
        return self

    def make_environment(self, question):
        return self._inner.of(question).make_environment(question)

    async def judge(self, question, outcome):
        from lib.rewards.verdict import Reward, Verdict

        value = self._draw.random()
        return Verdict(False, Reward(value, {"lot": value}, value), outcome.answer)


def run_ours(chosen: argparse.Namespace, engine: str) -> dict[str, float]:
    become_the_only_rank()
    from lib.learning.reinforce import load_learner, reinforce_step
    from lib.learning.reinforce_results import ReinforceResults
    from lib.policy.engines import Engines
    from lib.progress import Silent
    from lib.rollout.stream import RolloutStream
    from lib.workers.job import Job

    settings, run = load(chosen, engine), WarmedUp.of(chosen.run)
    with tempfile.TemporaryDirectory() as name, Engines(settings.engine, logs=Path(name)) as engines:
        job = Job(settings, run.inputs, Path(name), Path(name), chosen.round, 0, 1, Silent())
        learner = load_learner(job, run.checkpoint, engines)
        questions = run.questions("train", chosen.steps * QUESTIONS)
        learner = replace(
            learner, worlds=RandomRewards(learner.worlds, chosen.round), questions={"knowledge": questions}
        )
        results = ReinforceResults(job, learner.trainer, resumed_step=0)
        begun, ended = {}, {}  # by step: the first group's start, the last one's end

        async def play_group(question, step):
            begun.setdefault(step, time.perf_counter())
            episodes = await learner.play_group(question, step)
            ended[step] = time.perf_counter()
            return episodes

        steps = {"first": 0, "steps": chosen.steps, "ahead": 0}
        with RolloutStream(play_group, learner.questions_of, **steps, in_flight=False) as stream:
            learner.send_weights(stream, version=0)
            for step in range(chosen.steps):
                reinforce_step(learner, stream, step, results)
            # Groups of the last step began before the step before it was done with its rows and files.
            seconds = time.perf_counter() - begun[chosen.steps - 1]
        import pyarrow.parquet as pq

        episodes = pq.read_table(sorted((Path(name) / "episodes").iterdir())[-1])
    return {
        "episodes": len(episodes),
        "rollout": ended[chosen.steps - 1] - begun[chosen.steps - 1],
        "step": seconds,
        "sampled": sum(map(sum, episodes["action_mask"].to_pylist())),
        "tokens": sum(map(len, episodes["tokens"].to_pylist())),
        "calls": sum(map(len, episodes["tool_calls"].to_pylist())) / len(episodes),
    }


def trl_tools(run: WarmedUp, limits) -> list[Callable[[str], str]]:
    """What lib.environments.search offers, as TRL takes it."""
    from lib.environments.page_index import PageIndex

    index = PageIndex.load(run.inputs["source"])

    def search(query: str) -> str:
        """Find pages by words.

        Args:
            query: words.
        """
        hits = index.search(
            query, limit=limits.results_per_search, snippet_characters=limits.snippet_characters, forbidden=""
        )
        return "\n".join(f"[{hit.title}] {hit.snippet}" for hit in hits) or "No page matches."

    def open(page: str) -> str:
        """Read a page by its title.

        Args:
            page: its title.
        """
        text = index.open(page, characters=limits.page_characters, forbidden="")
        return text or f"Error: there is no page {page!r}; search for its title first"

    return [search, open]


def trl_config(chosen: argparse.Namespace, way: dict, settings, *, out: str, longest: int):
    """The settings of the work in TRL's words; ``longest`` is the longest prompt in tokens."""
    import torch
    from trl import GRPOConfig

    return GRPOConfig(
        output_dir=out,
        model_init_kwargs={"dtype": way["dtype"]},
        bf16=way.get("bf16", False),
        use_cpu=not torch.cuda.is_available(),
        per_device_train_batch_size=TRL_BATCH,
        gradient_accumulation_steps=QUESTIONS * GROUP // TRL_BATCH,
        num_generations=GROUP,
        max_completion_length=settings.engine.max_tokens - longest,
        generation_kwargs={"max_new_tokens": settings.engine.max_new_tokens},
        max_tool_calling_iterations=settings.environment.max_turns - 1,
        temperature=settings.reinforce.temperature,
        top_k=0,
        learning_rate=settings.reinforce.learning_rate,
        lr_scheduler_type="constant",
        max_steps=chosen.steps,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=chosen.round,
    )


def run_trl(chosen: argparse.Namespace, way: dict) -> dict[str, float]:
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import GRPOTrainer

    from lib.environments.search import SYSTEM

    settings, run = load(chosen), WarmedUp.of(chosen.run)
    draw = random.Random(chosen.round)
    tokenizer = AutoTokenizer.from_pretrained(run.checkpoint)
    tokenizer.chat_template, tokenizer.response_template = TEMPLATE, RESPONSES
    prompts = [
        [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question.prompt}]
        for question in run.questions("train", chosen.steps * QUESTIONS)
    ]
    longest = max(len(tokenizer.apply_chat_template(p, add_generation_prompt=True)["input_ids"]) for p in prompts)
    with tempfile.TemporaryDirectory() as out:
        trainer = GRPOTrainer(
            model=str(run.checkpoint),
            processing_class=tokenizer,
            reward_funcs=lambda completions, **_: [draw.random() for _ in completions],
            train_dataset=Dataset.from_dict({"prompt": prompts}),
            tools=trl_tools(run, settings.environment),
            args=trl_config(chosen, way, settings, out=out, longest=longest),
        )
        begun, rollouts, counts = [], [], {}
        generate = trainer._generate

        def timed(prompts):
            begun.append(time.perf_counter())
            made = generate(prompts)
            rollouts.append(time.perf_counter() - begun[-1])
            prompt_ids, completion_ids, mask, completions, *_ = made
            counts.update(
                episodes=len(prompt_ids),
                sampled=sum(map(sum, mask)),
                tokens=sum(map(len, prompt_ids)) + sum(map(len, completion_ids)),
                calls=sum(message["role"] == "tool" for said in completions for message in said) / len(prompt_ids),
            )
            return made

        trainer._generate = timed
        ends = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_, **__):
                ends.append(time.perf_counter())

        trainer.add_callback(Clock())
        trainer.train()
    return {"rollout": rollouts[-1], "step": ends[-1] - begun[-1], **counts}


OURS = {"ropewalk, transformers": "transformers", "ropewalk, vllm": "vllm"}
CONTESTANTS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    **{name: lambda chosen, engine=engine: run_ours(chosen, engine) for name, engine in OURS.items()},
    **{name: lambda chosen, way=way: run_trl(chosen, way) for name, way in TRL_WAYS.items()},
}


def measure(chosen: argparse.Namespace, name: str, number: int) -> dict[str, float] | None:
    """None where the contestant cannot do it on this machine."""
    command = [chosen.trl if name in TRL_WAYS else sys.executable, "-m", "benchmarks.against_trl"]
    command += ["--run", chosen.run, "--profile", chosen.profile, "--contestant", name, "--round", number]
    command += ["--steps", chosen.steps]
    command += [word for setting in chosen.settings for word in ("--set", setting)]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            list(map(str, command)),
            cwd=REPOSITORY,
            env=os.environ | KEEP_MEMORY,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        if done.returncode:
            errors.seek(0)
            print(f"{name}: exit {done.returncode}: {errors.read()[-2000:]}", file=sys.stderr)
            return None
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"round {number}, {name}: {found}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="store with a run")
    parser.add_argument("--trl", type=Path, help="interpreter of the environment with TRL")
    parser.add_argument("--engines", nargs="+", default=["transformers", "vllm"], choices=OURS.values())
    parser.add_argument("--peers", nargs="+", default=[*TRL_WAYS], choices=TRL_WAYS, help="ways in which TRL is tried")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="those before the last are for warming up")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)  # the inner process
    parser.add_argument("--round", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.run = chosen.run.absolute()
    if chosen.contestant:
        os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
        print(json.dumps(CONTESTANTS[chosen.contestant](chosen)))
        return
    if chosen.trl is None:
        parser.error("--trl: the interpreter of an environment with TRL")
    chosen.trl = chosen.trl.absolute()
    names = [name for name, engine in OURS.items() if engine in chosen.engines]
    ceiling = multiply()
    asked = "import importlib.metadata as m; print(m.version('trl'))"
    trl = subprocess.run([chosen.trl, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()
    print(
        f"{tell_versions(trl=trl)}; seeds 0 to {chosen.rounds - 1}; ceiling {ceiling / 1e9:,.0f} GFLOP/s\n", flush=True
    )
    found: dict[str, list[dict[str, float]]] = {}
    for name in [*names, *chosen.peers]:
        if (measured := measure(chosen, name, 0)) is not None:
            found[name] = [measured]
    tried = {name: per_token(found[name][0], "step", "tokens") for name in TRL_WAYS if name in found}
    if not tried:
        raise SystemExit("TRL did not run in any way")
    peer = min(tried, key=tried.__getitem__)
    for number in range(1, chosen.rounds):
        for name in [*names, peer]:
            if (measured := measure(chosen, name, number)) is not None:
                found[name].append(measured)
    print_table(found, peer, weights=num_multiplied(WarmedUp.of(chosen.run).checkpoint), ceiling=ceiling)


def print_table(found: dict[str, list[dict[str, float]]], peer: str, *, weights: int, ceiling: float) -> None:
    heads = ("", "s a rollout", "episodes/s", "sampled tokens/s", "times TRL's best", "of the ceiling")
    heads += ("s a step", "times TRL's best", "of the ceiling")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, rounds in found.items():
        of = statistics.median
        ratios = [
            [per_token(b, *what) / per_token(a, *what) for a, b in zip(rounds, found[peer], strict=False)]
            for what in (("rollout", "sampled"), ("step", "tokens"))
        ]
        reading = [READ * weights * r["sampled"] for r in rounds]
        training = [TRAINED * weights * r["tokens"] for r in rounds]
        shares = [
            of(work / r["rollout"] / ceiling for work, r in zip(reading, rounds, strict=True)),
            of((a + b) / r["step"] / ceiling for a, b, r in zip(reading, training, rounds, strict=True)),
        ]
        print(
            f"| {name} | {of([r['rollout'] for r in rounds]):.1f} "
            f"| {of([r['episodes'] / r['rollout'] for r in rounds]):.2f} "
            f"| {of([r['sampled'] / r['rollout'] for r in rounds]):.0f} | {of(ratios[0]):.2f} | {shares[0]:.1%} "
            f"| {of([r['step'] for r in rounds]):.1f} | {of(ratios[1]):.2f} | {shares[1]:.1%} |"
        )


def per_token(measured: dict[str, float], seconds: str, tokens: str) -> float:
    return measured[seconds] / measured[tokens]


if __name__ == "__main__":
    main()
