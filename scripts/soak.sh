#!/usr/bin/env bash
# What `make soak` runs: server/examples/soak.rs beside a release build of the server.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2086
[ -d "$TARGET/site/pkg" ] || LEPTOS_SITE_ROOT=$TARGET/site cargo leptos build --frontend-only $FRONT_END
cargo build --release -p server --bin pixygate --example soak
ulimit -n 20000
PIXYGATE_SITE=$TARGET/site exec "$TARGET/release/examples/soak"
