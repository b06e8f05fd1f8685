"""Tokens from sentence embeddings of model cards, computed by a local model.

An embedding is projected by a fixed random matrix. The indices of its largest components become tokens
(winner-take-all hashing: Yagnik et al. 2011, "The Power of Comparative Reasoning"). So the learners use them like all
other tokens, also for models that come later. Words that leak an attribute are removed from the text first. For
lineage the embedding tokens are masked as a whole: the names of models are too many to be removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_db.cards.card_store import FOLDER as CARDS
from atlas_db.cards.card_store import newest_cards
from atlas_db.cards.front_matter import split_card
from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.decoding import MalformedError, read_json
from atlas_db.core.errors import InputError
from atlas_db.core.files import replacing, write_whole
from atlas_db.core.terms import Progress
from gnn.dataset.card_text import body_words
from gnn.dataset.tasks import TASKS, leaking_tokens, uses_lineage
from gnn.parameters.token_parameters import TOKEN

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FOLDER = "sentences"
"""Folder of the embedding tokens, under the home folder."""
CURRENT, CENTRE = "current", "centre.f4"
"""Files there: the digest of the model in use, and the mean of that model's first embeddings."""
CARDS_PER_FILE = 4096
"""Cards embedded between two files; a stopped run loses at most these."""
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_SCHEMA = pa.schema([("card", pa.binary(16)), ("points", pa.list_(pa.uint8(), TOKEN.top_components))])


class EmbedReport(NamedTuple):
    """Number of models with a card, of cards embedded in this run, and of cards embedded before.

    Attributes:
        models: Models with a card.
        read: Cards embedded in this run.
        kept: Models whose card was embedded before.
    """

    models: int
    read: int
    kept: int


def embed_cards(graph: Graph, home: Path, folder: Path, progress: Progress = lambda *_: None) -> EmbedReport:
    """Embed the cards of a graph's models with a sentence model; a card that was embedded before is skipped.

    Args:
        graph: The graph; words that leak its declared attributes are removed from the text.
        home: Home folder, which holds the cards.
        folder: A model as sentence-transformers saves it.
        progress: Called with stage, cards done and total (0: unknown).

    Raises:
        InputError: The folder holds no such model, or one that would run its own code or open a pickle.
    """
    digest, model = model_digest(folder), _load_model(folder)
    target = home / FOLDER / digest
    target.mkdir(parents=True, exist_ok=True)
    known = set(_read_components(target))
    leaks, kept, read, models = _leaks_any_attribute(graph), 0, 0, 0
    pending: dict[bytes, str] = {}
    for _, card in newest_cards(home / CARDS, graph.ids):
        models += 1
        if (key := _key(card)) in known or key in pending:
            kept += key in known
            continue
        pending[key] = plain_text(card, leaks)
        if len(pending) == CARDS_PER_FILE:
            read += _embed_and_write(model, pending, target)
            progress("Read cards", read, 0)
            pending = {}
    read += _embed_and_write(model, pending, target)
    write_whole(home / FOLDER / CURRENT, digest.encode())
    for other in (home / FOLDER).iterdir():
        if other.is_dir() and other != target:
            shutil.rmtree(other)
    return EmbedReport(models, read, kept)


def embedding_tokens(home: Path) -> tuple[str, Callable[[str], list[str]]]:
    """Return the digest of the embedding model in use, and a function from a card to its embedding tokens.

    The digest is empty, and no card has tokens, where no model was used yet.
    """
    file = home / FOLDER / CURRENT
    digest = file.read_text() if file.is_file() else ""
    components = _read_components(home / FOLDER / digest) if digest else {}
    return digest, lambda card: [str(each) for each in components.get(_key(card), ())] if components else []


def model_digest(folder: Path) -> str:
    """Return a BLAKE2b digest over the names and contents of all files of a model.

    Raises:
        InputError: A file cannot be read.
    """
    total = blake2b(digest_size=4)
    try:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                total.update(f"{file.relative_to(folder)}\n".encode())
                with file.open("rb") as handle:
                    while block := handle.read(1 << 20):
                        total.update(block)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error}", hint="Name the folder of a sentence model") from error
    return total.hexdigest()


