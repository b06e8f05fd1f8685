"""Models that a question to an atlas names: ids, and models read from what lies on a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_db.claims.repository_ids import requested_id

if TYPE_CHECKING:
    from atlas_db.licenses.card_model import CardModel


@dataclass(slots=True)
class Targets:
    """Models that a question names.

    Attributes:
        ids: Model ids.
        folders: Models read from files.
    """

    ids: list[str] = field(default_factory=list)
    folders: list[CardModel] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ids or self.folders)

    @property
    def first(self) -> tuple[str, CardModel | None]:
        """Id of the first model, and what was read of it from files."""
        folder = next(iter(self.folders), None)
        return (self.ids[0], None) if folder is None else (folder.id, folder)

    @property
    def files(self) -> dict[str, str]:
        """Paths of the cards, or of the files read in their place, by model id."""
        return {folder.id: str(folder.card) for folder in self.folders}


def read_targets(words: Sequence[str]) -> Targets:
    """Return the models that words name: ids, addresses of the Hub, paths.

    Raises:
        InputError: A path cannot be read.
    """
    found = Targets()
    for word in dict.fromkeys(words):
        folder = _read_path(word)
        if folder is not None:
            found.folders.append(folder)
        else:
            found.ids.append(requested_id(word))
    return found


def _read_path(word: str) -> CardModel | None:
    """Return the model that a path names, None where a word is no path of a model."""
    if not (word.startswith((".", "/", "~")) or word.lower().endswith(".md") or Path(word).exists()):
        return None  # the usual case imports no reader of weights
    from atlas_db.licenses.card_model import is_path, read_card_model
    from atlas_db.snapshot.local_parents import with_local_parents

    return with_local_parents(read_card_model(Path(word).expanduser())) if is_path(word) else None
