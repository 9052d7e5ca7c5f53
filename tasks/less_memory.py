"""What a second attempt works with after memory ran out: half of everything that is worked on at once.

Neither number says what is computed, only how much of it side by side, so the artifact keeps the
fingerprint of what was asked for; a note in its manifest says how it was made.
"""

from __future__ import annotations

from lib.settings.settings import Settings

FEWEST_TOKENS = 64  # of a micro-batch


def halve_what_is_held(settings: Settings) -> Settings:
    """The settings with half the episodes side by side and half the tokens in a pass."""
    engine, workers = settings.engine, settings.workers
    return settings.model_copy(
        update={
            "engine": engine.model_copy(update={"max_concurrent": max(1, engine.max_concurrent // 2)}),
            "workers": workers.model_copy(
                update={"micro_batch_tokens": max(FEWEST_TOKENS, workers.micro_batch_tokens // 2)}
            ),
        }
    )


def tell_less(settings: Settings) -> str:
    """In words, for the halved settings."""
    return (
        "memory ran out at the first attempt; this one had engine.max_concurrent = "
        f"{settings.engine.max_concurrent} and workers.micro_batch_tokens = {settings.workers.micro_batch_tokens}"
    )
