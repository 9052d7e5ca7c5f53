"""The last stage over a made-up run."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from lib.progress import Silent
from lib.report.write_report import write_report
from lib.settings.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def report(run, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(Settings(), inputs=run.inputs, lineage=run.lineage, costs=run.costs, out=out, progress=Silent())
    return out


@pytest.fixture(scope="session")
def page(report) -> str:
    return (report / "report.html").read_text()


class Elements(HTMLParser):
    """Every start tag with its attributes, and all text outside styles."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_data(self, data):
        self.text += "" if self._in_style else data


def test_the_page_has_every_section_and_five_episodes_a_domain(page):
    elements = Elements(page)
    sections = [attributes["id"] for tag, attributes in elements.tags if tag == "section"]
    assert sections == [
        "scores",
        "gates",
        "synthesis",
        "training",
        "ahead",
        "test-time",
        "episodes",
        "lineage",
        "cost",
        "data",
    ]
    episodes = [a["class"] for tag, a in elements.tags if tag == "article"]
    assert len(episodes) == 2 * 5
    assert {"episode right", "episode wrong"} == set(episodes)
    assert sum(tag == "svg" for tag, _ in elements.tags) >= 10


def test_the_page_needs_no_network(page):
    elements = Elements(page)
    links = [a.get(name, "") for _, a in elements.tags for name in ("src", "href", "xlink:href") if name in a]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"url\((?!#|['\"]?data:|['\"]?#)", page)
    assert "@import" not in page


def test_text_from_data_stays_text(page):
    elements = Elements(page)
    assert not any(tag == "script" for tag, _ in elements.tags)
    assert '<script>alert("x")</script> & "quotes" $a_b$ \'s' in elements.text
    assert "ما هي عاصمة مصر؟" in elements.text


def test_ids_are_unique_and_references_resolve(page):
    elements = Elements(page)
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'url\(#([^)"]+)\)|href="#([^"]+)"', page))
    assert {a or b for a, b in used} <= set(ids)


def test_equal_inputs_give_an_equal_page(run, page, tmp_path):
    write_report(Settings(), inputs=run.inputs, lineage=run.lineage, costs=run.costs, out=tmp_path, progress=Silent())
    assert (tmp_path / "report.html").read_text() == page


def test_the_numbers_of_the_page_are_those_of_the_database(report, page):
    with duckdb.connect(str(report / "run.duckdb"), read_only=True) as connection:
        rows = connection.sql("SELECT value, low, high FROM scores WHERE metric = 'accuracy'").fetchall()
    text = Elements(page).text
    for row in rows:
        assert all(f"{100 * value:.1f} %" in text for value in row)


def test_every_gate_of_a_sound_run_is_passed_and_shown(report, page):
    with duckdb.connect(str(report / "run.duckdb"), read_only=True) as connection:
        gates = connection.sql("SELECT gate, promise, passed FROM gates").fetchall()
    text = Elements(page).text
    assert len(gates) == 7
    assert all(passed and gate in text and promise in text for gate, promise, passed in gates)
    assert "7 gates passed" in text


def test_a_broken_gate_stands_at_the_head_of_the_page(run, tmp_path):
    settings = Settings(reinforce={"max_mismatch": 0.001})
    write_report(settings, inputs=run.inputs, lineage=[], costs=[], out=tmp_path, progress=Silent())
    head = (tmp_path / "report.html").read_text().partition("<main>")[0]
    assert "6 gates passed, 1 failed" in Elements(head).text


def test_every_chart_says_how_it_is_read(page):
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) > 10
    assert all(re.search(r'<p class="reading">[^<]{40,}</p>', figure) for figure in figures)


def test_an_unfinished_run_still_gets_a_page(run, tmp_path):
    inputs = {name: run.inputs[name] for name in ("source", "synthesize")}
    write_report(Settings(), inputs=inputs, lineage=[], costs=[], out=tmp_path, progress=Silent())
    text = Elements((tmp_path / "report.html").read_text()).text
    assert "No policy has been judged" in text
    assert "No training step was recorded" in text
    assert "1 gate passed, 6 not measured" in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1200, 400])
def test_a_real_browser_lays_the_page_out_without_overflow_or_error(page, tmp_path, width):
    """A script, let in for the test alone, writes what the browser made of the page into its title."""
    probe = """<script>
      const faults = []; addEventListener("error", event => faults.push(event.message));
      addEventListener("load", () => {
        const svgs = [...document.querySelectorAll("svg")];
        const empty = svgs.filter(svg => svg.getBoundingClientRect().height < 20).length;
        const widths = new Set([...document.querySelectorAll("figure > svg")].map(svg => svg.clientWidth));
        const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        const sizes = widths.size;
        document.title = `faults=${faults.length} empty=${empty} of=${svgs.length > 9} wide=${wide} sizes=${sizes}`;
      });</script>"""
    # A chart without a neighbour is no larger than the others.
    page = re.sub(r"<figure><figcaption>How straight.*?</figure>", "", page, count=1, flags=re.DOTALL)
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', probe, page, count=1)
    (tmp_path / "report.html").write_text(page)
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom",
        f"file://{tmp_path / 'report.html'}",
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert "<title>faults=0 empty=0 of=true wide=0 sizes=1</title>" in dom
