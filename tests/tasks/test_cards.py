"""The words of cards and of the lineage page; that they arrive is tried with a server in tests/flows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from lib.settings.load import load_settings
from tasks.card_text import MARKUP, code, duration, plain, table
from tasks.cards import Finished, run_command, write_card
from tasks.lineage import write_lineage_page
from tasks.run import Outcome, Run
from tasks.stage import run_stage
from tests.small_chain import COUNT, DOUBLE, TOTAL

HOSTILE = (
    '<script>alert(1)</script> | `code` **bold** [a](http://x) ![i](y) & "q" \\ $x$ #h ~~s~~ https://x.org\n\n# new'
)


@pytest.fixture
def chain(tmp_path):
    """A run of three small stages, the references by name."""
    run = Run(load_settings("laptop", ["reinforce.steps=3"]), tmp_path / "store")
    stages: dict = {}
    for stage in (COUNT, DOUBLE, TOTAL):
        run.inputs[stage.name] = {item.name: stages[item.name] for item in stage.inputs}
        stages[stage.name], _ = run_stage(stage, run, run.inputs[stage.name])
    return run, stages


def card_of(chain, stage, outcome=Outcome.COMPUTED, **changes) -> str:
    run, stages = chain
    return write_card(Finished(stage, run, run.inputs[stage.name], stages[stage.name], outcome, **changes))


def test_text_from_data_holds_no_markup_and_stays_on_its_line():
    shown = plain(HOSTILE)
    assert "\n" not in shown
    assert not set(re.sub(r"\\.", "", shown)) & set("<>|`*[]\\$#~&")
    assert re.sub(r"\\(.)", r"\1", shown) == " ".join(HOSTILE.split())


def test_long_text_is_cut_and_says_so():
    assert plain("x" * 500) == "x" * 200 + "…"


def test_every_character_that_markdown_knows_is_escaped():
    assert MARKUP.sub("", '!"#$%&*+./:<=>?@[\\]^_`{|}~') == ""


def test_a_name_that_would_end_the_code_is_a_fault_of_ours():
    with pytest.raises(AssertionError):
        code("a`b")


def test_a_table_without_rows_is_none():
    assert table(("a", "b"), []) == []
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


def test_durations_are_seconds_and_then_minutes():
    assert (duration(4.21), duration(131)) == ("4.2 s", "2 min 11 s")


def test_the_card_of_a_computed_stage_says_what_came_in_what_went_out_and_what_it_cost(chain):
    run, stages = chain
    run.cards["count"] = "/v2/artifacts/artifact/1"
    card = card_of(chain, DOUBLE)
    assert "**Computed** in" in card and "MB at most" in card
    assert f"| [count](/v2/artifacts/artifact/1) | `{stages['count']}` | 3 numbers |" in card
    assert f"| artifact | `{stages['double'].full}` |" in card
    assert f"ropewalk show {stages['double'].full}" in card


def test_the_commands_repeat_what_the_run_was_asked_for(chain, tmp_path):
    run, stages = chain
    asked = {"profile": "nano", "settings": ["source.triples=my facts.tsv"], "seed": 3, "domains": ["knowledge"]}
    again = "ropewalk run --profile nano --set 'source.triples=my facts.tsv' --seed 3 --domains knowledge"
    repeated = Run(run.settings, run.store.root, asked=asked)
    repeated.inputs = run.inputs
    card = card_of((repeated, stages), TOTAL)
    assert f"{again} --from total" in card and f"{again} --only total --force total" in card
    assert "ropewalk run --from total" in card_of(chain, TOTAL)
    here = Run(run.settings, run.store.root, asked={"profile": "my profile.toml"})
    assert run_command(here, ()) == f"ropewalk run --profile {str(Path('my profile.toml').absolute())!r}"


def test_a_cached_stage_has_a_short_card_that_says_since_when_and_why(chain):
    card = card_of(chain, TOTAL, Outcome.CACHED)
    assert re.search(r"\*\*Cached\*\* from \d{4}-\d\d-\d\d \d\d:\d\d, when total took .* every file was verified", card)
    assert "First rows" not in card and "## Gates" not in card


def test_a_note_of_the_run_stands_on_the_card(chain):
    run, stages = chain
    manifest = run.store.manifest(stages["total"])
    noted = manifest.provenance.model_copy(update={"notes": ("memory ran out | once",)})
    path = run.store.path(stages["total"]) / "manifest.json"
    path.write_text(manifest.model_copy(update={"provenance": noted}).model_dump_json())
    assert r"> memory ran out \| once" in card_of(chain, TOTAL)


def test_a_card_leads_to_the_report_where_there_is_one(chain):
    assert "**[Open the report](http://x/reports/1)**" in card_of(chain, TOTAL, report_url="http://x/reports/1")
    assert "report" not in card_of(chain, TOTAL)


def test_the_lineage_page_has_a_box_an_arrow_an_address_and_a_command_for_each_artifact(chain):
    run, stages = chain
    run.cards["count"] = "/v2/artifacts/artifact/77"
    page = write_lineage_page(run, stages)
    assert f'count["count<br/>3 numbers<br/>{stages["count"].short[:8]}"]:::computed' in page
    assert 'click count href "/v2/artifacts/artifact/77"' in page
    assert 'click total href "/v2/artifacts/key/total"' in page
    arrows = {line.strip() for line in page.splitlines() if "-->" in line}
    assert arrows == {"count --> double", "double --> total"}  # that from count to total follows from these
    for reference in stages.values():
        assert f"ropewalk show {reference} " in page


def test_the_lineage_page_of_a_single_stage_goes_back_to_the_sources(chain):
    run, stages = chain
    page = write_lineage_page(run, {name: stages[name] for name in ("double", "total")})
    arrows = {line.strip() for line in page.splitlines() if "-->" in line}
    assert arrows == {"count --> double", "double --> total"}
    assert page.index(f"ropewalk show {stages['count']} ") < page.index(f"ropewalk show {stages['double']} ")


def test_files_of_the_user_stand_in_the_graph_and_cannot_break_it(tmp_path):
    path = tmp_path / 'my "facts" ]; click.tsv'
    path.write_text("1")
    stage = replace(COUNT, files=lambda settings: {"source.triples": path})
    run = Run(load_settings("laptop", ["reinforce.steps=3"]), tmp_path / "store")
    reference, _ = run_stage(stage, run, {})
    page = write_lineage_page(run, {"count": reference})
    assert 'count_file_1[("my #34;facts#34; #93;#59; click#46;tsv")]:::file' in page
    assert "count_file_1 --> count" in page


def test_an_artifact_given_in_a_stage_s_place_keeps_the_arrows_from_what_it_was_made_from(chain):
    run, stages = chain
    given = Run(run.settings, run.store.root, given={"double": stages["double"]})
    given.inputs |= {"double": {}, "count": {}}
    given.outcomes |= {"double": Outcome.GIVEN, "count": Outcome.CACHED}
    page = write_lineage_page(given, {name: stages[name] for name in ("count", "double")})
    assert "count --> double" in page and "]:::given" in page
