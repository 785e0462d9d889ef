#!/usr/bin/env bash
# What `make bench-gateway` runs: server/examples/through.rs beside a release build of the server. It needs nginx and haproxy
# (Debian: apt-get install nginx haproxy) and a machine that does nothing else.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

for program in nginx haproxy; do
  have "$program" || [ -x "/usr/sbin/$program" ] || die "$program is missing (Debian: apt-get install $program)."
done
# shellcheck disable=SC2086
[ -d "$TARGET/site/pkg" ] || LEPTOS_SITE_ROOT=$TARGET/site cargo leptos build --frontend-only $FRONT_END
cargo build --release -p server --bin pixygate --example through
ulimit -n 30000 2>/dev/null || true
PATH=$PATH:/usr/sbin PIXYGATE_SITE=$TARGET/site exec "$TARGET/release/examples/through"
