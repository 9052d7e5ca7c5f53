"""Errors that a user can act on.

Each says what happened, where, what was kept and which command to run next, so that the message
alone is enough. Anything else that escapes is a fault of ours.
"""

from __future__ import annotations


class RopewalkError(Exception):
    """A failure that the user can mend.

    Args:
        what: the problem in one sentence.
        where: the file, line, key, stage or address concerned.
        kept: what is safe and need not be done again.
        next_step: what to change or run.
    """

    def __init__(self, what: str, *, where: str = "", kept: str = "", next_step: str = ""):
        self.what, self.where, self.kept, self.next_step = what, where, kept, next_step
        super().__init__(what, where, kept, next_step)

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("where", self.where), ("kept", self.kept), ("next", self.next_step)):
            if text:
                lines.append(f"  {label}: {text}")
        return "\n".join(lines)


class SettingsError(RopewalkError):
    """A profile, key or value that is not understood."""


class SourceError(RopewalkError):
    """Raw data that cannot be read."""


class SynthesisError(RopewalkError):
    """No question can be made from what is given."""


class PolicyError(RopewalkError):
    """A model or tokenizer that does not load or does not fit."""


class ToolServerError(RopewalkError):
    """A server of tools that cannot be reached, or whose tools cannot be offered."""


class EngineError(RopewalkError):
    """An engine that cannot sample at all, or whose weights are not those that were sent."""


class EndpointError(RopewalkError):
    """A language-model endpoint that does not answer as it should."""


class EndpointAwayError(EndpointError):
    """An endpoint that cannot be reached or has too much to do; it may answer later."""


class RequestRefusedError(EndpointError):
    """An endpoint that is up and refuses one request, for instance a conversation that is too long for it."""


class ArtifactError(RopewalkError):
    """An artifact that is missing, damaged or of another kind."""


class JobError(RopewalkError):
    """A worker process that ended without its result."""


class OutOfMemoryError(JobError):
    """A worker process that needed more memory than there was."""

    had_less = False  # it happened though less was worked on at once than the settings say


class WorkerLostError(JobError):
    """The machine that had taken a stage went away; the stage goes on from its last checkpoint elsewhere."""


class ExecutorError(RopewalkError):
    """Queries cannot be run at all, whatever they say."""


class GateError(RopewalkError):
    """A measured condition that the chain holds itself to and that failed."""
