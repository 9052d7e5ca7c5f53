"""Words of models and paths of users stand in the terminal as they are."""

from __future__ import annotations

import pytest
from rich.console import Console

from flows.command_line import terminal

FOREIGN = "failed: [/INST] [bold]x[/] [red"


def test_a_note_that_looks_like_markup_is_shown_as_it_is(monkeypatch):
    console = Console(force_terminal=True, width=200, record=True)
    monkeypatch.setattr(terminal, "stderr", console)
    with terminal.StageBars(["demonstrate"]) as bars:
        bars.started("demonstrate").update(1, 2, FOREIGN)
    assert FOREIGN in console.export_text()


def test_a_table_of_foreign_words_is_shown_as_it_is(capsys: pytest.CaptureFixture):
    terminal.print_table(f"Artifacts in /a{FOREIGN}", ("w[/h]at",), [(FOREIGN,)])
    shown = capsys.readouterr().out
    assert shown.count(FOREIGN) == 2 and "w[/h]at" in shown
