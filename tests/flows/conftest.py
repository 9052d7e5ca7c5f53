import pytest

from flows.operating.server import LocalServer


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> LocalServer:
    """A real Prefect server with a database of its own."""
    server = LocalServer(tmp_path_factory.mktemp("prefect"))
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop()
