#!/bin/bash
# User instructions per request (callgrind) and system calls per request (strace), on HTTP/1.1 keep-alive and 1 KB.
#
#   cargo build --release && benches/compare/instructions.sh [--profile FILE]
#
# Each figure is the difference of two runs with different numbers of requests, so that start, handshakes and end cancel.
# Needs valgrind, strace, h2load, nginx, openssl. `--profile FILE` keeps callgrind's output of the redacting run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
profile=${2:-}
work=$(mktemp -d)
running=()
# Takes the status of its condition: a process that is gone already is what is wanted.
end() { for id in "${running[@]:-}"; do [ -z "$id" ] || kill -TERM "$id" 2>/dev/null || true; done; rm -rf "$work"; }
trap end EXIT

few=500 many=2500
python3 "$here/site_under_test.py" "$work/site" >"$work/variables"
# shellcheck source=/dev/null
source "$work/variables"

wait_for() {
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "nothing listens on $1" >&2
  exit 1
}

# load PORT PATH COUNT HEADER...
load() {
  local port=$1 path=$2 count=$3
  shift 3
  h2load --h1 -n "$count" -c 4 -t 1 "$@" "https://127.0.0.1:$port$path" >"$work/load"
  grep -q "status codes: $count 2xx" "$work/load" || { cat "$work/load" >&2; exit 1; }
}

$UPSTREAM_COMMAND & running+=($!)
wait_for "$UPSTREAM_PORT"

# instructions COMMAND PORT PATH COUNT HEADER...: prints how many the whole run took
instructions() {
  local command=$1 port=$2
  shift 2
  # shellcheck disable=SC2086
  valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" $command >"$work/valgrind" 2>&1 &
  local id=$!
  wait_for "$port"
  load "$port" "$@"
  kill -TERM $id
  wait $id || true
  sed -n 's/^summary: //p; s/^totals: //p' "$work/callgrind" | head -1
}

# per_request NAME COMMAND PORT PATH HEADER...
per_request() {
  local name=$1 command=$2 port=$3 path=$4
  shift 4
  local first second
  first=$(instructions "$command" "$port" "$path" $few "$@")
  second=$(instructions "$command" "$port" "$path" $many "$@")
  printf '%-28s %8d instructions\n' "$name" $(((second - first) / (many - few)))
}

# calls NAME COMMAND PORT PATH HEADER...
calls() {
  local name=$1 command=$2 port=$3 path=$4
  shift 4
  local count
  for count in $few $many; do
    # shellcheck disable=SC2086
    strace -f -c -o "$work/strace.$count" $command >"$work/traced" 2>&1 &
    local id=$!
    wait_for "$port"
    load "$port" "$path" "$count" "$@"
    # The program, not its tracer: strace writes the table when the last thread has ended.
    kill -TERM $(<"/proc/$id/task/$id/children")
    wait $id || true
  done
  printf '%-28s' "$name"
  awk -v requests=$((many - few)) '
    # usecs/call and errors are optional columns; calls are the fourth field, the name is the last.
    $4 ~ /^[0-9]+$/ && $NF != "total" { sign = FILENAME ~ /\.'"$few"'$/ ? -1 : 1; count[$NF] += sign * $4 }
    END {
      for (name in count) if (count[name] / requests > 0.02) { all += count[name] / requests; text = text sprintf("  %s %.2f", name, count[name] / requests) }
      printf "%8.2f system calls:%s\n", all, text
    }' "$work/strace.$few" "$work/strace.$many"
}

json=/api/learners.json bare=/exempt/learners.json
per_request "nginx" "$PROXY_COMMAND" "$PROXY_PORT" $json "${ADMINISTRATOR[@]}"
per_request "rempart, exempt route" "$REMPART_COMMAND" "$REMPART_PORT" $bare "${ADMINISTRATOR[@]}"
per_request "rempart, policy on" "$REMPART_COMMAND" "$REMPART_PORT" $json "${ADMINISTRATOR[@]}"
per_request "rempart, redacting" "$REMPART_COMMAND" "$REMPART_PORT" $json "${TEACHER[@]}"
[ -z "$profile" ] || cp "$work/callgrind" "$profile"
calls "nginx" "$PROXY_COMMAND" "$PROXY_PORT" $json "${ADMINISTRATOR[@]}"
calls "rempart, policy on" "$REMPART_COMMAND" "$REMPART_PORT" $json "${ADMINISTRATOR[@]}"
calls "rempart, redacting" "$REMPART_COMMAND" "$REMPART_PORT" $json "${TEACHER[@]}"
