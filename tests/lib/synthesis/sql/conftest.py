"""Databases as synthesis gets them, and the pool that runs its queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.sources.sql.embedded.build import build_embedded
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.read import read_database
from lib.sources.sql.schema import Dialect
from tests.lib.sources.sql.shop import write_shop


@pytest.fixture(scope="session")
def shops(tmp_path_factory):
    """By dialect: 100 customers of five cities, 1,000 orders."""
    files = write_shop(tmp_path_factory.mktemp("shop"))
    return {dialect: read_database(Path(file.path), id="shop") for dialect, file in files.items()}


@pytest.fixture(scope="session")
def university(tmp_path_factory):
    """One of the embedded databases, by dialect."""
    read = {}
    for dialect in Dialect:
        folder = tmp_path_factory.mktemp(dialect)
        (path,) = build_embedded(folder, dialect=dialect, ids=["university"]).values()
        read[dialect] = read_database(path, id="university")
    return read


@pytest.fixture(scope="session")
def pool():
    with Pool(1) as opened:
        yield opened