def plain_text(card: str, leaks: Callable[[str], bool]) -> str:
    """Return the first words of a card's text without words and bigrams that leak an attribute."""
    words = body_words(split_card(card)[1])[: TOKEN.embedding_words]
    leaking = {index for index, word in enumerate(words) if leaks(word)}
    leaking |= {index + step for index, pair in enumerate(pairwise(words)) if leaks(" ".join(pair)) for step in (0, 1)}
    return " ".join(word for index, word in enumerate(words) if index not in leaking)


def top_components(vectors: Floats, centre: Floats) -> Integers:
    """Return the indices of the largest components of randomly projected embeddings, in ascending order.

    Args:
        vectors: Embeddings, shape (n, d).
        centre: Mean embedding, shape (d,).

    Returns:
        Shape (n, `TOKEN.top_components`), each below `TOKEN.projections`.
    """
    projection = np.random.default_rng(0).standard_normal((vectors.shape[1], TOKEN.projections))
    projected = (vectors - centre) @ projection
    return np.sort(np.argsort(-projected, axis=1, kind="stable")[:, : TOKEN.top_components], axis=1)


def _leaks_any_attribute(graph: Graph) -> Callable[[str], bool]:
    """Return a predicate that is true for words and bigrams that leak any attribute but lineage."""
    predicates = [leaking_tokens(graph, name) for name in TASKS if uses_lineage(name)]
    return lru_cache(maxsize=1 << 20)(lambda token: any(leaks(token) for leaks in predicates))


def _load_model(folder: Path) -> SentenceTransformer:
    """Load a sentence model after a check that it needs neither code nor pickles of its own.

    Raises:
        InputError: It needs them, or it cannot be opened.
    """
    try:
        modules = read_json(folder / "modules.json", list[dict[str, Any]])
        foreign = [kind for each in modules if not (kind := str(each["type"])).startswith("sentence_transformers.")]
    except (OSError, MalformedError, KeyError) as error:
        raise InputError(
            f"{folder} holds no sentence-transformers model", hint="Save one there: SentenceTransformer(…).save(FOLDER)"
        ) from error
    if foreign:
        raise InputError(
            f"{folder} would run code of its own ({foreign[0]})", hint="Take a model of the library's own modules"
        )
    pickled = [file for file in sorted(folder.rglob("*")) if file.suffix in _PICKLES]
    if pickled:
        raise InputError(
            f"{pickled[0]} may be a pickle, which is never opened", hint="Save the weights as safetensors, remove it"
        )
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    try:
        model: SentenceTransformer = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be opened: {error}", hint="Save the model anew") from error
    return model


def _embed_and_write(model: SentenceTransformer, texts: Mapping[bytes, str], folder: Path) -> int:
    """Embed texts, write their top components to a file with the next number, and return the number of texts."""
    if not texts:
        return 0
    vectors = np.asarray(
        model.encode(list(texts.values()), normalize_embeddings=True, show_progress_bar=False), np.float32
    )
    centre_file = folder / CENTRE
    if not centre_file.is_file():
        write_whole(centre_file, vectors.mean(0).astype("<f4").tobytes())
    components = top_components(vectors, np.frombuffer(centre_file.read_bytes(), "<f4"))
    table = pa.table([list(texts), components.tolist()], schema=_SCHEMA)
    with replacing(folder / f"{len(list(folder.glob('*.parquet'))):06d}.parquet") as partial:
        pq.write_table(table, partial)
    return len(texts)


def _read_components(folder: Path) -> dict[bytes, list[int]]:
    """Return the top components of each card, by the hash of its text."""
    found: dict[bytes, list[int]] = {}
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file)
        found |= zip(table["card"].to_pylist(), table["points"].to_pylist(), strict=True)
    return found


def _key(card: str) -> bytes:
    return blake2b(card.encode(), digest_size=16).digest()
