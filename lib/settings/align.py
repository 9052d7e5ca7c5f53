"""How a language model learns to see, where it does not yet."""

from __future__ import annotations

from pydantic import Field, model_validator

from lib.settings.section import Section


class VisionSettings(Section):
    """The size of the vision encoder that a language model gets."""

    side: int = Field(64, ge=16, multiple_of=16)
    """Width and height of its input in pixels."""
    patch: int = Field(8, ge=4)
    """Side of a patch in pixels; four patches become one token."""
    width: int = Field(96, ge=32, multiple_of=32)
    layers: int = Field(3, ge=1)

    @property
    def tokens(self) -> int:
        """Of an image."""
        return (self.side // self.patch // 2) ** 2

    @model_validator(mode="after")
    def patches_cover_the_input(self) -> VisionSettings:
        if self.side % (2 * self.patch):
            raise ValueError("side must be a multiple of twice the patch, since patches are joined four by four")
        return self


class AlignSettings(Section):
    """A vision encoder from scratch learns the words for the source's images; models that see are taken as they are."""

    vision: VisionSettings = VisionSettings()
    word_steps: int = Field(2000, ge=0)
    """Steps in which every token of an image learns to lie near the vectors of the words for what it shows; the
    language model plays no part, so that a step is cheap."""
    word_batch_size: int = Field(32, ge=1)
    word_learning_rate: float = Field(2e-3, gt=0)
    caption_steps: int = Field(0, ge=0)
    """Steps in which the language model, which stays as it is, writes captions."""
    caption_batch_size: int = Field(16, ge=1)
    caption_learning_rate: float = Field(3e-4, gt=0)
