#!/bin/sh
# Makes .cache/flower, an environment with edgekit and Flower. Not .venv: Flower 1.42 asks for older
# packaging, protobuf, rich and typer than edgekit is tested with. PYTHON=... names the interpreter;
# by default that of .venv.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
folder=.cache/flower
wanted=$(cat pyproject.toml tools/constraints.txt "$0" | cksum)
[ "$(cat $folder/as-asked 2>/dev/null || true)" = "$wanted" ] && exit 0

echo "flower: installing Flower in $folder (about 900 MB with edgekit)" >&2
rm -rf "$folder"
mkdir -p "$folder"
"$python" -m venv "$folder"
grep -vE "^(packaging|protobuf|rich|typer)==" tools/constraints.txt > $folder/constraints.txt
$folder/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint $folder/constraints.txt --editable '.[workstation,federated]' 'flwr==1.42.0' \
    hypothesis psutil pytest pytest-timeout
echo "$wanted" > "$folder/as-asked"
