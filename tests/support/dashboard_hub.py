"""The hub that the dashboard shows."""

from __future__ import annotations

from tests.support.graphs import child, model
from tests.support.hubs import made_up

ROWS = [
    *made_up(150),
    *(child(f"f/fan-{n}", "quantized:org0/base0-7b", tags=["license:mit"], downloads=n) for n in range(60)),
    child("m/merge", "merge:org0/base0-7b", "merge:org2/base2-7b", tags=["license:mit"]),
]

META = "meta-llama/Llama-3.1-8B"
HOSTILE = "evil/<img src=x onerror=alert(1)>"
FORMULA = "=g/sum"
"""An id that a spreadsheet would take for a formula; the audit finds fault with it."""
SITE_ROWS = [
    *made_up(260),
    model(META, tags=["en", "license:llama3.1"], pipeline_tag="text-generation", downloads=9000),
    child("c/laundered", f"finetune:{META}", tags=["license:apache-2.0", "dataset:squad"], downloads=800),
    child("c/leaf", "quantized:c/laundered", tags=["license:mit"], downloads=700),
    *(child(f"q/quant-{n}", f"quantized:{META}", tags=["license:llama3.1"], downloads=n) for n in range(30)),
    child("g/guessed", f"finetune:{META}"),
    model("g/share-alike", tags=["license:gpl-3.0"]),
    child(FORMULA, "finetune:g/share-alike", tags=["license:mit"]),
    child("h/hostile", f"finetune:{HOSTILE}", tags=["license:mit"]),
]
