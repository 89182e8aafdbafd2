#!/bin/sh
# Fuzzes the firmware bridge's C library with libFuzzer and sanitizers: tools/bridge_fuzz.sh [SECONDS], 600 if not said.
set -eu
cd "$(dirname "$0")/.."
folder=${TMPDIR:-/tmp}/edgekit-bridge-fuzz
echo "bridge_fuzz: inputs are kept in $folder/corpus, and what breaks it in $folder" >&2
exec make -C firmware_bridge/c fuzz OUT="$folder" SECONDS="${1:-600}"
