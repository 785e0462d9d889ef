#!/usr/bin/env bash
# What `make soak` runs: server/examples/soak.rs beside a release build of the server.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -d "$TARGET/site/pkg" ] || LEPTOS_SITE_ROOT=$TARGET/site cargo leptos build --release --frontend-only --precompress
cargo build --release -p server --bin pixygate --example soak
ulimit -n 20000
PIXYGATE_SITE=$TARGET/site exec "$TARGET/release/examples/soak"
