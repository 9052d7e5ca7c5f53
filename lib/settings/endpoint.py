"""How a language model behind an HTTP endpoint is reached."""

from __future__ import annotations

from pydantic import Field

from lib.settings.section import Section


class EndpointSettings(Section):
    """Any endpoint that speaks the OpenAI chat-completions protocol."""

    base_url: str
    """For instance http://localhost:8000/v1."""
    model: str
    """The model's name at the endpoint."""
    api_key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; it may be unset for local servers."""
    concurrency: int = Field(8, ge=1, le=256)
    """Requests in flight at once."""
    timeout_s: float = Field(60.0, gt=0)
    """Seconds before one request is given up."""
    max_retries: int = Field(4, ge=0, le=20)
    """Further attempts after a transient failure, with exponential backoff."""


class EndpointPolicySettings(EndpointSettings):
    """A language model that plays episodes from behind an endpoint."""

    temperature: float = Field(0.7, ge=0, le=2)
    """Of its turns; attempts at one question differ by their seeds."""
    max_reply_tokens: int = Field(1024, ge=0)
    """Longest reply in the endpoint's own tokens; 0 leaves it to the endpoint."""
