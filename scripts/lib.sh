# Sourced by the other scripts. Works with bash 3.2, which macOS still ships.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

CARGO_LEPTOS_VERSION=0.3.9
# The WASM file and the tool that makes its JavaScript must be of one version: Cargo.lock decides.
WASM_BINDGEN_VERSION=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' Cargo.lock)
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
# cargo-leptos builds in here; the tests use a place of their own beside the one that `make run` serves from.
TEST_SITE=$TARGET/site-test
# The front end as it goes to production: the pages of the console are parts that are loaded when they are opened.
FRONT_END="--release --precompress --split --lib-features hydrate,split"

export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$ROOT/end2end/node_modules/.bin:$TARGET/binaryen/node_modules/.bin:$PATH"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  BOLD=$'\033[1m' DIM=$'\033[2m' GREEN=$'\033[32m' RED=$'\033[31m' PLAIN=$'\033[0m'
else
  BOLD='' DIM='' GREEN='' RED='' PLAIN=''
fi

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\n' "$*"; }

die() {
  printf '%s%s%s\n' "$RED" "$*" "$PLAIN" >&2
  exit 1
}
