"""Tests of `atlas_db/catalogue/expressions.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.catalogue.expressions import MAX_LENGTH, canonical_expression, has_terms, parse_expression
from atlas_db.catalogue.loader import catalogue


@pytest.mark.parametrize(
    ("written", "canonical", "spdx"),
    [
        ("MIT OR Apache-2.0", "apache-2.0 OR mit", "Apache-2.0 OR MIT"),
        ("mit   or  apache 2.0", "apache-2.0 OR mit", "Apache-2.0 OR MIT"),
        ("mit/apache-2.0", "apache-2.0 OR mit", "Apache-2.0 OR MIT"),
        ("apache-2.0, cc-by-nc-4.0", "apache-2.0 AND cc-by-nc-4.0", "Apache-2.0 AND CC-BY-NC-4.0"),
        ("mit; apache-2.0", "apache-2.0 AND mit", "Apache-2.0 AND MIT"),
        ("['mit', 'apache-2.0']", "apache-2.0 AND mit", "Apache-2.0 AND MIT"),
        ("mit, apache-2.0 or isc", "apache-2.0 OR isc OR mit", "Apache-2.0 OR ISC OR MIT"),
        ("mit, isc, and apache-2.0", "apache-2.0 AND isc AND mit", "Apache-2.0 AND ISC AND MIT"),
        ("(MIT OR ISC) AND CC-BY-4.0", "cc-by-4.0 AND (isc OR mit)", "CC-BY-4.0 AND (ISC OR MIT)"),
        ("mit and mit", "mit", "MIT"),
        ("apache license, version 2.0, mit", "apache-2.0 AND mit", "Apache-2.0 AND MIT"),
        ("Apache-2.0 WITH LLVM-exception", "apache-2.0 WITH llvm-exception", "Apache-2.0 WITH LLVM-exception"),
        ("GPL-2.0+", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("gpl-2.0-or-later or mit", "gpl-2.0 OR gpl-3.0 OR mit", "GPL-2.0-or-later OR MIT"),
        ("GPL-3.0-or-later", "gpl-3.0", "GPL-3.0-or-later"),
        ("Apache-2.0+", "apache-2.0", "Apache-2.0+"),
        ("LicenseRef-foo OR mit", "licenseref-foo OR mit", "LicenseRef-foo OR MIT"),
        ("LicenseRef-scancode-llama-4-cla-2025", "llama4", "LicenseRef-scancode-llama-4-cla-2025"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "apache-2.0", "Apache-2.0"),
        ("mit or https://creativecommons.org/licenses/by/4.0/, cc0", "cc-by-4.0 OR cc0-1.0 OR mit", "CC-BY-4.0 OR CC0-1.0 OR MIT"),
        ("openrail++ or mit", "mit OR openrail++", "MIT OR LicenseRef-scancode-bigscience-open-rail-m2"),
        ("mit and my-own", "mit AND my-own", None),
        ("BSD-1-Clause", "bsd-1-clause", "BSD-1-Clause"),
        ("mit\u200b", "mit", "MIT"),
        ("\ufeffmit.", "mit", "MIT"),
        ("(MIT)", "mit", "MIT"),
        ("[MIT](LICENSE)", "mit", "MIT"),
        ("MIT + Apache-2.0", "apache-2.0 AND mit", "Apache-2.0 AND MIT"),
        ("mit+isc", "isc AND mit", "ISC AND MIT"),
        ("SPDX-License-Identifier: MIT", "mit", "MIT"),
        ("# spdx-license-identifier: GPL-2.0-or-later", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("licence: mit", "mit", "MIT"),
        ("MIT License or GNU General Public License, version 3", "gpl-3.0 OR mit", "GPL-3.0-only OR MIT"),
        ('BSD 3-Clause "New" or "Revised" License and MIT', "bsd-3-clause AND mit", "BSD-3-Clause AND MIT"),
    ],
)  # fmt: skip
def test_expressions_as_people_write_them(written: str, canonical: str, spdx: str | None) -> None:
    found = parse_expression(written)
    assert found is not None
    assert (str(found), found.spdx) == (canonical, spdx)


@pytest.mark.parametrize(
    ("written", "canonical", "spdx"),
    [
        ("gplv3+", "gpl-3.0", "GPL-3.0-or-later"),
        ("agplv3+", "agpl-3.0", "AGPL-3.0-or-later"),
        ("lgplv3+", "lgpl-3.0", "LGPL-3.0-or-later"),
        ("gplv2+", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("GPL-3.0 or later", "gpl-3.0", "GPL-3.0-or-later"),
        ("GPL-2.0 or later", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("GPLv2, or (at your option) any later version", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("LGPL-2.1 (or newer)", "lgpl-2.1 OR lgpl-3.0", "LGPL-2.1-or-later"),
        ("GNU General Public License v2.0 or later", "gpl-2.0 OR gpl-3.0", "GPL-2.0-or-later"),
        ("MIT OR GPL-3.0 or later", "gpl-3.0 OR mit", "GPL-3.0-or-later OR MIT"),
        ("(MIT OR GPL-3.0 or later)", "gpl-3.0 OR mit", "GPL-3.0-or-later OR MIT"),
        ("mpl-2.0 or later", "mpl-2.0", "MPL-2.0+"),
    ],
)
def test_or_later_in_words_and_signs(written: str, canonical: str, spdx: str) -> None:
    found = parse_expression(written)
    assert found is not None
    assert (str(found), found.spdx) == (canonical, spdx)


_CLASSPATH = "gpl-2.0 WITH classpath-exception-2.0 OR gpl-3.0 WITH classpath-exception-2.0"


@pytest.mark.parametrize(
    ("written", "canonical", "spdx"),
    [
        (
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
            _CLASSPATH,
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
        ),
        (
            "MIT OR (GPL-2.0+ WITH Classpath-exception-2.0)",
            f"{_CLASSPATH} OR mit",
            "GPL-2.0-or-later WITH Classpath-exception-2.0 OR MIT",
        ),
        (
            "MIT AND GPL-2.0 or later WITH Classpath-exception-2.0",
            f"({_CLASSPATH}) AND mit",
            "GPL-2.0-or-later WITH Classpath-exception-2.0 AND MIT",
        ),
        (
            "LGPL-2.1-or-later WITH GCC-exception-3.1",
            "lgpl-2.1 WITH gcc-exception-3.1 OR lgpl-3.0 WITH gcc-exception-3.1",
            "LGPL-2.1-or-later WITH GCC-exception-3.1",
        ),
        ("gpl-3.0+ with GCC-exception-3.1", "gpl-3.0 WITH gcc-exception-3.1", "GPL-3.0-or-later WITH GCC-exception-3.1"),
    ],
)  # fmt: skip
def test_an_exception_of_a_licence_or_later_is_that_of_each_version(written: str, canonical: str, spdx: str) -> None:
    found = parse_expression(written)
    assert found is not None
    assert (str(found), found.spdx) == (canonical, spdx)
    assert canonical_expression(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "none", "see license", "my license or yours", "mit with foo", "apache-2.0 with restrictions", "(mit or isc", "mit or",
     "mit or my own text", "custom and mine", "intel", "https://huggingface.co/a/b/blob/main/LICENSE"],
)  # fmt: skip
def test_what_is_no_expression_stays_as_it_is(text: str) -> None:
    assert parse_expression(text) is None


def test_terms_are_known_of_one_choice_and_of_all_parts() -> None:
    assert has_terms("mit OR my-own")
    assert not has_terms("mit AND my-own")
    assert not has_terms("other OR unknown")
    assert not has_terms("none")


_LEAVES = st.sampled_from([*(row.id for row in catalogue()), "my-own", "licenseref-x", "gpl-2.0+"])
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=6,
)


@given(_TREES)
def test_the_canonical_text_means_the_same_again(text: str) -> None:
    once = canonical_expression(text)
    if once is not None:
        assert canonical_expression(once) == once
        assert canonical_expression(once.upper()) == once


@pytest.mark.parametrize(
    "text", ["MIT OR (OR (MIT AND BSD-3-Clause", "(" * 300 + "MIT" + ")" * 300, "MIT (MIT)", "() OR MIT"]
)
def test_odd_brackets_are_no_expression_or_one(text: str) -> None:
    found = parse_expression(text)
    assert found is None or found.licenses()


def test_the_length_is_bounded() -> None:
    text = " or ".join(["mit", "isc"] * 200)
    assert len(text) < MAX_LENGTH
    assert canonical_expression(text) == "isc OR mit"
    assert parse_expression(f"{text}{' ' * MAX_LENGTH}") is None
