"""Vague values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.synthesis.knowledge.blurring import blur_value, bucket


def _row(kind: str, value: object, unit: str | None = None) -> dict:
    return {
        "kind": kind,
        "number": value if kind != "text" else None,
        "text": value if kind == "text" else None,
        "unit": unit,
    }


@given(st.floats(-1e12, 1e12).filter(lambda x: abs(x) > 1e-6))
def test_a_bucket_holds_its_number(number: float) -> None:
    low, high = bucket(number)
    assert low <= number <= high
    assert low < high


@given(st.integers(-(10**6), 10**9).filter(bool), st.sampled_from(["number", "year"]))
def test_a_blurred_value_covers_itself(number: int, kind: str) -> None:
    blur = blur_value(_row(kind, float(number)))
    assert blur is not None and blur.covers(_row(kind, float(number)))


def test_values_read_as_ranges_buckets_and_beginnings() -> None:
    assert blur_value(_row("year", 1866.0)).text == "between 1860 and 1879"
    assert blur_value(_row("number", 353574.0, "people")).text == "between 200,000 and 500,000"
    assert blur_value(_row("number", 113.0, "feet")).text == "between 100 and 200 feet"
    assert blur_value(_row("text", "KEF")).text == "beginning with K"
    assert blur_value(_row("text", "a long description of things")) is None
    assert blur_value(_row("number", 0.0)) is None


def test_a_bucket_leaves_its_neighbours_out() -> None:
    blur = blur_value(_row("number", 300.0))
    assert [blur.covers(_row("number", float(n))) for n in (199, 200, 499, 500)] == [False, True, True, False]


def test_a_range_leaves_texts_out_and_a_beginning_leaves_numbers_out() -> None:
    number, year, text = _row("number", 1200.0), _row("year", 1866.0), _row("text", "many")
    assert not any(blur_value(row).covers(text) for row in (number, year))
    assert not blur_value(text).covers(number)
