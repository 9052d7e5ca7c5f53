"""Graphs in files of the user's own."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import date, datetime
from decimal import Decimal
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


def _labels(tables: dict[str, list[dict]]) -> dict[str, str]:
    return {row["id"]: row["label"] for row in tables["entities"]}


def _values(tables: dict[str, list[dict]]) -> dict[tuple[str, str], tuple]:
    found = ((row["entity_id"], row["name"], row["kind"], row["number"], row["text"]) for row in tables["attributes"])
    return {(entity, name): (kind, number if text is None else text) for entity, name, kind, number, text in found}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("further", ["source", "target", "object", "property", "h", "r", "t"])
def test_a_further_column_never_takes_the_place_of_one_that_has_the_name(
    tmp_path: Path, form: str, further: str
) -> None:
    rows = [dict(zip(("head", "relation", "tail", further), (*row, "Wikipedia"), strict=True)) for row in ROWS]
    path = tmp_path / f"t.{form}"
    _write_records(path, rows)
    assert _facts(_build(tmp_path / "out", path)) == ROWS


def _write_records(path: Path, rows: list[dict]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text("\n".join(",".join(map(str, row)) for row in [list(rows[0]), *(r.values() for r in rows)]))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("names", [("subject", "predicate", "object"), ("source", "property", "target"), "hrt"])
def test_synonyms_stand_for_columns_that_are_not_there(tmp_path: Path, form: str, names: tuple) -> None:
    path = tmp_path / f"t.{form}"
    _write_records(path, [dict(zip(names, row, strict=True)) for row in ROWS])
    assert _facts(_build(tmp_path / "out", path)) == ROWS


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_two_columns_that_stand_for_the_same_are_both_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"t.{form}"
    _write_records(path, [{"subject": "a", "relation": "r", "tail": "b", "source": "Wikipedia"}])
    with pytest.raises(SourceError, match="'head': 'subject' and 'source'") as caught:
        _build(tmp_path / "out", path)
    assert caught.value.where == f"{path}, line 1"


def test_what_the_first_object_decides_about_keys_holds_for_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    first, headless = {"head": "a", "relation": "r", "tail": "b"}, {"relation": "r", "tail": "b", "source": "Wikipedia"}
    path.write_text("\n".join(map(json.dumps, (first, headless))))
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b")]
    assert [(row["line"], row["reason"]) for row in tables["rejected_rows"]] == [(2, "head empty")]
    path.write_text("\n".join(map(json.dumps, ({"source": "a", "relation": "r", "tail": "b"}, first))))
    with pytest.raises(SourceError, match="'source' and 'head'"):
        _build(tmp_path / "out", path)


def test_attributes_of_an_entity_keep_the_names_of_columns_of_triples(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    (tmp_path / "e.csv").write_text("id,label,name,source,target\na,Aa,Ah,Rhine,Sea\n")
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.csv")
    assert _labels(tables)["a"] == "Aa"
    told = {name: value for (_, name), (_, value) in _values(tables).items()}
    assert told == {"name": "Ah", "source": "Rhine", "target": "Sea"}


def test_a_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    (tmp_path / "e.csv").write_text(",id,label\n0,a,Aa\n")
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.csv")
    assert (_labels(tables)["a"], tables["attributes"]) == ("Aa", [])


@pytest.mark.parametrize("header", ["head,relation,tail\n", ""])
def test_a_row_with_more_cells_than_columns_is_set_aside(tmp_path: Path, header: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{header}a,r,b\nWashington, D.C.,capital of,USA\nb,r,c,\n")
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b"), ("b", "r", "c")]
    (row,) = tables["rejected_rows"]
    assert (row["line"], row["reason"]) == (2 + bool(header), "4 columns instead of 3")


def test_without_a_header_further_columns_are_those_of_the_first_row(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tr\tb\ttrain\nb\tr\tc\ttest\nc\t\tr\td\ttrain\nd\tr\te\n")
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b"), ("b", "r", "c"), ("d", "r", "e")]
    assert [row["reason"] for row in tables["rejected_rows"]] == ["5 columns instead of 4"]


def test_a_json_list_of_more_values_than_columns_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('["Washington", "D.C.", "capital of", "USA"]\n["a", "r", "b"]\n')
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b")]
    assert [row["reason"] for row in tables["rejected_rows"]] == ["4 values instead of 3"]


def test_a_title_and_a_blank_line_may_stand_above_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("My towns\n\nhead\trelation\ttail\na\tr\tb\n")
    tables = _build(tmp_path / "out", path)
    assert _facts(tables) == [("a", "r", "b")]
    assert [row["line"] for row in tables["rejected_rows"]] == [1]


def test_entities_and_relations_of_two_columns_need_no_header(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    (tmp_path / "e.tsv").write_text("a\tAachen\nb\tBonn\n")
    (tmp_path / "r.tsv").write_text("capital\thas as its seat\n")
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.tsv", relations=tmp_path / "r.tsv")
    assert _labels(tables) == {"a": "Aachen", "b": "Bonn", "c": "c"}
    assert "has as its seat" in {row["phrase"] for row in tables["relations"]}
    assert tables["rejected_rows"] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("entities", "id\tlabel\n\tBonn\n"), ("relations", "relation\tphrase\n"), ("pages", "p1\tA page\n")],
)
def test_a_further_file_of_which_no_row_fits_is_an_error(tmp_path: Path, name: str, content: str) -> None:
    _write_rows(tmp_path / "t.tsv")
    path = tmp_path / "more.tsv"
    path.write_text(content)
    with pytest.raises(SourceError, match="Not a single row") as caught:
        _build(tmp_path / "out", tmp_path / "t.tsv", **{name: path})
    assert caught.value.where == str(path)


def test_ids_and_relations_that_are_no_single_values_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [("a", "r", "b"), ({"id": "a"}, "r", "b"), ("a", ["r", "s"], "b"), (1, "r", 2)]
    path.write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "e.jsonl").write_text('{"id": ["a"]}\n{"id": "a", "label": {"en": "Aa"}}\n{"id": "b", "label": "Bee"}')
    tables = _build(tmp_path / "out", path, entities=tmp_path / "e.jsonl")
    assert _facts(tables) == [("a", "r", "b"), ("1", "r", "2")]
    assert _labels(tables) == {"b": "Bee", "a": "a", "1": "1", "2": "2"}
    assert [(row["line"], row["reason"]) for row in tables["rejected_rows"]] == [
        (1, "id not a single value"),
        (2, "label not a single value"),
        (2, "head not a single value"),
        (3, "relation not a single value"),
    ]


def test_of_several_types_the_first_counts(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    types = {"a": ["city", "capital"], "b": [], "c": "country"}
    (tmp_path / "e.jsonl").write_text("\n".join(json.dumps({"id": key, "type": type_}) for key, type_ in types.items()))
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.jsonl")
    assert {row["id"]: row["type"] for row in tables["entities"]} == {"a": "city", "b": "", "c": "country"}


def test_decimals_of_parquet_are_numbers_and_dates_are_years(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    row = {"id": "a", "area_km2": Decimal("12.50"), "inception": date(1191, 5, 1), "opened": datetime(1990, 1, 1)}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "e.parquet")
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.parquet")
    assert _values(tables) == {
        ("a", "area_km2"): ("number", 12.5),
        ("a", "inception"): ("year", 1191.0),
        ("a", "opened"): ("year", 1990.0),
    }
    assert tables["attributes"][0]["unit"] == "km²"


def test_bytes_of_parquet_are_read_as_text(tmp_path: Path) -> None:
    columns = {"head": [b"a", b"\xff", b"b"], "relation": [b"r"] * 3, "tail": [b"b", b"b", b"c"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    tables = _build(tmp_path / "out", tmp_path / "t.parquet")
    assert _facts(tables) == [("a", "r", "b"), ("b", "r", "c")]
    assert [(row["line"], row["reason"]) for row in tables["rejected_rows"]] == [(2, "not UTF-8")]


def test_parquet_with_text_that_is_no_utf_8_names_the_file(tmp_path: Path) -> None:
    offsets, data = pa.py_buffer((0).to_bytes(4, "little") + (2).to_bytes(4, "little")), pa.py_buffer(b"\xff\xfe")
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, data])
    pq.write_table(pa.table({"head": broken, "relation": ["r"], "tail": ["b"]}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="cannot be read") as caught:
        _build(tmp_path / "out", tmp_path / "t.parquet")
    assert caught.value.where == str(tmp_path / "t.parquet")


def test_words_for_nothing_among_numbers_are_missing_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("ropewalk").propagate = True
    _write_rows(tmp_path / "t.tsv")
    (tmp_path / "e.csv").write_text("id,population,code\na,1200,NA\nb,n/a,DE\nc,Unknown,7\n")
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.csv")
    assert _values(tables) == {
        ("a", "population"): ("number", 1200.0),
        ("a", "code"): ("text", "NA"),
        ("b", "code"): ("text", "DE"),
        ("c", "code"): ("text", "7"),
    }
    assert "2 of population" in caplog.text and "e.csv" in caplog.text


def test_words_for_nothing_among_numbers_of_json_are_missing_too(tmp_path: Path) -> None:
    _write_rows(tmp_path / "t.tsv")
    rows = [{"id": "a", "attributes": {"population": 1200}}, {"id": "b", "attributes": {"population": "unknown"}}]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tables = _build(tmp_path / "out", tmp_path / "t.tsv", entities=tmp_path / "e.jsonl")
    assert _values(tables) == {("a", "population"): ("number", 1200.0)}
