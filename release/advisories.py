"""Looks up known vulnerabilities of all locked packages: `python -m release.advisories`.

By pip-audit, which queries the OSV service. Exit code 0: all packages were looked up, and none has any. 1: one has. 3:
no service answers, so that nothing is known. Try again where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from release.locked_packages import PRODUCT, locked_packages

PIP_AUDIT = "pip-audit==2.10.1"
"""Run apart from the product: it needs an older CycloneDX library."""
FOUND, NOT_KNOWN = 1, 3


def look_up(service: str = "") -> list[dict[str, Any]] | None:
    """Return what pip-audit knows of each package, None where no service answers.

    Args:
        service: Address of an OSV service; the public one by default.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "locked.txt")
        packages = [each for each in locked_packages().values() if each.name != PRODUCT]
        listed.write_text("".join(f"{each.name}=={each.version}\n" for each in packages), encoding="utf-8")
        words = [os.environ.get("UV", "uv"), "tool", "run", PIP_AUDIT, "--requirement", str(listed), "--no-deps"]
        words += ["--disable-pip", "--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"]
        done = subprocess.run([*words, *(["--osv-url", service] if service else [])], capture_output=True, check=False)
    try:
        known: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    # A package that was skipped is one that the service could not be asked for; pip-audit alone calls that clean.
    return None if any("skip_reason" in each for each in known) or len(known) < len(packages) else known


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is known, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m release.advisories", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--service", default="", help="address of an OSV service")
    known = look_up(parser.parse_args(arguments).service)
    if known is None:
        print("No service for vulnerabilities answers: nothing is known. Run this again where api.osv.dev is reached.")
        return NOT_KNOWN
    hit = [each for each in known if each["vulns"]]
    for each in hit:
        for advisory in each["vulns"]:
            fixed = ", ".join(advisory["fix_versions"]) or "no version"
            print(f"{each['name']} {each['version']}: {advisory['id']}, fixed in {fixed}")
    print(f"{len(known)} packages looked up, {len(hit)} with known vulnerabilities")
    return FOUND if hit else 0


if __name__ == "__main__":
    sys.exit(main())
