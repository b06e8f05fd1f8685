#!/usr/bin/env bash
# huggingface_hub 2.4.0: dataclasses.asdict(ModelInfo) and asdict(DatasetInfo) return an empty card_data, without an
# error. CardData is a dataclass without declared fields, so asdict finds none of what it holds.
# card_data.to_dict(), str(card_data) and `hf models info --json` keep all of it.
# Installs one pinned package into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check huggingface_hub==2.4.0
"$folder/venv/bin/python" - <<'PYTHON'
import dataclasses

import huggingface_hub
from huggingface_hub.hf_api import DatasetInfo, ModelInfo

print("huggingface_hub", huggingface_hub.__version__)
seen = []
for kind, card in ((ModelInfo, {"license": "mit", "base_model": "a/b"}), (DatasetInfo, {"license": "mit"})):
    info = kind(id="own/name", cardData=card)
    lost = dataclasses.asdict(info)["card_data"]
    kept = info.card_data.to_dict()
    print(f"{kind.__name__}: asdict {lost}, to_dict {kept}, str {str(info.card_data)!r}")
    seen.append(lost == {} and kept == card)
raise SystemExit(0 if all(seen) else 1)
PYTHON
