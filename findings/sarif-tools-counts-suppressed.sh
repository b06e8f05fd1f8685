#!/usr/bin/env bash
# sarif-tools 3.0.5: a result with an accepted suppression (SARIF 2.1.0, 3.27.23 and 3.35) counts as any other. `sarif
# summary` has no mark for it, and `sarif --check error` fails the build that the suppression was to let pass.
# Installs one pinned package into a temporary folder. Exits 0 while this is so, 1 once it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sarif-tools==3.0.5
cat > "$folder/log.sarif" <<'SARIF'
{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "example"}}, "results": [
  {"ruleId": "rule", "level": "error", "message": {"text": "found"},
   "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a.md"}, "region": {"startLine": 1}}}],
   "suppressions": [{"kind": "external", "status": "accepted", "justification": "reviewed"}]}]}]}
SARIF
"$folder/venv/bin/sarif" --version
code=0
"$folder/venv/bin/sarif" --check error summary "$folder/log.sarif" || code=$?
echo "exit code $code"
"$folder/venv/bin/sarif" summary "$folder/log.sarif" | grep -qi suppress && exit 1
[ "$code" -ne 0 ]
