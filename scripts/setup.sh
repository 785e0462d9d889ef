#!/usr/bin/env bash
# Installs what is missing, and only that. `setup.sh run` for `make run`, `release` for `make release`, `test` for `make test`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

purpose=${1:-run}

installing() { say "${BOLD}set-up${PLAIN}  $*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else sudo "$@"; fi
}

# without NAME WANTED: whether NAME could not be had in an earlier run, in the version that is still wanted.
without() { [ "$(cat "$TARGET/without-$1" 2>/dev/null)" = "$2" ]; }

# give_up NAME WANTED TEXT: goes on without it, in later runs too.
give_up() {
  mkdir -p "$TARGET" && printf '%s\n' "$2" >"$TARGET/without-$1"
  say "        $3 To try again: rm $TARGET/without-$1"
}

can_be_root() { [ "$(id -u)" = 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }; }

toolchain() {
  have cargo || die "cargo is missing. Install Rust from https://rustup.rs and run this again."
  have cc || have clang || have gcc || die "A C compiler is missing (Debian: apt-get install build-essential; macOS: xcode-select --install)."
  local target=wasm32-unknown-unknown
  if [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then return; fi
  have rustup || die "The target $target is missing and rustup, which could add it, is not there."
  installing "Rust's $target target"
  rustup target add "$target"
}

# cargo_tool NAME VERSION FOUND [FLAG…]: a tool of the Rust registry in exactly that version.
cargo_tool() {
  local name=$1 version=$2 found=$3
  shift 3
  if [ "$found" = "$version" ]; then return; fi
  [ -z "$found" ] || say "        $name $found is installed; this project needs $version and replaces it."
  if have cargo-binstall; then
    installing "$name $version"
    if cargo binstall --no-confirm --force "$name@$version"; then return; fi
    say "        There is no ready-made $name for this machine; it is compiled instead."
  fi
  installing "$name $version (compiling takes some minutes, once; cargo-binstall would be quicker)"
  # The build's own folder may be set to a shared or a read-only one; the tool needs neither. The tools spend their time in cargo and
  # wasm-opt, so a quick build of them is worth more than a fast one: it takes half the time.
  CARGO_TARGET_DIR=$TARGET/tools CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install "$name" --version "$version" --force "$@"
  rm -rf "$TARGET/tools"
}

version_of() { "$@" --version 2>/dev/null | awk '{ print $2; exit }' || true; }

# `npm ci` again only when the lock file has changed.
npm_packages() {
  local folder=$1 stamp=$1/node_modules/.installed
  if [ -f "$stamp" ] && cmp -s "$folder/package-lock.json" "$stamp"; then return; fi
  have npm || die "Node.js 20 or newer is missing; it brings npm. See https://nodejs.org."
  installing "Node packages of $folder"
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error
  cp "$folder/package-lock.json" "$stamp"
}

# One browser for Playwright and for the WASM tests: Playwright's own, else the distribution's Chromium.
browser() {
  if node end2end/browser.mjs --quiet; then return; fi
  local playwright
  playwright=$(cd end2end && npx playwright --version)
  if ! without playwright-chromium "$playwright"; then
    installing "a browser (Playwright's Chromium)"
    if (cd end2end && PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT=20000 npx playwright install chromium) && node end2end/browser.mjs --quiet; then
      if [ "$(uname)" = Linux ] && can_be_root; then (cd end2end && npx playwright install-deps chromium) || true; fi
      return
    fi
    give_up playwright-chromium "$playwright" "Playwright's download is out of reach; looking for the system's Chromium."
  fi
  if have apt-get && can_be_root; then
    installing "Chromium from the distribution"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core
  elif have brew; then
    installing "Chromium from Homebrew"
    brew install --cask chromium
  fi
  node end2end/browser.mjs --quiet || die "No Chromium was found and none could be installed. Install Chromium or Google Chrome and run this again."
}

# A second engine. Its tests are skipped where it cannot be had, and say so.
second_browser() {
  if node end2end/browser.mjs --firefox --quiet; then return; fi
  local playwright
  playwright=$(cd end2end && npx playwright --version)
  if without firefox "$playwright"; then return; fi
  installing "Firefox"
  if ! without playwright-chromium "$playwright" && (cd end2end && npx playwright install firefox) && node end2end/browser.mjs --firefox --quiet; then
    if [ "$(uname)" = Linux ] && can_be_root; then (cd end2end && npx playwright install-deps firefox) || true; fi
    return
  fi
  # Not Ubuntu's `firefox`, which is a snap.
  if have apt-get && can_be_root; then
    as_root apt-get update -qq || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends firefox-esr || true
  fi
  node end2end/browser.mjs --firefox --quiet || give_up firefox "$playwright" "Firefox could not be installed; its tests are left out."
}

# The WASM tests speak to the browser through chromedriver, of the browser's own version.
driver() {
  if node end2end/browser.mjs --driver --quiet; then return; fi
  local version
  version=$(node end2end/browser.mjs --version)
  installing "chromedriver $version"
  npx --yes @puppeteer/browsers@2 install "chromedriver@$version" --path "$TARGET/browsers" || true
  if ! node end2end/browser.mjs --driver --quiet && have apt-get && can_be_root; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-driver
  fi
  node end2end/browser.mjs --driver --quiet || die "No chromedriver $version was found and none could be installed."
}

# The independent providers that are not Node packages. Where one cannot be had its tests are skipped, and say so; CI skips none.

# python_provider NAME TITLE FOLDER: the packages that NAME's requirements.txt lists, in a virtual environment of their own.
python_provider() {
  local name=$1 title=$2 folder=$3 wanted=end2end/interop/providers/$1/requirements.txt
  if [ -f "$folder/.installed" ] && cmp -s "$wanted" "$folder/.installed"; then return; fi
  if without "$name" "$(cat "$wanted")"; then return; fi
  if ! have python3 || ! python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "        Python 3.11 with venv is missing; the tests with $title are left out."
    return
  fi
  installing "$title (Python packages in $folder)"
  rm -rf "$folder"
  if python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$wanted"; then
    cp "$wanted" "$folder/.installed"
  else
    rm -rf "$folder"
    give_up "$name" "$(cat "$wanted")" "$title could not be installed; its tests are left out."
  fi
}

lemonldap() {
  local package=liblemonldap-ng-portal-perl version=2.16.1
  # What its OpenID Connect half wants and Debian only recommends.
  local needed="libio-string-perl libstring-random-perl"
  # shellcheck disable=SC2086
  if dpkg-query -s $needed >/dev/null 2>&1; then
    case $(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) in "$version"*) return ;; esac
  fi
  if without lemonldap "$version"; then return; fi
  # It is a service that starts with the machine: nobody gets it who would first have to be asked for a password.
  if have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }; then
    installing "LemonLDAP::NG $version (Debian packages)"
    as_root apt-get update -qq || true
    # shellcheck disable=SC2086
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package=$version*" $needed; then return; fi
  fi
  give_up lemonldap "$version" "LemonLDAP::NG $version is in Debian 12 and could not be installed here; its tests are left out."
}

