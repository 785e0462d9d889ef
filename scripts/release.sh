#!/usr/bin/env bash
# Builds what goes to production into dist/: the server without the embedded provider, the site, and the example configuration. An older
# build of the front end in dist/site/pkg stays beside the new one, so that pages that are open have their files.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

scripts/setup.sh release
# shellcheck disable=SC2086
cargo leptos build $FRONT_END --bin-cargo-args=--no-default-features

dist=$ROOT/dist
mkdir -p "$dist/site"
if [ -d "$dist/site/pkg" ] && ! diff -rq "$dist/site/pkg" "$TARGET/site/pkg" >/dev/null; then
  # One is enough: whoever keeps a page open for longer than a release loads it again.
  rm -rf "$dist/site/previous"
  mkdir "$dist/site/previous"
  mv "$dist/site/pkg" "$dist/site/previous/before"
fi
for file in "$TARGET"/site/*; do
  rm -rf "$dist/site/$(basename "$file")"
  cp -a "$file" "$dist/site/"
done
install -m 755 "$TARGET/release/pixygate" "$dist/pixygate"
cp pixygate.example.toml "$dist/"
say "dist/ has the server, its site and an example configuration. Copy it where it runs, write pixygate.toml, start ./pixygate."
