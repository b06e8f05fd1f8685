"""The gate: each repository upstream is decided on, the strictest decision counts, and silence allows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.compliance.gate import Decision, GateAnswer, decide, read_policy
from atlas_db.core.errors import PolicyError, UsageError
from tests.support.graphs import child, model
from tests.support.kept import kept_store
from tests.support.license_hub import META, POLICY, ROWS
from tests.support.malformed import MALFORMED_TOML

RULES = f"""{POLICY}[[rule]]
decision = "deny"
reason = "broken terms"
verdicts = ["violation"]
[[rule]]
decision = "allow"
reason = "our own"
repositories = ["ours/*"]
"""


def _answer(tmp_path: Path, name: str, policy: str = RULES, rows: list = ROWS) -> GateAnswer:
    (tmp_path / "policy.toml").write_text(policy)
    (found,) = decide(kept_store(rows), read_policy(tmp_path / "policy.toml"), [name])
    return found


@pytest.mark.parametrize(
    ("name", "decision"),
    [("p/mit", "allow"), ("p/nc", "deny"), ("m/below", "deny"), (META, "ask"), ("b/Llama-3-leaf", "deny"),
     ("p/none", "ask"), ("not/there", "ask"), ("d/trained", "deny")],
)  # fmt: skip
def test_the_strictest_decision_upstream_counts(tmp_path: Path, name: str, decision: str) -> None:
    found = _answer(tmp_path, name)
    assert found.decision == decision, found.reasons
    assert found.decision == max(found.reasons, key=lambda each: list(Decision).index(each.decision)).decision


def test_training_data_count_only_where_the_policy_says_so(tmp_path: Path) -> None:
    assert _answer(tmp_path, "d/trained", "training_data = false\n" + RULES).decision is Decision.ALLOW


def test_a_choice_of_licences_takes_the_mildest_and_a_sum_the_strictest(tmp_path: Path) -> None:
    rows = [
        model("a/choice", tags=["license:mit or cc-by-nc-4.0"]),
        model("a/both", tags=["license:mit and cc-by-nc-4.0"]),
    ]
    assert _answer(tmp_path, "a/choice", rows=rows).decision is Decision.ALLOW
    assert _answer(tmp_path, "a/both", rows=rows).decision is Decision.DENY


def test_a_parent_that_is_not_known_is_decided_on(tmp_path: Path) -> None:
    rows = [child("ours/leaf", "finetune:tern", "finetune:gone/base", tags=["license:mit"])]
    found = _answer(tmp_path, "ours/leaf", rows=rows)
    assert found.decision is Decision.REFER
    asked = {each.repository for each in found.reasons if each.decision is Decision.REFER}
    assert asked == {"tern", "gone/base"}
    for state, denied in (("not_in_atlas", "gone/base"), ("unresolved", "tern")):
        rules = f'{RULES}[[rule]]\ndecision = "deny"\nreason = "unseen"\nstates = ["{state}"]\n'
        found = _answer(tmp_path, "ours/leaf", rules, rows)
        assert {each.repository for each in found.reasons if each.decision is Decision.DENY} == {denied}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("default = 'maybe'", "is no policy"), ("[[rule]]\ndecision = 'deny'\nreason = 'all of it'", "fits everything"),
     ("[[rule]]\ndecision = 'deny'\nreason = 'odd'\nlicenses = ['made-up-9']", "unknown licence 'made-up-9'"),
     ("[[rule]]\ndecision = 'deny'\nreason = 'odd'\nlicence = ['mit']", "is no policy"), ("[", "is no policy")],
)  # fmt: skip
def test_a_malformed_policy_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        _answer(tmp_path, "p/mit", text)
    with pytest.raises(UsageError, match="no profile"):
        _answer(tmp_path, "p/mit", "profile = 'harsh'")


@pytest.mark.parametrize("body", MALFORMED_TOML.values(), ids=MALFORMED_TOML)
def test_a_file_that_is_no_policy_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "p.toml").write_bytes(body)
    with pytest.raises(PolicyError, match="p.toml is no policy"):
        read_policy(tmp_path / "p.toml")
