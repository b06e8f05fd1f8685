"""Tests of `atlas_db/catalogue/addresses.py`."""

from __future__ import annotations

import pytest

from atlas_db.catalogue.addresses import is_address, license_on_page, normalise_address
from atlas_db.catalogue.loader import catalogue


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("https://www.apache.org/licenses/LICENSE-2.0.html", "apache.org/licenses/license-2.0"),
        ("http://www.gnu.org/licenses/gpl-3.0.en.html#s", "gnu.org/licenses/gpl-3.0"),
        ("https://huggingface.co/Qwen/Q/resolve/abc123/LICENSE?download=true", "huggingface.co/qwen/q/blob/license"),
        ("https://hf.co/Qwen/Q/raw/main/LICENSE", "huggingface.co/qwen/q/blob/license"),
        ("https://raw.githubusercontent.com/o/r/refs/heads/main/A%20B", "github.com/o/r/blob/a b"),
        ("https://github.com/o/r/blob/v1/A B", "github.com/o/r/blob/a b"),
    ],
)
def test_spellings_of_one_address(written: str, address: str) -> None:
    assert is_address(written)
    assert normalise_address(written) == address


@pytest.mark.parametrize("text", ["LICENSE", "LICENSE.md", "mit/apache-2.0", "gpl-2.0/mit", "apache-2.0", ""])
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("page", "meant"),
    [
        ("https://opensource.org/license/apache-2-0", "apache-2.0"),
        ("https://opensource.org/licenses/BSD-3-Clause", "bsd-3-clause"),
        ("https://spdx.org/licenses/GPL-3.0-only.html", "gpl-3.0"),
        ("https://choosealicense.com/licenses/mit/", "mit"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode.en", "cc-by-nc-sa-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("https://www.gnu.org/licenses/old-licenses/gpl-2.0.txt", "gpl-2.0"),
        ("https://scancode-licensedb.aboutcode.org/flux-1-nc.html", "flux-1-dev-non-commercial-license"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", None),
        ("https://example.org/licenses/mit", None),
    ],
)
def test_pages_of_licence_sites(page: str, meant: str | None) -> None:
    assert catalogue().at_address(page) == meant
    assert meant is None or license_on_page(normalise_address(page))
