"""Who may use a server that listens beyond this machine: whoever knows the password of the store's server.

Prefect's basic auth takes one user and one password. The password is made once and kept below the store, readable
by the owner only; the owner's runs and workers find it there.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from pathlib import Path

from lib.store.atomic_write import write_atomically

USER, PASSWORD = "ropewalk", "password"
SERVER_VARIABLE, CLIENT_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
ANY_ADDRESS = ("0.0.0.0", "::")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def password_file(home: Path) -> Path:
    return home / PASSWORD


def read_credentials(home: Path) -> str | None:
    """`user:password`, where the store's server has one."""
    try:
        password = password_file(home).read_text().strip()
    except OSError:
        return None
    return f"{USER}:{password}" if password else None


def make_credentials(home: Path) -> tuple[str, bool]:
    """`user:password`, and whether it is new; what the user has set in the environment comes first. Raises OSError."""
    if given := os.environ.get(SERVER_VARIABLE):
        return given, False
    if (known := read_credentials(home)) is not None:
        return known, False
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(password_file(home), secrets.token_urlsafe(24) + "\n", mode=0o600)
    return read_credentials(home), True
