"""The content of files that settings point to, as digests: their place does not matter."""

from __future__ import annotations

from pathlib import Path

from lib.errors import SettingsError
from lib.store.content_digest import list_files
from lib.store.hash_memo import HashMemo


def digest_user_files(files: dict[str, Path], store_root: Path) -> dict[str, str]:
    """Digests by settings key, with the suffixes that say how a file is read.

    Raises SettingsError for a path at which there is nothing.
    """
    memo = HashMemo(store_root / "verified" / "user_files.json")
    digests = {}
    for key, path in files.items():
        if path.is_dir():
            for file in list_files(path):
                digests[f"{key}/{file.relative_to(path).as_posix()}"] = memo.digest(file.resolve())
        elif path.is_file():
            digests[f"{key} ({''.join(path.suffixes)})"] = memo.digest(path.resolve())
        else:
            raise SettingsError(
                f"{key} points to a file that does not exist.",
                where=str(path.absolute()),
                next_step=f"correct {key} in the profile or with --set {key}=PATH",
            )
    memo.save()
    return digests
