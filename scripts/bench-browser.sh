#!/usr/bin/env bash
# Pixygate beside what it replaces, in one browser: end2end/bench. Prints the table of docs/performance.md.
#
#   scripts/bench-browser.sh [--runs 9] [--network slow,fast] [--only pixygate,react-oidc-context] [--json FILE]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

scripts/setup.sh test
if ! cmp -s end2end/bench/package-lock.json end2end/bench/node_modules/.installed; then
  npm ci --prefix end2end/bench --no-audit --no-fund --loglevel=error
  cp end2end/bench/package-lock.json end2end/bench/node_modules/.installed
fi
# shellcheck disable=SC2086
LEPTOS_SITE_ROOT=$TEST_SITE cargo leptos build --frontend-only $FRONT_END
# The embedded provider is not used; with it the build is the one that `make run` has.
cargo build --release -p server
PIXYGATE_SITE=$TEST_SITE PIXYGATE_BINARY=$TARGET/release/pixygate node end2end/bench/run.mjs "$@"
