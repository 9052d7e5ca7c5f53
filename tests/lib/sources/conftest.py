"""The atlas, built once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.progress import Silent
from lib.settings.source import AtlasSource
from lib.sources.build import build_graph


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("atlas")
    build_graph(AtlasSource(), out=out, progress=Silent())
    return out
