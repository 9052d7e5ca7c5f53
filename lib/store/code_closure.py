"""The code that a function can reach: every module of this repository that its module imports.

In: the dotted name of a module. Out: a hash for each module of its import closure, itself included,
and for the data files beside them. Imports are read from the syntax tree, those inside functions
too, so nothing is executed or imported. Docstrings, comments and layout do not count.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("data_contracts", "lib", "tasks", "flows")

# Folders whose data files do not count, with the reason.
EXCLUDED_FOLDERS = {"lib/settings/profiles": "a profile acts through the settings, which have their own component"}


def code_closure(module: str, *, root: Path = REPOSITORY) -> dict[str, str]:
    """Hashes by module name, and by path for data files; raises ValueError for an unknown module."""
    if _find(root, module) is None:
        raise ValueError(f"{module} is no module below {root}")
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in reached or _find(root, name) is None:
            continue
        reached.add(name)
        waiting += _parents(name)
        waiting += _imports(root, name)
    hashes = {name: _hash_module(_find(root, name)) for name in reached}
    hashes |= _hash_data_files(root, {_find(root, name).parent for name in reached})
    return dict(sorted(hashes.items()))


def imported_names(path: Path, package: str) -> list[str]:
    """Dotted names that a file imports; `from a import b` gives `a` and `a.b`, as b may be a module."""
    names: list[str] = []
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


def _imports(root: Path, name: str) -> list[str]:
    path = _find(root, name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return [imported for imported in imported_names(path, package) if imported.split(".")[0] in PACKAGES]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _find(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _hash_module(path: Path) -> str:
    status = path.stat()
    return _hash_syntax_tree(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash_syntax_tree(path: Path, size: int, mtime_ns: int) -> str:
    tree = _without_docstrings(_parse(path))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Leave out every string that stands alone: docstrings and the texts under fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not _is_lone_string(statement)]
    return tree


def _is_lone_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _hash_data_files(root: Path, folders: set[Path]) -> dict[str, str]:
    """Templates and the like: files beside a reached module, or in a folder there that is no package."""
    hashes = {}
    for folder in folders:
        plain = [child for child in folder.iterdir() if child.is_dir() and not (child / "__init__.py").exists()]
        files = [path for path in folder.iterdir() if path.is_file()]
        files += [path for child in plain if child.name != "__pycache__" for path in child.rglob("*") if path.is_file()]
        for path in files:
            relative = path.relative_to(root).as_posix()
            if path.suffix in (".py", ".pyc") or any(relative.startswith(f"{name}/") for name in EXCLUDED_FOLDERS):
                continue
            hashes[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes
