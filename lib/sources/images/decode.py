"""Bytes of an image file -> upright RGB pixels within bounds, or the reason why not.

Only formats that Pillow decodes by itself are opened: others, such as EPS, would start programs. Nothing is decoded
before its size is known.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA")
# What Pillow raises over files that are cut, mixed up or meant to do harm.
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, KeyError, IndexError, TypeError, OverflowError, MemoryError)
UNREADABLE += (struct.error, zlib.error, Image.DecompressionBombError, AssertionError, NotImplementedError)
WHITE = (255, 255, 255)
EIGHT_BIT = ("RGB", "RGBA", "L", "LA", "P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa", "La")
LOOK_SIDE, LOOK_LEVELS = 16, 8


class ImageFault(Exception):
    """An image that cannot be used; the text is the reason."""


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, and what was changed on the way."""

    image: Image.Image
    opaque: np.ndarray  # bool [height, width], false where the file had nothing
    is_as_filed: bool  # a PNG or JPEG that gives these pixels to whoever opens it
    remarks: tuple[str, ...] = ()


def decode(data: bytes, *, most_pixels: int, longest_side: int) -> Decoded:
    """The first frame, turned as its orientation says, on white where it is transparent.

    Raises ImageFault for what is no image, is cut, or would decode to more than ``most_pixels``.
    """
    try:
        with _without_pillow_s_limit(), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > most_pixels:
                raise ImageFault(f"{width:,} x {height:,} pixels, more than images.most_pixels = {most_pixels:,}")
            remarks = []
            if (frames := getattr(opened, "n_frames", 1)) > 1:
                opened.seek(0)
                remarks.append(f"first of {frames} frames")
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            if upright.getexif().get(0x0112) != opened.getexif().get(0x0112):
                remarks.append("turned upright")
            if upright.mode not in ("RGB", "L"):
                remarks.append(f"converted from {upright.mode}")
            is_as_filed = opened.format in ("PNG", "JPEG") and upright.mode in ("RGB", "L")
            is_as_filed = is_as_filed and "transparency" not in opened.info and not remarks
            image, opaque = _on_white(_in_eight_bits(upright))
    except ImageFault:
        raise
    except UNREADABLE as error:
        raise ImageFault(f"cannot be decoded: {error or type(error).__name__}") from error
    if max(image.size) > longest_side:
        is_as_filed = False
        remarks.append(f"made smaller from {image.width} x {image.height}")
        scale = longest_side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
        opaque = np.asarray(Image.fromarray(opaque).resize(size, Image.Resampling.NEAREST))
    return Decoded(image, opaque, is_as_filed, tuple(remarks))


def digest_of(image: Image.Image) -> str:
    """SHA-256 of size and pixels: the same for one picture in two files."""
    return hashlib.sha256(f"{image.width}x{image.height} ".encode() + image.tobytes()).hexdigest()


def look_of(image: Image.Image) -> str:
    """The same for pictures that hardly differ: a small version in few levels."""
    small = np.asarray(image.resize((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BOX), dtype=np.float32)
    levels = np.round(small * (LOOK_LEVELS - 1) / 255).astype(np.uint8)
    return hashlib.sha256(levels.tobytes()).hexdigest()[:16]


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@contextmanager
def _without_pillow_s_limit() -> Iterator[None]:
    """Our own limit stands in its place: Pillow's is a warning first, and not the caller's to set."""
    kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = kept


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Modes of 16 and 32 bits, which Pillow itself would cut off at 255."""
    if image.mode in EIGHT_BIT:
        return image
    values = np.asarray(image, dtype=np.float64)
    if image.mode == "F":
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    else:
        low, high = 0.0, 65535.0 if values.max(initial=0) > 255 or image.mode.startswith("I;16") else 255.0
    scaled = (values - low) * (255.0 / max(high - low, 1e-9))
    return Image.fromarray(np.clip(np.round(scaled), 0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> tuple[Image.Image, np.ndarray]:
    """RGB, and which pixels the image itself covers."""
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        flat = Image.new("RGB", image.size, WHITE)
        flat.paste(layered, mask=layered.getchannel("A"))
        return flat, np.asarray(layered.getchannel("A")) >= 128
    return image.convert("RGB"), np.ones((image.height, image.width), dtype=bool)
