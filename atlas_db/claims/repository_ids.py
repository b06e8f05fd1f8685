"""Repository ids in the spellings in which people write them: addresses, mirrors, cache paths, revisions, Markdown.

The grammar of an id is that of the Hub (`validate_repo_id` of huggingface_hub): one name, or an owner and a name.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

MAX_TEXT = 4096
"""Characters of a text that is searched for an id; a longer one names none."""
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_ID = re.compile(rf"(?:{_NAME}/)?{_NAME}")
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]*)\] ?\( ?<?([^()\s<>]*)>?[^()]*\)")
_REFERENCE = re.compile(r"^\[\[?([^\[\]]+)\]\]?(?:\[[^\[\]]*\])?$|^\[[^\[\]]*\]: ?(\S+).*$")
_HTML_LINK = re.compile(r"<a\s[^<>]*href=[\"']?([^\"'\s<>]+)[^<>]*>", re.IGNORECASE)
_HTML_TAG = re.compile(r"</?(?:a|b|i|u|br|p|code|em|strong|span|div|ul|ol|li|pre|tt|kbd|h\d)\b[^<>]*>", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:https?|ssh|git)://", re.IGNORECASE)
_HUB_SCHEME = re.compile(r"^(?:hf|huggingface|hf_hub|hf-hub|pkg:huggingface)[:/]/{0,3}(?=[^/])", re.IGNORECASE)
_HUB_HOST = re.compile(r"(?:^|[.-])(?:hf|huggingface)(?:[.-]|$)", re.IGNORECASE)
_OTHER_HOST = re.compile(
    r"^(?:discuss|status|api-inference|router|cdn|ui)\.|\.(?:space|github\.io|tech)$", re.IGNORECASE
)
_CACHE_FOLDER = re.compile(r"(?:^|[/\\])(?:models|datasets)--([^/\\]+)")
_REVISION = re.compile(r"@refs/pr/\d+$|[?#@].*$|:[A-Za-z0-9_.+-]*$|\.git$", re.DOTALL)
_LABEL = re.compile(
    r"^(?:ollama (?:run|pull) |(?:[-*+•]|\d+[.)]) |(?:base[ _]?)?(?:model|models|repo|repository)(?:[ _]?id)? ?[:=] ?)",
    re.IGNORECASE,
)
_TRAILING_WORDS = re.compile(r"(?: [(\[]| // | [—–] ).*$", re.DOTALL)
_EMPHASIS = re.compile(r"^(\*{1,3}|_{1,3}|~~|`{1,3})(.+)\1$", re.DOTALL)
_SPACES = re.compile(r"[ \t\u00a0]+")
_VIEWS = frozenset({"tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit"})
_KINDS = frozenset({"models", "datasets", "model", "dataset"})
_OTHER_PAGES = frozenset(
    {"spaces", "collections", "papers", "docs", "blog", "organizations", "settings", "posts", "learn", "tasks", "chat",
     "pricing", "join", "login", "new", "search", "enterprise", "inference", "storage", "kernels", "buckets"}
)  # fmt: skip
_FILE_OR_STEP = re.compile(
    r"\.(?:safetensors|gguf|bin|pt|pth|ckpt|onnx|json|msgpack|h5)$|^checkpoint-\d+$", re.IGNORECASE
)
_FOLDED = str.maketrans({"∕": "/", "⁄": "/", "‐": "-", "‑": "-", "‒": "-", "−": "-"})
_QUOTES = "'\"`“”‘’«»‹›「」『』《》〈〉【】（）"
_WORD = re.compile(r"[^\s,;|()<>\[\]{}\"'`]+")


def plain_text(text: str) -> str:
    """Return a text on one line without invisible characters, surrounding quotes and white space.

    Compatibility forms (full-width letters) are replaced by plain ones. Invisible are the characters of Unicode's
    categories Cc, Cf and Cs: a zero-width space, a byte-order mark and the like.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_FOLDED)
        text = "".join(c for c in text if c in "\t\n\r" or unicodedata.category(c) not in ("Cf", "Cc", "Cs"))
    text = _SPACES.sub(" ", text.replace("\r", "\n")).strip()
    text = text.strip(_QUOTES).strip()
    return text[1:-1].strip() if text[:1] == "(" and text.find(")") == len(text) - 1 else text


def is_repository_id(text: str) -> bool:
    """Return whether a text is an id by the Hub's grammar, with or without an owner."""
    return _ID.fullmatch(text) is not None and "--" not in text and ".." not in text


def is_owned_id(text: str) -> bool:
    """Return whether a text is an id with an owner."""
    return "/" in text and is_repository_id(text)


def requested_id(text: str) -> str:
    """Return the id that a reader names: `hf://` and addresses of the Hub's pages are read, ids stay as they are."""
    return repository_name(text) if "://" in text else text