# cargo-leptos downloads wasm-opt where it can. npm has it, too.
wasm_opt() {
  if have wasm-opt; then return; fi
  have npm || { say "        wasm-opt is not there and npm, which has it, is not either; cargo-leptos tries to download it."; return; }
  local version
  version=$(awk -F '"' '$2 == "binaryen" { print $4 }' end2end/package.json)
  installing "wasm-opt (binaryen $version from npm)"
  npm install --prefix "$TARGET/binaryen" --no-audit --no-fund --loglevel=error "binaryen@$version"
}

# The tests start servers of their own, as the user that the package makes; those that the packages start are not needed.
postgres() {
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb || debian_package postgresql PostgreSQL
  [ -x /usr/sbin/pgbouncer ] || have pgbouncer || debian_package pgbouncer PgBouncer
}

# A service behind the gateway that is not ours.
nginx() {
  [ -x /usr/sbin/nginx ] || have nginx || debian_package nginx nginx
}

# Gives one server of a test another clock.
other_clock() {
  [ "$(uname)" != Linux ] || compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || debian_package libfaketime libfaketime
}

# debian_package PACKAGE NAME: nobody gets one who would first have to be asked for a password.
debian_package() {
  if without "$1" any; then return; fi
  if have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }; then
    installing "$2 (Debian package)"
    as_root apt-get update -qq || true
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"; then return; fi
  fi
  give_up "$1" any "$2 could not be installed; its tests are left out."
}

# Whatever is not compiled here: packages of Node, Python and the system.
packages() {
  npm_packages end2end
  if [ -f server/dev-idp/clients/package-lock.json ]; then npm_packages server/dev-idp/clients; fi
  browser
  second_browser
  driver
  python_provider canaille Canaille end2end/.venv
  python_provider django django-oauth-toolkit end2end/.venv-django
  lemonldap
  postgres
  nginx
  other_clock
}

cargo_tools() {
  # A newer 0.3 that someone has already is kept: later patch releases only want a later compiler to be built.
  local leptos
  leptos=$(version_of cargo-leptos)
  case $leptos in
    0.3.*) [ "${leptos##*.}" -ge "${CARGO_LEPTOS_VERSION##*.}" ] 2>/dev/null || leptos=outdated ;;
    ?*) leptos=outdated ;;
  esac
  case $leptos in
    '' | outdated) cargo_tool cargo-leptos "$CARGO_LEPTOS_VERSION" "$(version_of cargo-leptos)" --locked ;;
  esac
  cargo_tool wasm-bindgen-cli "$WASM_BINDGEN_VERSION" "$(version_of wasm-bindgen)"
}

toolchain

if [ "$purpose" = test ]; then
  have node || die "Node.js 20 or newer is missing. See https://nodejs.org."
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || die "Node.js $(node -v) is too old; 20 or newer is needed."
  for component in rustfmt clippy; do
    if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
      installing "Rust's $component"
      rustup component add "$component"
    fi
  done
fi

# Downloads need the network and compiling needs the processors, so one waits while the other works. Not at a terminal, where
# sudo may ask for a password.
if [ "$purpose" = test ] && [ -n "${CI:-}" ]; then
  mkdir -p "$TARGET"
  packages >"$TARGET/packages.log" 2>&1 &
  downloads=$!
  trap 'kill "$downloads" 2>/dev/null || true' EXIT
  cargo_tools
  code=0
  wait "$downloads" || code=$?
  trap - EXIT
  cat "$TARGET/packages.log"
  exit "$code"
fi

cargo_tools
case $purpose in
  release) wasm_opt ;;
  test) packages ;;
esac
