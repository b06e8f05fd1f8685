"""A dashboard that runs."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_for


@dataclass
class Site:
    """A dashboard that is running."""

    home: Path
    url: str

    def get(self, path: str, host: str = "") -> tuple[int, Any, str]:
        request = urllib.request.Request(self.url + path, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def json(self, path: str) -> Any:
        status, _, text = self.get(path + ("&" if "?" in path else "?") + "format=json")
        assert status == 200, text
        return json.loads(text)


def await_site(process: subprocess.Popen[str], home: Path) -> Site:
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.match(r"(http://127\.0\.0\.1:\d+)/", line)
    assert match, line
    found = Site(home, match[1])
    assert found.get("/")[0] == 200, "what was announced is ready"
    # What was counted by the load is shown until the audit is counted, too.
    wait_for(lambda: found.json("/audit")["run"] is not None, 120)
    return found
