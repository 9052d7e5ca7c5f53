from pathlib import Path

import pytest

from lib.store.code_closure import REPOSITORY, code_closure

FILES = {
    "lib/__init__.py": "",
    "lib/stage.py": '"""What it does."""\nimport os\nfrom lib.helper import double\n\nrun = double\n',
    "lib/helper.py": "def double(x):\n    from lib.room import deep\n    return deep.VALUE * x\n",
    "lib/room/__init__.py": "",
    "lib/room/deep.py": "from . import near\nVALUE = 2\n",
    "lib/room/near.py": "import lib.stage\n",
    "lib/room/templates/page.html": "<p>",
    "lib/other.py": "X = 1\n",
    "lib/settings/__init__.py": "",
}


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in FILES.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_closure_follows_imports_inside_functions_relative_ones_and_circles(root):
    modules = {name for name in code_closure("lib.stage", root=root) if "/" not in name}
    assert modules == {"lib", "lib.stage", "lib.helper", "lib.room", "lib.room.deep", "lib.room.near"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lib/stage.py", FILES["lib/stage.py"].replace("What it does.", "Something else.")),
        ("lib/helper.py", FILES["lib/helper.py"].replace("    from", '    """Doubles."""\n    # why\n    from')),
        ("lib/helper.py", FILES["lib/helper.py"].replace("return deep.VALUE * x", "return (deep.VALUE\n        * x)")),
        ("lib/other.py", "X = 2\n"),
    ],
    ids=["docstring", "docstring and comment", "layout", "module out of reach"],
)
def test_what_changes_no_behaviour_changes_no_hash(root, name, text):
    before = code_closure("lib.stage", root=root)
    write(root / name, text)
    assert code_closure("lib.stage", root=root) == before


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("lib/room/deep.py", "from . import near\nVALUE = 3\n", "lib.room.deep"),
        ("lib/room/__init__.py", "X = 1\n", "lib.room"),
        ("lib/room/templates/page.html", "<b>", "lib/room/templates/page.html"),
    ],
)
def test_code_and_templates_in_reach_change_their_own_hash(root, name, text, changed):
    before = code_closure("lib.stage", root=root)
    write(root / name, text)
    after = code_closure("lib.stage", root=root)
    assert {key for key in after if after[key] != before.get(key)} == {changed}


def test_a_function_with_nothing_but_a_docstring_is_no_obstacle(root):
    write(root / "lib/helper.py", 'def double(x):\n    """Nothing else."""\n')
    assert "lib.helper" in code_closure("lib.stage", root=root)


def test_an_unknown_module_is_an_error(root):
    with pytest.raises(ValueError, match="lib.nowhere"):
        code_closure("lib.nowhere", root=root)


def test_profiles_do_not_count_as_code():
    closure = code_closure("lib.settings.settings", root=REPOSITORY)
    assert "lib.settings.learning" in closure
    assert not [name for name in closure if "profiles" in name]
