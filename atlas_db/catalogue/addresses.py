"""Addresses of licence texts: one spelling for each, and the licence that a page of a licence site is about.

Pages of SPDX, the Open Source Initiative, Creative Commons, GNU, choosealicense.com and ScanCode's LicenseDB are known.
So are the raw, blob and resolve addresses of the Hub and of GitHub. No address is opened.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_ADDRESS = re.compile(r"^(?:https?://|//|www\.)|^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}/", re.IGNORECASE)
_RAW_GITHUB = re.compile(r"^raw\.githubusercontent\.com/([^/]+/[^/]+)/(?:refs/heads/)?[^/]+/")
_REVISION = re.compile(r"/(?:blob|raw|resolve)/(?:refs/heads/)?[^/]+/")
_ENDING = re.compile(r"(?:\.[a-z]{2})?\.(?:html?|txt|md|php|pdf|json)$")
_PAGES = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        (r"^spdx\.org/licenses/([^/]+)$", r"\1"),
        (r"^opensource\.org/licenses?/([^/]+)$", r"\1"),
        (r"^choosealicense\.com/licenses/([^/]+)$", r"\1"),
        (r"^gnu\.org/licenses/(?:old-licenses/)?([^/]+)$", r"\1"),
        (r"^creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)(?:/.*)?$", r"cc-\1-\2"),
        (r"^creativecommons\.org/publicdomain/zero/(\d\.\d)(?:/.*)?$", r"cc0-\1"),
        (r"^scancode-licensedb\.aboutcode\.org/([^/]+)$", r"licenseref-scancode-\1"),
    )
)


def is_address(text: str) -> bool:
    """Return whether a text is written as an address: with a scheme, or with a host and a path."""
    return bool(_ADDRESS.search(text))


def normalise_address(text: str) -> str:
    """Return one spelling of an address.

    It has no scheme, `www`, query, revision, file ending or capital letter. Raw and resolve addresses become those of
    blobs.
    """
    address = re.sub(r"^(?:https?:)?//", "", unquote(text.strip()).lower()).removeprefix("www.")
    address = address.partition("#")[0].partition("?")[0]
    address = re.sub(r"^hf\.co/", "huggingface.co/", address)
    address = _RAW_GITHUB.sub(r"github.com/\1/blob/", address)
    address = _REVISION.sub("/blob/", address, count=1)
    return _ENDING.sub("", address.rstrip("/"))


def license_on_page(address: str) -> str | None:
    """Return the licence id in the address of a page of a licence site, else None.

    Args:
        address: A normalised address.
    """
    for pattern, form in _PAGES:
        if found := pattern.match(address):
            # The Open Source Initiative writes `apache-2-0`.
            return re.sub(r"(?<=-)(\d)-(\d)(?=$|-)", r"\1.\2", found.expand(form))
    return None