@lru_cache(maxsize=2**14)
def repository_name(text: str) -> str:
    """Return the id of the repository that a text names, or the text without quotes where it names none.

    Read are addresses of the Hub and its mirrors, `hf://`, package URLs, paths of the Hub's cache, links in Markdown
    and HTML. Revisions (`@main`), fragments and `:tag`, as llama.cpp and Ollama write it, are left out. Of a sentence
    the only id in it is taken.
    """
    name = plain_text(text)
    if len(name) > MAX_TEXT:
        return name
    if is_repository_id(name) and not _is_hub_host(name.partition("/")[0]):
        emphasis = _EMPHASIS.match(name)
        return emphasis[2] if emphasis and is_owned_id(emphasis[2]) else name
    if "<" in name or "&" in name:
        name = _without_html(name)
    if link := _MARKDOWN_LINK.search(name):
        label, address = link.groups()
        target = _from_address(address)
        return target if is_owned_id(target) else _from_text(label)
    return _from_text(name)


def _without_html(name: str) -> str:
    """Return a text without HTML: the address of its first link, else what stands between the tags."""
    unescaped = html.unescape(name)
    link = _HTML_LINK.search(unescaped)
    return plain_text(link[1] if link else _HTML_TAG.sub(" ", unescaped))


def _from_text(name: str) -> str:
    """Return the id in a text without Markdown links."""
    if cached := _CACHE_FOLDER.search(name):
        found = cached.group(1).replace("--", "/")
        return found if is_repository_id(found) else name.rstrip("/")
    bare = _LABEL.sub("", name.strip("<>"))
    if emphasis := _EMPHASIS.match(bare):
        bare = emphasis[2].strip()
    if reference := _REFERENCE.match(bare):
        bare = (reference[1] or reference[2]).strip()
    found = _from_address(bare)
    if is_repository_id(found) or " " not in bare:
        return found if is_repository_id(found) else name.rstrip("/")
    with_slash = [word for word in _WORD.findall(bare) if "/" in word[1:-1]]
    inside = {each for word in with_slash if is_owned_id(each := _from_address(word.rstrip(".,:)")))}
    # `and/or` and `w/o` are no ids; those of models nearly always have a digit or a hyphen.
    likely = [each for each in inside if re.search(r"[0-9-]", each) and len(each) > 4]
    return likely[0] if len(likely) == 1 else name.rstrip("/")


def _is_hub_host(host: str) -> bool:
    host = host.rpartition("@")[2].partition(":")[0]
    return "." in host and _HUB_HOST.search(host) is not None and _OTHER_HOST.search(host) is None


def _from_address(name: str) -> str:
    """Return the id in an address, or in an id with a revision, a tag, a view or a file behind it."""
    if "%" in name:
        name = unquote(name)
    if name.startswith("git@"):
        name = name.removeprefix("git@").replace(":", "/", 1)
    if _HUB_SCHEME.match(name) and not _is_hub_host(name.partition("/")[0]):
        return _first_parts(_HUB_SCHEME.sub("", name)) or name.rstrip("/")
    address = _SCHEME.sub("", name)
    host, _, path = address.removeprefix("www.").partition("/")
    if _is_hub_host(host):
        return (_first_parts(path) if path else "") or name.rstrip("/")
    if address != name or name.startswith((".", "/", "~")) or re.match(r"^[A-Za-z]:\\", name):
        return name.rstrip("/")
    if name.count("\\") == 1 and "/" not in name:
        name = name.replace("\\", "/")
    found = _first_parts(re.sub(r" ?/ ?", "/", _TRAILING_WORDS.sub("", name)), whole=True)
    return found or name.rstrip("/")


def _first_parts(path: str, *, whole: bool = False) -> str:
    """Return the id that a path starts with, or an empty text.

    Args:
        path: What follows the host of an address.
        whole: True where nothing but a view, a step of a training or a file of weights may follow the id.
    """
    path = re.sub(r"@refs/pr/\d+$", "", path.strip("/ "))
    parts = [part for part in re.split(r"[?#]", path, maxsplit=1)[0].split("/") if part]
    if not whole:
        while parts and parts[0].lower() in (*_KINDS, "api"):
            parts = parts[1:]
    if not parts or (not whole and parts[0] in _OTHER_PAGES):
        return ""
    owned = len(parts) > 1 and parts[1] not in _VIEWS
    rest = parts[2:] if owned else parts[1:]
    if whole and rest and rest[0] not in _VIEWS and not _FILE_OR_STEP.search(rest[-1]):
        return ""
    found = _REVISION.sub("", "/".join(parts[: 1 + owned])).rstrip(".,;)]>* ")
    return found if is_repository_id(found) else ""
