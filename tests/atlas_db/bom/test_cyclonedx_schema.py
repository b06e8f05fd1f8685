"""The schema refuses what the strict validator of the CycloneDX library refuses, and takes what it takes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from atlas_db.bom.cyclonedx_schema import schema_problem

BILL: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.7",
    "version": 1,
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "metadata": {
        "timestamp": "2026-11-30T07:00:00+00:00",
        "component": {"type": "machine-learning-model", "name": "m"},
    },
    "components": [
        {
            "type": "data",
            "name": "d",
            "bom-ref": "d",
            "licenses": [{"license": {"id": "MIT"}}],
            "hashes": [{"alg": "SHA-256", "content": "0" * 64}],
            "externalReferences": [{"type": "website", "url": "https://example.org/Ünicode/a%20b"}],
        }
    ],
}


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(bill: dict[str, Any]) -> None:
        *places, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        at: Any = bill
        for place in places:
            at = at[place]
        at[last] = value

    return change


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "nothing": (lambda bill: None, ""),
    "an older version": (_set("specVersion", "1.6"), ""),
    "an address with a blank": (_set("components/0/externalReferences/0/url", "http://a b"), "externalReferences"),
    "a kind of its own": (_set("components/0/type", "model"), "components/0/type"),
    "a licence that is none": (_set("components/0/licenses/0/license/id", "NO"), "components/0/licenses"),
    "a short hash": (_set("components/0/hashes/0/content", "00"), "components/0/hashes/0/content"),
    "a key of its own": (_set("components/0/owner", "x"), "components/0"),
    "no date": (_set("metadata/timestamp", "yesterday"), "metadata/timestamp"),
    "a number for a name": (_set("metadata/component/name", 1), "metadata/component/name"),
    "another format": (_set("bomFormat", "SPDX"), "bomFormat"),
}


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["1.7", "1.6"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_invalid_is_named_with_its_place(name: str, spec: str) -> None:
    # Its import compiles forty grammars of addresses: 3 s that each worker would pay.
    from cyclonedx.validation.json import JsonStrictValidator

    change, place = CHANGES[name]
    bill = copy.deepcopy(BILL)
    change(bill)
    problem = schema_problem(bill, spec)
    other = JsonStrictValidator(SchemaVersion.from_version(spec)).validate_str(json.dumps(bill))
    assert (problem is None) == (other is None) == (not place)
    assert problem is None or place in problem
