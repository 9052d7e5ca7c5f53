"""A decoder of about one million parameters from scratch, its tokens learned from the source's texts.

Qwen3's architecture through transformers, so that everything downstream sees an ordinary checkpoint. Small enough
for the whole chain to run in a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from lib.policy.write import write_checkpoint
from lib.progress import Progress
from lib.settings.policy import NanoPolicy

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<answer>", "</answer>")
# What every episode repeats, whatever the source: roles and calls become few tokens.
PHRASES = (
    '{"name": "search", "arguments": {"query": "',
    '{"name": "open", "arguments": {"page": "',
    '{"name": "describe", "arguments": {"table": "',
    '{"name": "run_sql", "arguments": {"query": "SELECT ',
    '"}}',
    "system\n",
    "user\n",
    "assistant\n",
    "tool\n",
)
PHRASE_WEIGHT = 500
HEAD_WIDTH = 32
MAX_POSITIONS = 8192

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""


def make_nano(settings: NanoPolicy, *, checkpoint: Path, texts: Sequence[str], seed: int, progress: Progress) -> None:
    """Trains the tokenizer on the texts and writes it with randomly initialised weights."""
    progress.update(0, 2, "learning tokens")
    tokenizer = train_tokenizer(texts, vocabulary=settings.vocabulary)
    progress.update(1, 2, "drawing weights")
    model = draw_model(settings, tokenizer, seed=seed)
    write_checkpoint(model, tokenizer, checkpoint)
    progress.update(2, 2)


def train_tokenizer(texts: Sequence[str], *, vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE with control tokens, single tokens for the tags, and digits apart."""
    tokenizer = Tokenizer(models.BPE())
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(TAGS),
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *PHRASES * PHRASE_WEIGHT], trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=None,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_POSITIONS,
    )


def draw_model(settings: NanoPolicy, tokenizer: PreTrainedTokenizerFast, *, seed: int) -> Qwen3ForCausalLM:
    """A decoder with tied embeddings whose weights depend on the seed alone."""
    heads = settings.width // HEAD_WIDTH
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=3 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2 if heads % 2 == 0 else heads,
        head_dim=HEAD_WIDTH,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3ForCausalLM(config)
