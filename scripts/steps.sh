# Sourced by test.sh: runs steps one after the other, shows that they are alive, and counts.
# shellcheck shell=bash

LOGS=$TARGET/test-logs
HEARTBEAT=30

passed=0
failed=0
skipped=0
failures=''
tries=''
number=0
child=''
beside=''
# Kills the whole group of whatever runs, so that no compiler or server outlives an interrupted run.
trap 'for group in $child $beside; do kill -TERM -- "-$group" 2>/dev/null || true; done; say; die "interrupted"' INT TERM

# beside NAME COMMAND…: begins the work of the step NAME now, beside the steps before it. One at a time.
beside() {
  if ! printf '%s' "$1" | grep -qE "$ONLY"; then return; fi
  shift
  set -m
  (
    code=0
    ("$@") || code=$?
    printf '%s\n' "$code" >"$LOGS/beside.code"
  ) >"$LOGS/beside.log" 2>&1 </dev/null &
  beside=$!
  set +m
}

# await_beside: the command of that step.
await_beside() {
  until [ -s "$LOGS/beside.code" ]; do
    kill -0 "$beside" 2>/dev/null || [ -s "$LOGS/beside.code" ] || { cat "$LOGS/beside.log"; say "It ended without a result."; return 1; }
    sleep 0.2
  done
  cat "$LOGS/beside.log"
  return "$(cat "$LOGS/beside.code")"
}

# step COUNT NAME COMMAND…: COUNT says how results are read from the output: `check` (the step is one check), or the
# name of a counter below. A step that fails without counting a failure counts as one.
step() {
  local counter=$1 name=$2
  shift 2
  if ! printf '%s' "$name" | grep -qE "$ONLY"; then return; fi
  number=$((number + 1))
  local log started elapsed code=0 good=0 bad=0 beat=$HEARTBEAT
  log=$LOGS/$(printf '%02d' "$number")-$(printf '%s' "$name" | tr -cs 'a-zA-Z0-9' '-').log
  started=$(date +%s)
  printf '%s[%2d]%s %s\n' "$DIM" "$number" "$PLAIN" "$name"

  set -m
  ("$@") >"$log" 2>&1 </dev/null &
  child=$!
  set +m
  while kill -0 "$child" 2>/dev/null; do
    elapsed=$(($(date +%s) - started))
    if [ "$elapsed" -ge "$beat" ]; then
      beat=$((beat + HEARTBEAT))
      printf '%s     %4s s  %s%s\n' "$DIM" "$elapsed" "$(last_words "$log")" "$PLAIN"
    fi
    sleep 0.2
  done
  wait "$child" || code=$?
  child=''

  if [ "$counter" = check ]; then
    if [ "$code" = 0 ]; then good=1; else bad=1; fi
  else
    read -r good bad <<<"$("count_$counter" "$log")"
    if [ "$code" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  skipped=$((skipped + $(grep -c '^skipped: ' "$log" || true)))

  # Once more at the end, where it is seen even if only the end is kept.
  tries="$tries$(named 'second try' "$log")"
  elapsed=$(($(date +%s) - started))
  if [ "$bad" = 0 ]; then
    printf '     %sok%s      %s passed  %s%s s%s\n' "$GREEN" "$PLAIN" "$good" "$DIM" "$elapsed" "$PLAIN"
    if [ -n "${SHOW:-}" ]; then sed -n "$SHOW" "$log" | sed 's/^/     /'; fi
  else
    failures="$failures
  $name  ($log)$(named failed "$log")"
    printf '     %sfailed%s  %s passed, %s failed  %s%s s%s\n' "$RED" "$PLAIN" "$good" "$bad" "$DIM" "$elapsed" "$PLAIN"
    tail -n 60 "$log" | sed 's/^/     | /'
  fi
}

# named KIND LOG: the tests that failed, or that passed on their second try, each on a line of its own.
named() {
  sed $'s/\033\\[[0-9;]*m//g' "$2" | awk -v kind="$1" '
    kind == "failed" && $1 ~ /^(FAIL|TIMEOUT|SIGABRT|SIGSEGV)$/ { sub(/^ *[A-Z]+ +\[[^]]*\] +(\([^)]*\) +)?/, ""); seen[$0] }
    kind == "second try" && $1 == "FLAKY" { sub(/^ *FLAKY [0-9/]+ +\[[^]]*\] +(\([^)]*\) +)?/, ""); seen[$0] }
    kind == "failed" && /^test .* FAILED$/ { seen[$2] }
    index($0, kind ": ") == 1 { seen[substr($0, length(kind) + 3)] }
    END { for (name in seen) printf "\n    %s", name }'
}

# The last line that says something, short enough for a terminal and without its colours.
last_words() {
  tail -n 20 "$1" | tr '\r' '\n' | sed $'s/\033\\[[0-9;]*[A-Za-z]//g' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c1-100 || true
}

# `cargo test`, documentation tests and wasm-bindgen-test all end in "test result: ok. 12 passed; 0 failed; …".
count_cargo() {
  awk '/^test result:/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i-1); if ($i ~ /^failed/) f += $(i-1) } }
       END { print p + 0, f + 0 }' "$1"
}

# nextest: "Summary [   1.2s] 12 tests run: 11 passed (1 slow), 1 failed, 0 skipped".
count_nextest() {
  sed $'s/\033\\[[0-9;]*m//g' "$1" | awk '/Summary \[/ {
      for (i = 2; i <= NF; i++) { word = $i; gsub(/[,;]/, "", word)
        if (word == "passed") p += $(i-1)
        if (word == "failed" || word == "timed") f += $(i-1) } }
    END { print p + 0, f + 0 }'
}

# Playwright's summary is written by a small reporter of its own as "COUNT passed failed".
count_lines() {
  awk '/^COUNT / { p += $2; f += $3 } END { print p + 0, f + 0 }' "$1"
}

# `node --test`: "# pass 12" in TAP, "ℹ pass 12" otherwise.
count_node() {
  awk '$2 == "pass" && $3 ~ /^[0-9]+$/ { p += $3 } $2 == "fail" && $3 ~ /^[0-9]+$/ { f += $3 } END { print p + 0, f + 0 }' "$1"
}

finish() {
  say
  if [ -n "$failures" ]; then say "${RED}Failed:${PLAIN}$failures"; say; fi
  if [ -n "$tries" ]; then say "Passed on a second try:$tries"; say; fi
  # Named above, where they were left out.
  if [ "$skipped" != 0 ]; then say "$skipped skipped"; fi
  printf '%s%s passed, %s failed%s\n' "$([ "$failed" = 0 ] && printf '%s' "$GREEN" || printf '%s' "$RED")" "$passed" "$failed" "$PLAIN"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
