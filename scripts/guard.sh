#!/usr/bin/env bash
# axum and tokio must not reach the browser, and what signs in the embedded provider must not be what verifies in the library. Each
# half also shows that it would see them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

server_crates() {
  cargo tree -p app --no-default-features -e normal --prefix none "$@" | awk '{ print $1 }' | sort -u | grep -xE 'axum|tokio|hyper|leptos_axum' || true
}

found=$(server_crates --target wasm32-unknown-unknown --features hydrate)
[ -z "$found" ] || die "In the WASM build: $(echo $found). cargo tree -p app --target wasm32-unknown-unknown --no-default-features --features hydrate -e normal -i $(echo "$found" | head -1) says how they got there."

seen=$(server_crates --features ssr)
for crate in axum tokio; do
  echo "$seen" | grep -qx "$crate" || die "The guard is blind: it does not find $crate in the server's half of the app."
done
crates() { cargo tree -e normal --prefix none "$@" | awk '{ print $1 }' | sort -u | grep -xE 'pixygate|aws-lc-rs' || true; }

shared=$(crates -p dev-idp)
[ -z "$shared" ] || die "The embedded provider shares with the library: $(echo $shared)."
[ -n "$(crates -p pixygate --features axum)" ] || die "The guard is blind: it does not find aws-lc-rs in the library."
say "dev-idp has neither pixygate nor aws-lc-rs"

say "hydrate has none of axum, tokio, hyper; ssr has: $(echo $seen)"
