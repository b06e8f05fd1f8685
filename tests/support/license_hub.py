"""A hub of license conflicts, with the verdict of each model and the findings of each pair."""

from __future__ import annotations

from tests.support.graphs import child, model

META = "meta-llama/Meta-Llama-3-8B"


ROWS = [
    model(META, tags=["license:llama3"], downloads=900_000),
    child("a/Llama-3-mid", f"finetune:{META}", tags=["license:apache-2.0"]),
    child("b/Llama-3-leaf", "finetune:a/Llama-3-mid", tags=["license:apache-2.0"]),
    child("b/Llama-3-kept-GGUF", f"quantized:{META}", tags=["license:llama3"]),
    child("b/Tuned", f"finetune:{META}", tags=["license:llama3"]),
    child("b/silent", f"finetune:{META}"),
    model("p/nc", tags=["license:cc-by-nc-4.0"]), model("p/mit", tags=["license:mit"]), model("p/none"),
    child("m/merge", "merge:p/nc", "merge:p/mit", tags=["license:apache-2.0"]),
    child("m/below", "quantized:m/merge", tags=["license:mit"]),
    child("l/lora", "adapter:p/nc", tags=["license:mit"]),
    child("n/fine", "finetune:p/mit", tags=["license:cc-by-nc-4.0"]),
    child("n/quiet", "finetune:p/mit"),
    child("u/unclear", "finetune:p/none", tags=["license:mit"]),
    child("u/two", "finetune:p/nc", tags=["license:mit", "license:cc-by-nc-4.0"]),
    model("d/trained", tags=["license:mit", "dataset:data/nc"]),
    child("d/below", "finetune:d/trained", tags=["license:mit"]),
    {"id": "data/nc", "tags": ["license:cc-by-nc-4.0"], "citation": "", "description": "", "author": "data"},
    child("o/one", "finetune:o/two", tags=["license:mit"], createdAt="2024-02-01T00:00:00.000Z"),
    child("o/two", "finetune:o/one", tags=["license:mit"], createdAt="2024-02-02T00:00:00.000Z"),
]  # fmt: skip


VERDICTS = {
    META: "compliant", "a/Llama-3-mid": "violation", "b/Llama-3-leaf": "violation",
    "b/Llama-3-kept-GGUF": "compliant_with_obligations", "b/Tuned": "needs_review", "b/silent": "needs_review",
    "p/nc": "compliant", "p/mit": "compliant", "p/none": "unknown", "m/merge": "violation", "m/below": "violation",
    "l/lora": "needs_review", "n/fine": "compliant_with_obligations", "n/quiet": "needs_review",
    "u/unclear": "unknown", "u/two": "compliant_with_obligations", "d/trained": "needs_review",
    "d/below": "needs_review", "o/one": "compliant_with_obligations", "o/two": "compliant",
}  # fmt: skip


EDGES = {
    ("a/Llama-3-mid", META, "llama3-lost", "violation"), ("b/Llama-3-leaf", META, "llama3-lost", "violation"),
    ("b/Tuned", META, "name-llama3", "needs_review"), ("b/silent", META, "undeclared-child", "needs_review"),
    ("b/silent", META, "name-llama3", "needs_review"), ("m/merge", "p/nc", "non-commercial-lost", "violation"),
    ("m/below", "p/nc", "non-commercial-lost", "violation"), ("l/lora", "p/nc", "non-commercial-lost", "needs_review"),
    ("n/quiet", "p/mit", "permissive-undeclared", "needs_review"),
    ("d/trained", "data/nc", "non-commercial-lost", "needs_review"),
    ("d/below", "data/nc", "non-commercial-lost", "needs_review"),
}  # fmt: skip

POLICY = """
[[rule]]
decision = "allow"
reason = "permissive"
families = ["permissive"]
[[rule]]
decision = "deny"
reason = "we sell"
families = ["non_commercial"]
"""
"""A policy: permissive licences are allowed, and none of those that forbid to sell."""
