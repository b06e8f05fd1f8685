"""Repositories in the Hub's cache, laid out as huggingface_hub lays them out."""

from __future__ import annotations

from pathlib import Path


def write_cached(
    hub: Path, folder: str, files: dict[str, bytes], *, revision: str = "0a1b", main: str | None = None
) -> Path:
    """Write one snapshot, its files as links into `blobs`; return its folder."""
    from huggingface_hub import constants

    assert folder.split(constants.REPO_ID_SEPARATOR)[0] in constants.REPO_TYPES_MAPPING
    root = hub / folder
    (root / "blobs").mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        blob = root / "blobs" / f"{abs(hash((revision, name))):x}"
        blob.write_bytes(body)
        link = root / "snapshots" / revision / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    if main is not None:
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / "main").write_text(main)
    return root / "snapshots" / revision
