"""Images come into the artifact once each, under all of their names, split so that none is in two splits."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_contracts.images import IMAGE_STATEMENTS, IMAGES
from lib.errors import SourceError
from lib.sources.images.decode import as_png
from lib.sources.images.image_set import ImageStore
from tests.small_images import COLOURS, collect, draw_shape, write_folder


def rows(folder, table="images"):
    return pq.read_table(folder / f"{table}.parquet").to_pylist()


def rejected(folder):
    return {row["reason"] for row in rows(folder, "rejected_rows")}


def folder_of(path, **settings):
    return {"type": "folder", "folder": path, **settings}


def test_the_artifact_fits_its_contract(shapes):
    table, _ = IMAGES.check(pq.read_table(shapes / "images.parquet"))
    assert table.num_rows == 60
    assert IMAGE_STATEMENTS.check(pq.read_table(shapes / "image_statements.parquet"))[0].num_rows == 0


def test_what_a_manifest_says_becomes_attributes_and_colours_are_seen(shapes):
    store = ImageStore(shapes)
    picture = store.picture("shapes/blue-5-10")
    assert (picture.label, picture.number("corners"), picture.texts("colour")) == ("blue shape", 5.0, ("white", "blue"))
    assert store.open(picture.id).tobytes() == draw_shape("blue", 5, 10).tobytes()
    assert store.open(picture.id, (10, 10, 30, 20)).size == (20, 10)


def test_no_picture_is_in_two_splits_nor_one_that_looks_alike(tmp_path):
    folder = write_folder(tmp_path / "in")
    for path in list(folder.glob("*.png")):  # a twin of each that differs in one pixel
        image = Image.open(path).convert("RGB")
        image.putpixel((1, 1), (254, 254, 254))
        image.save(folder / f"twin-{path.name}")
    lines = [json.dumps({"file": path.name}) for path in sorted(folder.glob("*.png"))]
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    out = collect(tmp_path / "out", source=folder_of(folder), scenes={"number": 0})
    split = {row["id"].removeprefix("in/"): row["split"] for row in rows(out)}
    assert len(split) == 120 and set(split.values()) == {"train", "validation", "test"}
    assert all(split[name] == split[f"twin-{name}"] for name in split if not name.startswith("twin-"))


def test_equal_files_are_one_image_with_all_names_and_what_they_agree_on(tmp_path):
    draw_shape("red", 4).save(tmp_path / "a.png")
    draw_shape("red", 4).save(tmp_path / "b.bmp")
    draw_shape("blue", 4).save(tmp_path / "c.png")
    lines = [
        {"file": "a.png", "label": "Romania", "kind": "flag", "area": 238391},
        {"file": "b.bmp", "label": "Chad", "kind": "flag", "area": 1284000},
        {"file": "c.png", "label": "Other", "kind": "flag", "area": 5},
    ]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    out = collect(tmp_path / "out", source=folder_of(tmp_path, name="flags"), scenes={"number": 0})
    first, second = rows(out)
    assert (first["id"], first["labels"]) == ("flags/a", ["Romania", "Chad"])
    assert [(item["name"], item["text"]) for item in first["attributes"]] == [
        ("kind", "flag"),
        ("colour", "white"),
        ("colour", "red"),
    ]
    assert second["labels"] == ["Other"]


def test_bad_images_are_set_aside_with_a_reason_and_the_others_kept(tmp_path):
    folder = write_folder(tmp_path / "in")
    (folder / "cut.png").write_bytes((folder / "red-3-0.png").read_bytes()[:60])
    (folder / "text.png").write_text("no image")
    Image.new("RGB", (300, 300)).save(folder / "large.png")
    shutil.copy(folder / "red-3-0.png", tmp_path / "outside.png")
    lines = [
        {"file": "red-3-0.png", "id": "one"},
        {"file": "red-4-0.png", "id": "one"},
        {"file": "cut.png"},
        {"file": "text.png"},
        {"file": "large.png"},
        {"file": "missing.png"},
        {"file": "../outside.png"},
        {"label": "nothing"},
    ]
    text = "\n".join(map(json.dumps, lines)) + "\nno json\n"
    (folder / "manifest.jsonl").write_text(text)
    out = collect(tmp_path / "out", source=folder_of(folder), most_pixels=50_000, scenes={"number": 0})
    assert [row["id"] for row in rows(out)] == ["in/one"]
    reasons = rejected(out)
    assert {"the id 'in/one' is taken", "no file", "the file lies outside the folder"} <= reasons
    assert "the file cannot be read: No such file or directory" in reasons
    assert "300 x 300 pixels, more than images.most_pixels = 50,000" in reasons
    assert sum(reason.startswith("cannot be decoded") for reason in reasons) == 2
    assert {row["line"] for row in rows(out, "rejected_rows")} == set(range(2, 10))


def test_without_a_manifest_a_folder_s_name_is_the_label(tmp_path):
    for colour in COLOURS:
        (tmp_path / "in" / colour).mkdir(parents=True)
        for corners in (3, 4):
            draw_shape(colour, corners).save(tmp_path / "in" / colour / f"{corners}.png")
    out = collect(tmp_path / "out", source=folder_of(tmp_path / "in"), scenes={"number": 0})
    assert {row["id"]: row["labels"] for row in rows(out)}["in/green/3"] == ["green"]


def test_a_column_of_files_can_be_chosen(tmp_path):
    draw_shape("red", 3).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("flag,name,region\na.png,Aruba,Americas\n")
    out = collect(tmp_path / "out", source=folder_of(tmp_path, file_column="flag"), scenes={"number": 0})
    (row,) = rows(out)
    assert row["labels"] == ["Aruba"] and row["attributes"][0] == {"name": "region", "text": "Americas", "number": None}


@pytest.mark.parametrize("nested", [False, True])
def test_images_come_out_of_parquet(tmp_path, nested):
    images = [as_png(draw_shape(colour, 4)) for colour in COLOURS]
    cells = [{"bytes": data, "path": None} for data in images] if nested else images
    table = pa.table({"image": [*cells, None], "label": [*COLOURS, "none"], "corners": [4, 4, 4, 4]})
    pq.write_table(table, tmp_path / "data.parquet")
    out = collect(
        tmp_path / "out", source={"type": "parquet", "paths": [tmp_path / "data.parquet"]}, scenes={"number": 0}
    )
    assert [(row["id"], row["labels"]) for row in rows(out)] == [
        (f"table/data-{n}", [c]) for n, c in enumerate(COLOURS, 1)
    ]
    assert rejected(out) == {"no bytes in image"}


def test_an_id_that_comes_twice_counts_once_over_all_tables(tmp_path):
    for name, colours in (("a", ("red", "green")), ("b", ("blue",))):
        data = [as_png(draw_shape(colour, 3)) for colour in colours]
        ids = [*["one", "two"][: len(data)], "three"]
        pq.write_table(pa.table({"image": [*data, None], "id": ids}), tmp_path / f"{name}.parquet")
    paths = [str(tmp_path / f"{name}.parquet") for name in ("a", "b")]
    out = collect(tmp_path / "out", source={"type": "parquet", "paths": paths}, scenes={"number": 0})
    assert [row["id"] for row in rows(out)] == ["table/one", "table/two"]
    assert [(row["file"], row["line"], row["reason"]) for row in rows(out, "rejected_rows")] == [
        (paths[0], 3, "no bytes in image"),
        (paths[1], 1, "the id 'table/one' is taken"),
        (paths[1], 2, "no bytes in image"),
    ]


def test_sources_that_are_none_say_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        collect(tmp_path / "a", source=folder_of(tmp_path / "missing"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no image and no manifest"):
        collect(tmp_path / "b", source=folder_of(tmp_path / "empty"))
    (tmp_path / "empty" / "x.png").write_text("no image")
    with pytest.raises(SourceError, match="None of the source's images can be used; the first: cannot be decoded"):
        collect(tmp_path / "c", source=folder_of(tmp_path / "empty"))
    pq.write_table(pa.table({"picture": [b""]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="no column 'image'; it has picture"):
        collect(tmp_path / "d", source={"type": "parquet", "paths": [tmp_path / "x.parquet"]})


def test_statements_bring_their_images_and_are_held_out(tmp_path, shapes):
    folder = write_folder(tmp_path / "nlvr")
    lines = [
        {"id": "1", "images": ["red-3-0.png"], "sentence": "There is a red shape", "label": True},
        {"id": "2", "images": ["red-3-0.png", "blue-4-0.png"], "sentence": "One is blue", "label": "true"},
        {"id": "3", "images": "missing.png", "sentence": "Nothing", "label": False},
        {"id": "4", "images": "red-3-0.png", "sentence": "Maybe", "label": "perhaps"},
        {"id": "5", "images": "red-3-0.png", "sentence": " ", "label": True},
    ]
    (folder / "statements.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = folder_of(write_folder(tmp_path / "shapes"))
    out = collect(tmp_path / "out", source=source, benchmarks=[{"folder": folder}], scenes={"number": 0})
    found = rows(out, "image_statements")
    assert [(row["id"], row["images"], row["holds"]) for row in found] == [
        ("1", ["nlvr/red-3-0.png"], True),
        ("2", ["nlvr/red-3-0.png", "nlvr/blue-4-0.png"], True),
    ]
    store = ImageStore(out)
    assert {picture.id for picture in store.pictures(benchmark="nlvr")} == {"nlvr/red-3-0.png", "nlvr/blue-4-0.png"}
    assert len(store.pictures()) == 60
    assert {reason.split(":")[0] for reason in rejected(out)} >= {
        "no statement",
        "neither true nor false",
        "its image cannot be used",
    }


def test_scenes_say_what_stands_where_and_are_made_of_images_of_their_split(tmp_path):
    source = folder_of(write_folder(tmp_path / "shapes"))
    scenes = {"number": 40, "side": 160, "collections": ["shapes"], "small_share": 0.5, "twin_share": 1.0}
    out = collect(tmp_path / "out", source=source, scenes=scenes)
    store = ImageStore(out)
    found = [picture for picture in store.pictures() if picture.parts]
    assert len(found) == 40
    for picture in found:
        assert {store.picture(part.image_id).split for part in picture.parts} == {picture.split}
        for part in picture.parts:
            cut = store.open(picture.id, part.box).convert("HSV")
            assert max(band for band in cut.getchannel("S").tobytes()) > 100  # a coloured shape stands there
    twins = [(picture, store.picture(picture.texts("twin")[0])) for picture in found if picture.texts("twin")]
    assert twins
    for picture, other in twins:
        pairs = list(zip(picture.parts, other.parts, strict=True))
        assert sum(first.image_id != second.image_id for first, second in pairs) == 1
        assert all(first.box == second.box for first, second in pairs)
    small = [part.box for picture in found if "small" in picture.texts("size") for part in picture.parts]
    assert small and max(box[2] - box[0] for box in small) <= 0.25 * 160


def test_the_same_seed_gives_the_same_artifact(tmp_path):
    source = folder_of(write_folder(tmp_path / "shapes"))
    first, second = (
        collect(tmp_path / name, source=source, scenes={"number": 6, "collections": ["shapes"]}) for name in "ab"
    )
    assert rows(first) == rows(second)
