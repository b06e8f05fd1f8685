# Sourced by findings, with pinned packages as arguments: installs them into `$folder/venv`, by uv where it is at hand.
# The temporary folder goes when the script ends.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if command -v uv > /dev/null; then
  uv venv --quiet "$folder/venv"
  uv pip install --quiet --python "$folder/venv/bin/python" "$@"
else
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
fi
