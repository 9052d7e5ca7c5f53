"""A server that is in the way, too old, or open to others than this machine."""

import base64
import json
import os
import signal
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from flows.operating.prefect_api import ask
from flows.operating.server import SERVING, LocalServer, lasting_server, require_server, serving
from flows.operating.server_access import is_loopback, make_credentials, password_file
from flows.operating.server_checks import ServerError, is_healthy, require_free_port, require_not_older
from lib.store.locks import exclusive

pytestmark = pytest.mark.xdist_group("prefect")


class OldServer(BaseHTTPRequestHandler):
    """Answers as Prefect's API does, as far as a client asks before it uses a server."""

    def do_GET(self):
        body = {"/api/health": True, "/api/admin/version": "3.4.25"}[self.path]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments):
        return


@pytest.fixture
def old_server():
    server = HTTPServer(("127.0.0.1", 0), OldServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()


@pytest.fixture
def environment(monkeypatch):
    for name in ("PREFECT_API_URL", "PREFECT_HOME", "NO_PROXY", "DO_NOT_TRACK", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_port_in_use_is_told_with_who_has_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(ServerError, match=rf"Port {port} is in use by process {os.getpid()} \(") as caught:
            LocalServer(tmp_path, port).start()
        assert "--port" in caught.value.next_step
    require_free_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_told(tmp_path):
    with pytest.raises(ServerError, match="Nothing can listen at 192.0.2.1:4200"):
        LocalServer(tmp_path, 4200, "192.0.2.1").start()


def test_a_server_of_an_older_version_is_not_used(old_server, environment, tmp_path):
    environment.setenv("PREFECT_API_URL", old_server)
    with (
        pytest.raises(ServerError, match=r"server is of version 3\.4\.25; this is 3\.8\.") as caught,
        serving(tmp_path),
    ):
        pass
    assert old_server in str(caught.value) and "upgrade the server" in caught.value.next_step


def test_a_worker_does_not_work_for_an_older_server(old_server, environment, tmp_path):
    environment.setenv("PREFECT_API_URL", old_server)
    with pytest.raises(ServerError, match="version 3.4.25"):
        require_server(tmp_path)


def test_an_older_server_of_the_store_is_not_used_either(old_server, environment, tmp_path):
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "server.json").write_text(json.dumps({"url": old_server}))
    with (
        exclusive(tmp_path / "prefect" / SERVING),
        pytest.raises(ServerError, match="version 3.4.25"),
        serving(tmp_path),
    ):
        pass


def test_a_server_of_this_version_is_used(server):
    require_not_older(server.url)


def test_only_loopback_addresses_go_without_a_password():
    assert [host for host in ("127.0.0.1", "::1", "localhost") if not is_loopback(host)] == []
    assert [host for host in ("0.0.0.0", "::", "192.168.1.4", "myhost") if is_loopback(host)] == []


def test_a_password_is_made_once_and_only_its_owner_reads_it(tmp_path, environment):
    environment.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    credentials, is_new = make_credentials(tmp_path)
    assert is_new and len(credentials.partition(":")[2]) >= 24
    assert stat.S_IMODE(password_file(tmp_path).stat().st_mode) == 0o600
    assert make_credentials(tmp_path) == (credentials, False)
    environment.setenv("PREFECT_SERVER_API_AUTH_STRING", "me:mine")
    assert make_credentials(tmp_path) == ("me:mine", False)


def test_a_password_that_was_not_written_to_its_end_is_none(tmp_path, environment):
    environment.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    password_file(tmp_path).write_text("")  # the disk was full
    credentials, is_new = make_credentials(tmp_path)
    assert is_new and len(credentials.partition(":")[2]) >= 24


def test_the_address_that_a_killed_server_has_left_is_not_believed(server, environment, tmp_path):
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "server.json").write_text(json.dumps({"url": server.url}))  # another store's by now
    with pytest.raises(ServerError, match="none serves the store"):
        require_server(tmp_path)


def test_a_page_elsewhere_whose_name_leads_here_is_refused(server):
    for host, code in (("localhost:4200", 200), ("rebound.example.org", 400)):
        request = urllib.request.Request(f"{server.url}/health", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                assert response.status == code
        except urllib.error.HTTPError as error:
            assert error.code == code


def get(url, credentials=None):
    request = urllib.request.Request(url)
    if credentials:
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response), response.headers


@pytest.mark.slow
def test_beyond_this_machine_a_server_asks_for_the_password_and_tells_nobody_anything(tmp_path, environment):
    environment.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with lasting_server(tmp_path, 0, "0.0.0.0") as server:
        for credentials in (None, "ropewalk:wrong"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                get(f"{server.url}/admin/settings", credentials)
        settings, headers = get(f"{server.url}/admin/settings", server.credentials)
        assert settings["server"]["analytics_enabled"] is False
        assert "access-control-allow-origin" not in headers
        assert settings["server"]["concurrency"]["lease_storage"].endswith(".filesystem")
        page, _ = get(f"{server.ui_url}/ui-settings")
        assert (page["auth"], page["api_url"]) == ("BASIC", "/api")

        with pytest.raises(ServerError, match="asks for a password"):
            require_not_older(server.url)
        with serving(tmp_path) as started:
            assert started is None
            require_not_older(server.url)
        with pytest.raises(ServerError, match=f"has a server already: .*process {os.getpid()}"):
            with lasting_server(tmp_path, 0):
                pass


def test_a_server_that_is_killed_is_started_again_at_its_address_with_its_records(tmp_path, environment):
    with lasting_server(tmp_path, 0) as server:
        name = {"name": "kept"}
        created = ask(server.url, "flows/", name)["id"]
        os.kill(server._process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            with suppress(OSError):
                assert ask(server.url, "flows/name/kept")["id"] == created
                break
            time.sleep(0.2)
        else:
            raise AssertionError("it did not come back")
        server.require_alive()
    assert not is_healthy(server.url)
