#!/usr/bin/env bash
# Everything that must hold. Each step is one line; a failing step does not stop the others.
#
#   scripts/test.sh                     all of it
#   scripts/test.sh --only 'clippy|end' only the steps whose name matches
set -euo pipefail
. "$(dirname "$0")/lib.sh"

ONLY=.
if [ "${1:-}" = --only ]; then ONLY=$2; fi

scripts/setup.sh test
. scripts/steps.sh
rm -rf "$LOGS" && mkdir -p "$LOGS"

export CARGO_TERM_COLOR=never FORCE_COLOR=0
CHROMEDRIVER=$(node end2end/browser.mjs --driver)
export CHROMEDRIVER

WASM=wasm32-unknown-unknown
# One selection of packages and features for building, testing and documentation, so that each crate is built once.
NATIVE="-p pixygate -p app -p server -p dev-idp --features app/ssr,pixygate/mock,pixygate/test-support"

clippy() { cargo clippy --all-targets "$@" -- -D warnings; }

lock_file() { cargo metadata --locked --format-version 1 --manifest-path "$1/Cargo.toml" >"$TARGET/metadata.json"; }

compile_apart() {
  local folder=$1
  shift
  CARGO_TARGET_DIR=$TARGET cargo check --quiet --locked --manifest-path "$folder/Cargo.toml" "$@"
}

native_tests() {
  if have cargo-nextest; then
    # A test that passes on its second try is named at the end: it hides a race, and it does not hide the other results.
    # shellcheck disable=SC2086
    cargo nextest run --no-fail-fast --no-tests=warn ${CI:+--retries 1} $NATIVE
  else
    # shellcheck disable=SC2086
    cargo test --no-fail-fast --lib --bins --tests $NATIVE
  fi
}

valkey_tests() { cargo test -p server --features valkey --lib --test it -- replay:: store::proofs; }

wasm_tests() {
  node scripts/webdriver.mjs "$TARGET/webdriver.json"
  WASM_BINDGEN_TEST_WEBDRIVER_JSON=$TARGET/webdriver.json WASM_BINDGEN_TEST_TIMEOUT=120 \
    cargo test --no-fail-fast --target "$WASM" -p pixygate --features mock,profiles --lib --tests -- --nocapture
}

front_end() {
  # shellcheck disable=SC2086
  LEPTOS_SITE_ROOT=$TEST_SITE cargo leptos build --frontend-only $FRONT_END
}

server() { cargo build -p server; }

size_budget() { PIXYGATE_SITE=$TEST_SITE PIXYGATE_BINARY=$TARGET/debug/pixygate node end2end/budget.mjs; }

e2e() {
  (cd end2end && PIXYGATE_SITE=$TEST_SITE PIXYGATE_BINARY=$TARGET/debug/pixygate npx playwright test "$@")
}

profiles() { PIXYGATE_PROFILES=all e2e profiles.spec.ts; }

interop() {
  (cd end2end && PIXYGATE_SITE=$TEST_SITE PIXYGATE_BINARY=$TARGET/debug/pixygate npx playwright test -c playwright.interop.ts "$@")
}

# The example as cargo-leptos would build it, with the dependencies that are compiled already.
leptos_example() {
  local package="--locked --manifest-path examples/leptos/Cargo.toml" site=$TARGET/site-example
  # With the profile of this workspace, or every dependency would be compiled once more.
  export CARGO_TARGET_DIR=$TARGET CARGO_PROFILE_DEV_DEBUG=line-tables-only
  # shellcheck disable=SC2086
  cargo build $package --lib --features hydrate --target "$WASM" &&
    wasm-bindgen --target web --no-typescript --out-dir "$site/pkg" --out-name shop "$TARGET/$WASM/debug/shop.wasm" &&
    mv "$site/pkg/shop_bg.wasm" "$site/pkg/shop.wasm" &&
    cargo build $package --features ssr &&
    cargo build -p dev-idp &&
    node end2end/example.mjs "$TARGET/debug/shop" "$site" "$TARGET/debug/dev-idp"
}

clients() { server/dev-idp/clients/run; }
python_client() { server/dev-idp/clients/run --python; }

# The optimizer uses one processor for minutes; the steps before it use the other.
beside 'build: front end' front_end

step check 'format' cargo fmt --all --check
step check 'format: end-to-end tests type-check' npm --prefix end2end run check

# Without their tests: those have every feature below.
step check 'clippy: library without features' cargo clippy -p pixygate -- -D warnings
for feature in browser leptos mock jwt axum profiles test-support; do
  step check "clippy: library, $feature" cargo clippy -p pixygate --features "$feature" -- -D warnings
done
step check 'clippy: library, all features' clippy -p pixygate --all-features
step check 'clippy: library in the browser' clippy -p pixygate --features leptos --target "$WASM"
step check 'clippy: library in the browser, mock' clippy -p pixygate --features mock,profiles --target "$WASM"
step check 'clippy: app, ssr' clippy -p app --features ssr
step check "clippy: app, hydrate" cargo clippy -p app --features hydrate --target "$WASM" -- -D warnings
step check "clippy: app, hydrate in parts" cargo clippy -p app --features hydrate,split --target "$WASM" -- -D warnings
step check 'clippy: server' clippy -p server
step check 'clippy: server without the embedded provider' clippy -p server --no-default-features
step check 'clippy: dev-idp' clippy -p dev-idp
# Not in the workspace, so that what they depend on stays out of its lock file. Compiling them takes minutes and is asked for by name.
step check 'lock file: fuzz targets' lock_file fuzz
step check 'lock file: the gate beside others' lock_file benches/compare
if [ "$ONLY" != . ]; then
  step check 'compile: fuzz targets' compile_apart fuzz --features config
  step check 'compile: the gate beside others' compile_apart benches/compare --benches
  # What talks to the system's keyring is more than the rest of the command line.
  step check "clippy: server with the system's keyring" clippy -p server --features keyring
  step check 'clippy: server with Valkey' clippy -p server --features valkey
  step cargo 'tests: DPoP proofs in Valkey' valkey_tests
fi

step check 'deploy: files are understood by what reads them' deploy/check.sh
step check 'guard: no axum and no tokio in the browser' scripts/guard.sh

step "$(have cargo-nextest && echo nextest || echo cargo)" 'tests: unit and integration' native_tests
# shellcheck disable=SC2086
step cargo 'tests: documentation' cargo test --doc --no-fail-fast $NATIVE
step cargo 'tests: server without the embedded provider' cargo test -p server --no-default-features --test without_embedded
SHOW='/^access_token()/p' step cargo 'tests: WASM in a headless browser' wasm_tests

step check 'build: front end' await_beside
step check 'build: server' server
SHOW='/^until/,$p' step check 'size budget' size_budget
step node 'tests: independent clients of the provider' clients
if python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
  step check 'tests: a client of the provider in Python' python_client
else
  say "skipped: a client of the provider in Python, which is not here"
fi
step lines 'end to end' e2e
SHOW='/^skipped:/p;/is left out/p' step lines 'interop: providers that are not ours' interop
if [ "$ONLY" != . ]; then
  # Its features differ, so most dependencies are compiled once more.
  step check 'example: a Leptos application' leptos_example
  step lines 'screenshots' e2e --grep @screenshots
  step lines 'profiles' profiles
fi

finish
