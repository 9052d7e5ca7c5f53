from pathlib import Path

import pytest

from lib.store.code_closure import PACKAGES, imported_names

REPOSITORY = Path(__file__).resolve().parents[1]
LAYERS = ("data_contracts", "lib", "tasks", "flows")
GROUND_FLOOR = (
    "bootstrap",
    "errors",
    "percent",
    "seeds",
    "progress",
    "chat_endpoint",
    "reply_log",
    "strict_json",
    "settings",
    "store",
    "workers",
)
ROOMS = (
    "sources",
    "synthesis",
    "environments",
    "policy",
    "rewards",
    "rollout",
    "learning",
    "extrapolation",
    "evaluation",
    "report",
)
FILES = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def imports(path: Path) -> set[tuple[str, ...]]:
    package = ".".join(path.relative_to(REPOSITORY).parent.parts)
    return {tuple(name.split(".")) for name in imported_names(path, package)}


def room_level(name: str) -> int:
    return 0 if name in GROUND_FLOOR else 1 + ROOMS.index(name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_imports_run_one_way_between_packages(path):
    own = LAYERS.index(path.relative_to(REPOSITORY).parts[0])
    for name in imports(path):
        if name[0] in LAYERS:
            assert LAYERS.index(name[0]) <= own, f"{path.name} imports {'.'.join(name)}"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.is_relative_to(REPOSITORY / "lib")],
    ids=lambda path: "/".join(path.parts[-2:]),
)
def test_inside_lib_only_later_rooms_import_earlier_ones(path):
    parts = path.relative_to(REPOSITORY / "lib").with_suffix("").parts
    if parts[0] == "__init__":
        return
    for name in imports(path):
        if name[0] == "lib" and len(name) > 1:
            assert room_level(name[1]) <= room_level(parts[0]), f"{'/'.join(parts)} imports {'.'.join(name)}"


def test_nothing_but_the_commands_knows_what_they_print():
    users = [path for path in FILES if any(name[:2] == ("flows", "command_line") for name in imports(path))]
    others = [path for path in users if path.parent.name != "command_line"]
    assert [path.relative_to(REPOSITORY).as_posix() for path in others] == ["flows/cli.py"]


def test_every_folder_of_lib_is_a_known_room():
    folders = {path.parent.name for path in (REPOSITORY / "lib").glob("*/*.py")}
    assert folders <= {*GROUND_FLOOR, *ROOMS}


def test_prefect_is_imported_in_flows_and_tasks_only():
    users = [path for path in FILES if any(name[0] == "prefect" for name in imports(path))]
    assert users
    assert {path.relative_to(REPOSITORY).parts[0] for path in users} <= {"flows", "tasks"}
