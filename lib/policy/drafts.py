"""Guesses at the next tokens of a turn, from what has been read and written before.

An agent's turns are full of tokens that could only be those: the format of its calls, names copied out of
results. A decoding pass checks a session's guesses along with its next token, and a token counts only if it is the
one that would have been sampled anyway, so guesses change how many passes it takes and, but for the rounding of a
pass of another size, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

# Tokens guessed at once; more of them are computed for nothing than a saved pass costs.
LONGEST = 4
# So many times in a row a pair of tokens must have been followed by the same one.
STREAK = 2


class Drafts:
    """What has followed each pair of tokens."""

    def __init__(self) -> None:
        self._followed: dict[tuple[int, int], tuple[int, int]] = {}  # pair -> token, how many times in a row

    def clear(self) -> None:
        """Forget everything."""
        self._followed.clear()

    def learn(self, tokens: Sequence[int], *, start: int) -> None:
        """Take in a conversation from position ``start`` on; what stands before it is known."""
        for i in range(max(start, 2), len(tokens)):
            if tokens[i] < 0:  # a patch of an image, which nobody samples
                continue
            pair = tokens[i - 2], tokens[i - 1]
            token, streak = self._followed.get(pair, (None, 0))
            self._followed[pair] = (tokens[i], streak + 1 if token == tokens[i] else 1)

    def guess(self, last: int, next_: int, *, limit: int, stop: Collection[int]) -> list[int]:
        """What may follow two tokens: at most ``limit`` and ``LONGEST`` tokens, and none from a stop token on."""
        guesses: list[int] = []
        while len(guesses) < min(limit, LONGEST):
            token, streak = self._followed.get((last, next_), (None, 0))
            if streak < STREAK or token in stop:
                break
            guesses.append(token)
            last, next_ = next_, token
        return guesses
