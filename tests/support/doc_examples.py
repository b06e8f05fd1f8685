"""Examples of README and docs, run as a reader runs them: `python -m tests.support.doc_examples FOLDER [PAGE ...]`.

A `console` block holds commands, each with the output that the page shows. `python` and `cypher` blocks hold code. The
command line above runs the pages in FOLDER and writes the true outputs into them.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import zstandard

from atlas_db.pipeline.sample import sample
from tests.support.command import Done, run
from tests.support.graphs import child, model, write_rows

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "docker" / "README.md")
LANGUAGES = ("console", "python", "cypher")
SKIP = re.compile(r"^<!-- not run: needs (the network|a server|minutes) -->$", re.M)
TERMINAL = {"TTY_COMPATIBLE": "1", "TERM": "dumb", "LINES": "1000"}
"""What makes rich lay out text as for a terminal, without its codes."""
SERVES = "atlas-db dashboard"
"""The one command that does not end: the test of the dashboard stands for it."""
SHELL = set("|<>&;$`*")
"""Characters that only a shell understands."""
_BLOCK = re.compile(r"(?:^(<!-- [^\n]* -->)\n)?^([ ]*)```(\w*)[^\n]*\n(.*?)^[ ]*```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One block of code in a page.

    Attributes:
        page: The page.
        language: Language that the fence names.
        text: Its lines.
        skipped: True where a comment before it names a reason not to run it.
    """

    page: Path
    language: str
    text: str
    skipped: bool

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield the commands of a console block, each with the output that is shown."""
        for part in re.split(r"^\$ ", self.text, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def blocks(page: Path) -> list[Block]:
    """Return all blocks of a page."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(page, language, text, bool(SKIP.fullmatch(mark))) for mark, _, language, text in found]


def prepare(folder: Path) -> None:
    """Make the files that examples name: lists, weights, a model of one's own, two snapshots."""
    for name in ("models", "datasets"):
        packed = zstandard.compress((sample() / f"{name}.jsonl").read_bytes())
        (folder / f"{name}.jsonl.zst").write_bytes(packed)
    shutil.copytree(sample() / "weights", folder / "models")
    card = folder / "my-model"
    card.mkdir()
    (card / "README.md").write_text("---\nlicense: mit\nbase_model: meta-llama/Meta-Llama-3-8B\n---\n# Mine\n")
    write_rows(folder / "june.jsonl", [model("a/b", tags=["license:mit"]), model("c/d")])
    write_rows(folder / "july.jsonl", [model("a/b", tags=["license:gpl-3.0"]), child("e/f", "a/b")])


@dataclass
class Reader:
    """Someone who types the examples of one page.

    Attributes:
        folder: Working directory; `home` in it is the home folder of the atlas.
        environ: Variables that the page exported.
    """

    folder: Path
    environ: dict[str, str] = field(
        default_factory=lambda: {"ATLAS_DB_STORE": "demo", "COLUMNS": "110", "NO_COLOR": "1"}
    )

    def environment(self) -> dict[str, str]:
        """Return the environment of a process."""
        paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        home = {"ATLAS_DB_HOME": str(self.folder / "home"), "ATLAS_DB_HEAP": "1g"}
        return {**os.environ, "PATH": paths, **home, **self.environ}

    def type(self, command: str, shown: str = "", stdin: str = "") -> Done:
        """Run one command: in this process where no shell is needed.

        Raises:
            AssertionError: It failed.
        """
        if match := re.fullmatch(r"export (\w+)=(\S+)", command):
            self.environ[match[1]] = match[2]
            return subprocess.CompletedProcess(command, 0, "", "")
        if match := re.fullmatch(r"cat (\S+)", command):
            file = self.folder / match[1]
            if not file.exists():
                file.write_text(shown)
        if command.startswith("atlas-db ") and not SHELL & set(command):
            with contextlib.chdir(self.folder):
                words = shlex.split(command, comments=True)[1:]
                return run(self.folder / "home", *words, stdin=stdin, **TERMINAL, **self.environ)
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment(), capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-2000:])
        return done

    def execute(self, block: Block) -> None:
        """Run a block of Python or Cypher."""
        if block.language == "cypher":
            self.type("atlas-db query -", stdin=block.text)
            return
        with contextlib.chdir(self.folder), patch.dict(os.environ, self.environment()):
            exec(compile(block.text, str(block.page), "exec"), {"__name__": "example"})

    def read(self, page: Path) -> Iterator[tuple[str, str, str]]:
        """Run the examples of a page; yield each command with the output shown and the true one."""
        code = [block for block in blocks(page) if block.language == "python" and not block.skipped]
        for block in blocks(page):
            if block.skipped or block.language not in ("console", "cypher"):
                continue
            if block.language == "cypher":
                self.execute(block)
                continue
            for command, shown in block.commands():
                if command != SERVES:
                    yield command, shown, self.type(command, shown).stdout
        if code:
            self.execute(Block(page, "python", "\n".join(block.text for block in code), skipped=False))


def trimmed(text: str) -> str:
    """Return text without spaces at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def as_shown(shown: str, printed: str) -> bool:
    """Return whether a page shows what was printed; `...` stands for anything."""
    return not shown or doctest.OutputChecker().check_output(trimmed(shown), trimmed(printed), doctest.ELLIPSIS)


def record(page: Path, folder: Path) -> None:
    """Run a page, and write the outputs that differ from the shown ones into it."""
    text = page.read_text(encoding="utf-8")
    for command, shown, printed in Reader(folder).read(page):
        if shown and "..." not in shown and not as_shown(shown, printed):
            text = text.replace(f"$ {command}\n{shown}", f"$ {command}\n{trimmed(printed)}")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[2:] or [str(page) for page in PAGES]:
        record(Path(name).resolve(), Path(sys.argv[1]).resolve())
