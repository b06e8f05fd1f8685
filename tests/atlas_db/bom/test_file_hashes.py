"""Files with sizes and digests: those of sha256sum, links followed, hidden ones left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.bom.file_hashes import hash_files
from atlas_db.licenses.card_model import read_card_model
from tests.support.kept import kept_store
from tests.support.license_hub import ROWS


@pytest.mark.slow
def test_digests_are_those_of_another_tool(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "deep" / ".cache").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: p/mit\n---\n")
    (folder / "deep" / "part.bin").write_bytes(bytes(3 * 2**20))
    (folder / "deep" / ".cache" / "secret").write_text("x")
    (tmp_path / "blob").write_bytes(b"blob")
    (folder / "model.safetensors").symlink_to(tmp_path / "blob")
    (folder / "gone").symlink_to(tmp_path / "none")
    found = hash_files(folder)
    assert [(each.name, each.size) for each in found] == [
        ("README.md", 39), ("deep/part.bin", 3 * 2**20), ("model.safetensors", 4),
    ]  # fmt: skip
    lines = "".join(f"{each.sha256}  {each.name}\n" for each in found)
    subprocess.run(["sha256sum", "--check"], input=lines, text=True, cwd=folder, check=True, capture_output=True)
    assert [each.name for each in hash_files(folder / "deep" / "part.bin")] == ["part.bin"]
    card = read_card_model(folder)
    component = write_bom(collect_contents(kept_store(ROWS), card.id, folder=card))["metadata"]["component"]
    hashes = {each["name"]: each["hashes"][0]["content"] for each in component["components"]}
    assert hashes == {each.name: each.sha256 for each in found}
    # A card alone says nothing of the files next to it.
    alone = read_card_model(folder / "README.md")
    assert (
        "components"
        not in write_bom(collect_contents(kept_store(ROWS), alone.id, folder=alone))["metadata"]["component"]
    )
