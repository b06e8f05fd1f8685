#!/usr/bin/env bash
# lightgbm 4.7.0: where a feature is often exactly zero, trees cut at -1.0000000180025095e-35 and at +1.0000000180025095e-35
# instead of between two values that occur. `dump_model` hands on these numbers, and marks nothing. Whoever keeps a
# dumped tree with thresholds rounded to decimals gets a cut at zero itself. The cut below zero then sends all
# zeros to the other child. Rounded to nine significant digits, the same trees predict as fitted.
# Installs pinned packages into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check lightgbm==4.7.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import lightgbm
import numpy as np

print("lightgbm", lightgbm.__version__)
rng = np.random.default_rng(1)
rows = rng.choice([-1.0, 0.0, 1.0], (2000, 3))
told = ((rows[:, 0] == 0) ^ (rows[:, 1] > 0)).astype(float)
model = lightgbm.train({"objective": "binary", "num_leaves": 8, "verbose": -1}, lightgbm.Dataset(rows, told), 30)
trees = [each["tree_structure"] for each in model.dump_model()["tree_info"]]


def thresholds(node):
    if "threshold" not in node:
        return set()
    return {node["threshold"]} | thresholds(node["left_child"]) | thresholds(node["right_child"])


def predicted(rounded):
    def walk(node, row):
        while "threshold" in node:
            left = row[node["split_feature"]] <= rounded(node["threshold"])
            node = node["left_child" if left else "right_child"]
        return node["leaf_value"]

    return np.array([sum(walk(tree, row) for tree in trees) for row in rows[:300]])


cuts = sorted(set().union(*map(thresholds, trees)))
print("thresholds", cuts)
truth = model.predict(rows[:300], raw_score=True)
off = {
    "as dumped": np.abs(predicted(lambda cut: cut) - truth).max(),
    "five decimals": np.abs(predicted(lambda cut: round(cut, 5)) - truth).max(),
    "nine digits": np.abs(predicted(lambda cut: float(f"{cut:.9g}")) - truth).max(),
}
print({name: round(float(each), 6) for name, each in off.items()})
assert {each for each in cuts if 0 < abs(each) < 1e-30}, "no cut beside zero"
assert off["as dumped"] < 1e-9 and off["nine digits"] < 1e-9
assert off["five decimals"] > 1
PYTHON
