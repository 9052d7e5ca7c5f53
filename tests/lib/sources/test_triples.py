"""Graphs in files of the user's own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import SourceError
from lib.progress import Silent
from lib.settings.source import TriplesSource
from lib.sources.build import build_graph

ROWS = [("a", "capital", "b"), ("b", "located in", "c"), ("c", "borders", "a")]


def _build(out: Path, triples: Path, **more: Path) -> dict[str, list[dict]]:
    build_graph(TriplesSource(type="triples", triples=triples, **more), out=out, progress=Silent())
    return {path.stem: pq.read_table(path).to_pylist() for path in out.glob("*.parquet")}


def _facts(tables: dict[str, list[dict]]) -> list[tuple[str, str, str]]:
    return [(row["subject_id"], row["relation"], row["object_id"]) for row in tables["facts"]]


def _write_rows(path: Path) -> None:
    names = ("head", "relation", "tail")
    if ".parquet" in path.name:
        pq.write_table(pa.table(dict(zip(names, zip(*ROWS, strict=True), strict=True))), path)
        return
    if ".jsonl" in path.name:
        text = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS)
    else:
        text = "\n".join(("\t" if ".tsv" in path.name else ",").join(row) for row in [names, *ROWS])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.jsonl", "t.parquet", "t.tsv.gz", "t.csv.gz", "t.jsonl.gz"])
def test_every_format_gives_the_same_graph(tmp_path: Path, name: str) -> None:
    _write_rows(tmp_path / name)
    tables = _build(tmp_path / "out", tmp_path / name)
    assert _facts(tables) == ROWS
    assert {row["label"] for row in tables["entities"]} == {"a", "b", "c"}
    assert len(tables["pages"]) == 3


def test_a_file_without_a_header_is_read_by_position(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("".join("\t".join(row) + "\n" for row in ROWS))
    assert _facts(_build(tmp_path / "out", tmp_path / "t.tsv")) == ROWS


def test_broken_triples_are_set_aside_with_file_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"head\trelation\ttail\na\tr\tb\nonly\ttwo\n\nb\t\tc\nc\tr\t\xff\xfe\na\tr\tb\nb\tr\tc\n")
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b"), ("b", "r", "c")]
    told = {row["line"]: row["reason"] for row in tables["rejected_rows"]}
    assert told == {
        3: "2 columns instead of 3",
        5: "relation empty",
        6: "not UTF-8",
        7: "the same triple stands further up",
    }
    assert {row["file"] for row in tables["rejected_rows"]} == {str(path)}


def test_broken_json_lines_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"head": "a", "relation": "r", "tail": "b"}\n{"head": \n["b", "r", "c"]\n5\n')
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b"), ("b", "r", "c")]
    assert [row["line"] for row in tables["rejected_rows"]] == [2, 4]


def test_labels_with_quotes_tags_newlines_and_right_to_left_text_survive(tmp_path: Path) -> None:
    labels = {"a": 'The "Best" <b>Town</b>', "b": "القاهرة", "c": "two\nlines", "d": "ירושלים & 'co'"}
    (tmp_path / "t.tsv").write_text("a\tcapital\tb\nb\tcapital\tc\nc\tcapital\td\n")
    lines = [json.dumps({"id": key, "label": label, "type": "place"}) for key, label in labels.items()]
    (tmp_path / "e.jsonl").write_text("\n".join(lines))
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.jsonl")
    assert {row["id"]: row["label"] for row in tables["entities"]} == labels
    pages = {row["entity_id"]: row["text"] for row in tables["pages"]}
    assert 'The "Best" <b>Town</b> has the capital القاهرة.' in pages["a"].split("\n")
    assert "القاهرة has the capital two lines." in pages["b"].split("\n")


def test_attributes_get_types_and_units(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\tr\tb\n")
    (tmp_path / "e.tsv").write_text(
        "id\tlabel\tpopulation\tyear_founded\tcode\nb\tB\t1200\t1866\t007\na\tA\t\t1900\t008\n"
    )
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.tsv")
    found = {(r["entity_id"], r["name"]): (r["kind"], r["number"], r["text"], r["unit"]) for r in tables["attributes"]}
    assert found == {
        ("b", "population"): ("number", 1200.0, None, "people"),
        ("b", "year_founded"): ("year", 1866.0, None, None),
        ("b", "code"): ("text", None, "007", None),
        ("a", "year_founded"): ("year", 1900.0, None, None),
        ("a", "code"): ("text", None, "008", None),
    }


def test_given_relations_and_pages_are_used(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\tr1\tb\n")
    (tmp_path / "r.tsv").write_text("relation\tphrase\tinverse_phrase\nr1\tis loved by\tloves\n")
    (tmp_path / "p.jsonl").write_text('{"id": "p1", "title": "A", "text": "a is loved by b.", "entity_id": "a"}\n')
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", relations=tmp_path / "r.tsv", pages=tmp_path / "p.jsonl")
    assert (tables["relations"][0]["phrase"], tables["relations"][0]["inverse_phrase"]) == ("is loved by", "loves")
    assert [page["id"] for page in tables["pages"]] == ["p1"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as caught:
        _build(tmp_path / "out", tmp_path / "absent.tsv")
    assert caught.value.where == str(tmp_path / "absent.tsv")
    assert "Check the path" in caught.value.next_step


def test_an_empty_file_says_that_there_are_no_facts(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("head\trelation\ttail\n")
    with pytest.raises(SourceError, match="no facts") as caught:
        _build(tmp_path / "out", tmp_path / "t.tsv")
    assert caught.value.where == str(tmp_path / "t.tsv")
    assert "(head, relation, tail)" in caught.value.next_step


def test_a_file_of_broken_rows_alone_shows_the_first(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("head\trelation\ttail\nonly\ttwo\nb\t\tc\n")
    with pytest.raises(SourceError, match="no facts") as caught:
        _build(tmp_path / "out", tmp_path / "t.tsv")
    assert "2 rows were set aside" in caught.value.kept and "'line': 2" in caught.value.kept


def test_a_cut_gzip_file_is_named(tmp_path: Path) -> None:
    whole = gzip.compress("".join(f"a{i}\tr\tb{i}\n" for i in range(5000)).encode())
    (tmp_path / "t.tsv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="t.tsv.gz"):
        _build(tmp_path / "out", tmp_path / "t.tsv.gz")


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("")
    with pytest.raises(SourceError, match=r"\.parquet"):
        _build(tmp_path / "out", tmp_path / "t.xlsx")


def test_columns_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"foo": 1}\n')
    with pytest.raises(SourceError, match="head, relation, tail"):
        _build(tmp_path / "out", tmp_path / "t.jsonl")


def test_a_quote_that_is_not_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    lines = [f"town {number},lies in,region {number % 5}" for number in range(50)]
    lines[6] = '"town 6,lies in,region 1'
    lines[20] = 'town 20,"lies"in,region 0'
    lines[30] = '"town 30, the ""old"" one",lies in,region 0'
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["head,relation,tail", *lines]))
    tables = _build(tmp_path / "out", path)
    assert [(row["line"], row["content"]) for row in tables["rejected_rows"]] == [(8, lines[6]), (22, lines[20])]
    assert all(row["reason"].startswith("not CSV") for row in tables["rejected_rows"])
    subjects = [subject for subject, _, _ in _facts(tables)]
    assert subjects[6] == "town 7" and 'town 30, the "old" one' in subjects and len(subjects) == 48


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (r'{"head": "\ud83d", "relation": "r", "tail": "b"}', "surrogate"),
        ('{"head": ' + "9" * 5000 + ', "relation": "r", "tail": "b"}', "digits"),
        ('{"head": ' + "[" * 5000 + "]" * 5000 + "}", "deep"),
    ],
)
def test_json_that_nothing_can_hold_is_set_aside(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join([json.dumps(dict(zip(("head", "relation", "tail"), row, strict=True))) for row in ROWS]))
    with path.open("a") as file:
        file.write(f"\n{line}\n")
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == ROWS
    assert [row["line"] for row in tables["rejected_rows"]] == [4]
    assert reason in tables["rejected_rows"][0]["reason"]


def test_blank_labels_and_numbers_beyond_all_bounds_are_left_out(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    entities = [{"id": "a", "label": "   "}, {"id": "b", "label": "Bee", "size": int("9" * 400)}]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, entities)))
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.jsonl")
    assert {row["id"]: row["label"] for row in tables["entities"]} == {"a": "a", "b": "Bee", "c": "c"}
    assert tables["attributes"] == []
