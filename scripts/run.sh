#!/usr/bin/env bash
# Sets up what is missing, builds, serves. The server says where to open and who can sign in.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

scripts/setup.sh run
exec cargo leptos serve "$@"
