#!/usr/bin/env bash
# Checks the files of this folder as far as that goes without a daemon. What a tool is missing for is said and skipped.
set -uo pipefail
cd "$(dirname "$0")"
failed=0
have() { command -v "$1" >/dev/null; }
check() {
  local what=$1; shift
  if "$@" >/tmp/deploy-check.$$ 2>&1; then echo "ok       $what"; else echo "FAILED   $what"; cat /tmp/deploy-check.$$; failed=1; fi
  rm -f /tmp/deploy-check.$$
}
skip() { echo "skipped  $1: $2 is not installed"; }

yaml() { python3 -c 'import sys, yaml; documents = list(yaml.safe_load_all(open(sys.argv[1]))); assert all(documents)' "$1"; }

# The manifest names what it uses: each volume, secret key and port is there.
kubernetes() {
  python3 - <<'PY'
import yaml
documents = {d["kind"]: d for d in yaml.safe_load_all(open("kubernetes.yaml"))}
pod = documents["Deployment"]["spec"]["template"]["spec"]
container = pod["containers"][0]
volumes = {v["name"] for v in pod["volumes"]}
assert {m["name"] for m in container["volumeMounts"]} == volumes
ports = {p["name"] for p in container["ports"]}
for probe in ("livenessProbe", "readinessProbe"):
    assert container[probe]["httpGet"]["port"] in ports
keys = set(documents["Secret"]["stringData"])
for variable in container["env"]:
    reference = variable.get("valueFrom", {}).get("secretKeyRef")
    assert reference is None or reference["key"] in keys
labels = documents["Deployment"]["spec"]["template"]["metadata"]["labels"]
for kind in ("Service",):
    assert documents[kind]["spec"]["selector"].items() <= labels.items()
PY
}

if python3 -c 'import yaml' 2>/dev/null; then
  check 'compose.yaml is YAML' yaml compose.yaml
  check 'kubernetes.yaml is YAML' yaml kubernetes.yaml
  check 'kubernetes.yaml names what it uses' kubernetes
else
  skip 'YAML' python3-yaml
fi
if have docker && docker compose version >/dev/null 2>&1; then
  mkdir -p secrets && [ -e secrets/backend-jwt-secret ] || made=1
  check 'compose.yaml is understood by docker compose' docker compose -f compose.yaml config --quiet --no-interpolate
  [ -n "${made:-}" ] && rmdir secrets 2>/dev/null
else
  skip 'docker compose' 'docker compose'
fi
if have nginx; then
  # The names of the nodes resolve inside of the composition only.
  sed 's/node-[ab]:3000/127.0.0.1:3000/' nginx.conf >/tmp/nginx-check.$$.conf
  check 'nginx.conf is understood by nginx' nginx -t -c /tmp/nginx-check.$$.conf
  rm -f /tmp/nginx-check.$$.conf
else
  skip nginx.conf nginx
fi
if have systemd-analyze; then
  # The program is not installed here.
  sed "s|^ExecStart=.*|ExecStart=/bin/true|; s|^Documentation=.*||" pixygate.service >/tmp/pixygate-check-$$.service
  check 'pixygate.service is understood by systemd' systemd-analyze verify "/tmp/pixygate-check-$$.service"
  rm -f "/tmp/pixygate-check-$$.service"
else
  skip pixygate.service systemd-analyze
fi
exit $failed
