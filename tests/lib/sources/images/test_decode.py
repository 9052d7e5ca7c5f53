"""Whatever a file's mode, the pixels come out upright and in RGB, or a reason does."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.sources.images.decode import ImageFault, as_png, decode, digest_of, look_of
from tests.small_images import draw_shape

LIMITS = {"most_pixels": 1_000_000, "longest_side": 512}
RED = (220, 20, 20)


def saved(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixel(data, place=(20, 20)):
    return decode(data, **LIMITS).image.getpixel(place)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "RGBX"])
def test_every_mode_of_colour_comes_out_as_rgb(mode):
    format = {"CMYK": "JPEG", "YCbCr": "JPEG", "RGBX": "TIFF"}.get(mode, "PNG")
    found = pixel(saved(draw_shape("red", 4).convert(mode), format))
    assert np.allclose(found, RED, atol=22)  # a palette has the nearest of its colours


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.full((40, 40), 65535, dtype=np.uint16), 255),
        (np.full((40, 40), 32768, dtype=np.uint16), 128),
        (np.full((40, 40), 300, dtype=np.uint16), 1),
    ],
)
def test_sixteen_bits_become_eight_in_proportion(values, wanted):
    assert pixel(saved(Image.fromarray(values))) == (wanted,) * 3


def test_floats_are_scaled_to_their_range_and_those_that_are_no_number_count_as_least():
    values = np.linspace(-3, 5, 1600, dtype=np.float32).reshape(40, 40)
    values[0, 0], values[0, 1] = np.nan, np.inf
    image = decode(saved(Image.fromarray(values), "TIFF"), **LIMITS).image
    assert image.getpixel((0, 0)) == (0, 0, 0) and image.getpixel((1, 0)) == (255, 255, 255)
    assert image.getpixel((39, 39)) == (255, 255, 255)


def test_what_is_transparent_is_white_and_does_not_count_as_covered():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 20, 40))
    decoded = decode(saved(image), **LIMITS)
    assert decoded.image.getpixel((30, 10)) == (255, 255, 255) and decoded.image.getpixel((5, 5)) == RED
    assert decoded.opaque.mean() == 0.5


def test_a_palette_with_a_transparent_colour_is_white_there():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (0, 0, 20, 40))
    assert pixel(saved(image, transparency=0), (30, 10)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_orientation_says(orientation):
    upright = Image.new("RGB", (40, 24), "white")
    upright.paste(RED, (0, 0, 20, 12))  # the upper left corner
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright if turns[orientation] is None else upright.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(saved(stored, exif=exif), **LIMITS)
    assert decoded.image.size == (40, 24) and decoded.image.getpixel((5, 5)) == RED
    assert ("turned upright" in decoded.remarks) == (orientation > 1)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animated_image_the_first_frame_counts(format):
    frames = [draw_shape("red", 4), draw_shape("blue", 4)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    decoded = decode(data, **LIMITS)
    assert decoded.remarks[0] == "first of 2 frames"
    assert np.allclose(decoded.image.getpixel((20, 20)), RED, atol=12)


def test_a_large_image_is_made_smaller_and_keeps_its_shape():
    decoded = decode(saved(Image.new("RGB", (900, 300), RED)), **LIMITS)
    assert decoded.image.size == (512, 171) and decoded.opaque.shape == (171, 512)
    assert not decoded.is_as_filed


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    with pytest.raises(ImageFault, match="60,000 x 60,000 pixels, more than"):
        decode(data, **LIMITS)
    assert Image.MAX_IMAGE_PIXELS is not None


@pytest.mark.parametrize(
    "data", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image_gives_a_reason(data):
    with pytest.raises(ImageFault, match="cannot be decoded"):
        decode(data, **LIMITS)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]), st.floats(0, 1), st.binary(max_size=6))
def test_a_file_that_is_cut_or_spoilt_gives_pixels_or_a_reason(format, share, junk):
    whole = saved(draw_shape("green", 5), format)
    place = int(share * len(whole))
    for data in (whole[:place], whole[:place] + junk + whole[place + len(junk) :]):
        try:
            decoded = decode(data, **LIMITS)
        except ImageFault as fault:
            assert str(fault)
        else:
            assert decoded.image.mode == "RGB" and max(decoded.image.size) <= 512


def test_one_picture_in_two_files_has_one_digest_and_one_that_hardly_differs_the_same_look():
    shape = draw_shape("blue", 5)
    again = decode(saved(shape, "BMP"), **LIMITS).image
    assert digest_of(shape) == digest_of(again)
    touched = shape.copy()
    touched.putpixel((3, 3), (250, 250, 250))
    assert digest_of(shape) != digest_of(touched) and look_of(shape) == look_of(touched)
    assert look_of(shape) != look_of(draw_shape("red", 5))


def test_a_plain_png_is_kept_as_it_is_filed():
    assert decode(as_png(draw_shape("red", 3)), **LIMITS).is_as_filed
    assert not decode(saved(draw_shape("red", 3), "GIF"), **LIMITS).is_as_filed
