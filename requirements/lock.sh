#!/bin/sh
# Rebuild every lock: the union first, then each layer inside it, so that layers never disagree. Known versions stay as they
# are; `UPGRADE=1 make lock` takes the newest. One version of each package serves every Python (--fork-strategy fewest).
set -eu
cd "$(dirname "$0")"
layers="runtime learn train dev tools"
union=$(mktemp)
trap 'rm -f "$union"' EXIT
compile="uv pip compile -q --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header --no-annotate"
[ -n "${UPGRADE:-}" ] || cat ./*.txt >"$union"  # what a lock holds already is preferred
$compile runtime.in learn.in train.in dev.in tools.in -o "$union"
for layer in $layers; do $compile "$layer.in" -c "$union" -o "$layer.txt"; done
if grep -nE 'https?://|^--' ./*.txt; then
    echo "a lock names a host: see the lines above" >&2
    exit 1
fi
