"""Repository ids in the spellings in which people write them: addresses, mirrors, cache paths, revisions, Markdown.

The grammar of an id is that of the Hub (`validate_repo_id` of huggingface_hub): one name, or an owner and a name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"(?:{_NAME}/)?{_NAME}")
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]*)\]\s*\(\s*<?([^()\s<>]*)>?[^()]*\)")
_SCHEME = re.compile(r"^(?:https?|hf|huggingface|ssh|git)://", re.IGNORECASE)
_HUB_SCHEME = re.compile(r"^(?:hf|huggingface):/{0,3}", re.IGNORECASE)
_HUB_HOST = re.compile(r"(?:^|[.-])(?:hf|huggingface)(?:[.-]|$)", re.IGNORECASE)
_CACHE_FOLDER = re.compile(r"(?:^|[/\\])(?:models|datasets)--([^/\\]+)")
_REVISION = re.compile(r"[?#@].*$|:[A-Za-z0-9_.+-]*$|\.git$", re.DOTALL)
_LABEL = re.compile(r"^(?:base[ _]?)?(?:model|models|repo|repository)(?:[ _]?id)?\s*[:=]\s*", re.IGNORECASE)
_TRAILING_WORDS = re.compile(r"\s+[(\[].*$", re.DOTALL)
_SPACED_SLASH = re.compile(r"\s*/\s*")
_VIEWS = frozenset({"tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit"})
_KINDS = frozenset({"models", "datasets", "model", "dataset"})
_OTHER_PAGES = frozenset({"spaces", "collections", "papers", "docs", "blog", "organizations", "settings", "posts"})
_WEIGHT_FILE = re.compile(r"\.(?:safetensors|gguf|bin|pt|pth|ckpt|onnx|json|msgpack|h5)$", re.IGNORECASE)


def plain_text(text: str) -> str:
    """Return a text without invisible characters, surrounding quotes and white space.

    Invisible are the characters of Unicode's categories Cc, Cf and Cs: a zero-width space, a byte-order mark …
    """
    if not text.isascii():
        text = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
        text = "".join(c for c in text if c in "\t\n" or unicodedata.category(c) not in ("Cf", "Cc", "Cs"))
    return text.strip().strip("'\"`“”‘’«»").strip()


def is_repository_id(text: str) -> bool:
    """Return whether a text is an id by the Hub's grammar, with or without an owner."""
    return _ID.fullmatch(text) is not None and "--" not in text and ".." not in text


@lru_cache(maxsize=2**14)
def repository_name(text: str) -> str:
    """Return the id of the repository that a text names, or the text without quotes where it names none.

    Read are addresses of the Hub and its mirrors, `hf://`, paths of the Hub's cache, Markdown links, revisions
    (`@main`), fragments, `:tag` as llama.cpp and Ollama write it. Invisible characters are removed.
    """
    name = plain_text(text)
    if is_repository_id(name):
        return name
    if link := _MARKDOWN_LINK.search(name):
        label, address = link.groups()
        target = repository_name(address)
        return target if _is_owned(target) else repository_name(label)
    if cached := _CACHE_FOLDER.search(name):
        found = cached.group(1).replace("--", "/")
        return found if is_repository_id(found) else name.rstrip("/")
    return _from_address(_LABEL.sub("", name.strip("<>")))


def _from_address(name: str) -> str:
    """Return the id in an address, or in an id with a revision, a tag, a view or a file behind it."""
    if "%" in name:
        name = unquote(name)
    if name.startswith("git@"):
        name = name.removeprefix("git@").replace(":", "/", 1)
    if _HUB_SCHEME.match(name):
        found = _first_parts(_HUB_SCHEME.sub("", name))
        return found or name.rstrip("/")
    address = _SCHEME.sub("", name)
    host, _, path = address.removeprefix("www.").partition("/")
    host = host.rpartition("@")[2].partition(":")[0]
    if "." in host and _HUB_HOST.search(host) and path:
        return _first_parts(path) or name.rstrip("/")
    if address != name or name.startswith((".", "/", "~", "\\")):
        return name.rstrip("/")
    found = _first_parts(_SPACED_SLASH.sub("/", _TRAILING_WORDS.sub("", name)), whole=True)
    return found or name.rstrip("/")


def _first_parts(path: str, *, whole: bool = False) -> str:
    """Return the id that a path starts with, or an empty text.

    Args:
        path: What follows the host of an address.
        whole: True where nothing but a view or a file of weights may follow the id.
    """
    path = path.strip("/ ")
    parts = [part for part in re.split(r"[?#]", path, maxsplit=1)[0].split("/") if part]
    if not whole:
        while parts and parts[0].lower() in (*_KINDS, "api"):
            parts = parts[1:]
    if not parts or (not whole and parts[0] in _OTHER_PAGES):
        return ""
    owned = len(parts) > 1 and parts[1] not in _VIEWS
    rest = parts[2:] if owned else parts[1:]
    if whole and rest and rest[0] not in _VIEWS and not _WEIGHT_FILE.search(rest[-1]):
        return ""
    found = _REVISION.sub("", "/".join(parts[: 1 + owned])).rstrip(".,; ")
    return found if is_repository_id(found) else ""


def _is_owned(name: str) -> bool:
    return "/" in name and is_repository_id(name)
