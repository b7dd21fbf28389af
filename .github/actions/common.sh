# What the actions' scripts share; sourced. Errors say what, where and how to fix it, in the log and in the job's summary.
# shellcheck shell=bash
set -euo pipefail

KIT=$(cd "${GITHUB_ACTION_PATH:?}/../../.." && pwd -P)
export KIT

# Text that a runner must not take for a command: `::` begins one, and a percent sign or a line's end splits it.
escaped() {
  local text=$1
  text=${text//'%'/%25}
  text=${text//$'\r'/%0D}
  text=${text//$'\n'/%0A}
  printf '%s' "${text//[[:cntrl:]]/?}"
}

# The text as a code span, in which GitHub's Markdown looks for nothing: no link, image, mention or HTML.
code_span() {
  local text=${*//\`/}
  printf '`%s`' "${text//[[:cntrl:]]/ }"
}

# Filters lines that somebody else's program wrote, so that neither a terminal nor a runner obeys them.
harmless() { LC_ALL=C sed -e 's/[[:cntrl:]]/?/g' -e 's/^[[:space:]]*::/\\&/' -e 's/##\[/#\\#[/g'; }

die() {
  printf '::error::%s\n' "$(escaped "$*")"
  summary "**Error:** $(code_span "$*")"
  exit 2
}

warn() { printf '::warning::%s\n' "$(escaped "$*")"; }

summary() { printf '%s\n\n' "$*" >>"$GITHUB_STEP_SUMMARY"; }

# output NAME VALUE: any text, many lines too, without the chance to set another output.
output() {
  local end=end-$RANDOM$RANDOM$RANDOM
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# one_of NAME VALUE ALLOWED...: dies unless VALUE is among them.
one_of() {
  local name=$1 value=$2 allowed
  shift 2
  for allowed in "$@"; do [ "$value" != "$allowed" ] || return 0; done
  die "input \`$name\` is \`$value\`; it is one of: $*"
}

# use_environment [BIN]: puts the kit's own programs first; BIN is the output of setup-dvc, or empty for this job's.
use_environment() {
  local bin=${1:-}
  # No file is no environment, which the next line says.
  [ -n "$bin" ] || bin=$(cat "$RUNNER_TEMP/lockgate-bin" 2>/dev/null || true)
  [ -x "$bin/lockgate" ] || die "there is no Lockgate in \`$bin\`; run the action \`setup-dvc\` before this one"
  export PATH=$bin:$PATH
}

# Where environments are kept; a runner that keeps its tool cache makes each only once.
environments() { printf '%s/lockgate' "$(cd "${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?}}" && pwd -P)"; }

# last_line FILE: what a program said last, which is where the kit's say what was wrong.
last_line() { tail -n 1 "$1" | sed 's/^Error: //'; }

# say_errors COMMAND...: runs it, and dies with its last line where it fails. A signal to this script ends it too: a
# runner that cancels a step signals the step's shell and nothing else.
say_errors() {
  local file=$RUNNER_TEMP/lockgate-errors code=0 child signal=
  "$@" 2>"$file" &
  child=$!
  # It may have ended by itself a moment before, and then there is nothing to signal.
  trap 'signal=1; kill -TERM "$child" 2>/dev/null || true' INT TERM
  wait "$child" || code=$?
  # A signal ends the wait, and not the command, which first ends what it started.
  while kill -0 "$child" 2>/dev/null; do wait "$child" || code=$?; done
  trap - INT TERM
  cat "$file" >&2
  [ -z "$signal" ] || die "cancelled"
  [ "$code" -eq 0 ] || die "$(last_line "$file")"
}

# The key under which DVC's cache is kept: the files that say what is in it.
dvc_cache_key() {
  local inputs
  inputs=$(git ls-files -z -- dvc.lock dvc.yaml params.yaml '*.dvc' 2>/dev/null | xargs -0 -r git hash-object -- 2>/dev/null | sha256sum | cut -c1-16)
  printf 'lockgate-dvc-1-%s' "$inputs"
}

# timed NAME COMMAND...: runs it, and adds a line to the table of seconds; its exit code is the command's.
timed() {
  local name=$1 start=$EPOCHREALTIME code=0
  shift
  "$@" || code=$?
  seconds "$name" "$start"
  return "$code"
}

# seconds NAME START: notes how long it took since START, an $EPOCHREALTIME.
seconds() {
  local end=$EPOCHREALTIME
  printf '| %s | %s |\n' "$1" "$(((${end/[.,]/} - ${2/[.,]/}) / 100000))" | sed -E 's/ ([0-9]*)([0-9]) \|$/ \1.\2 |/; s/ \.([0-9] \|)$/ 0.\1/' >>"$RUNNER_TEMP/lockgate-seconds"
}

# Writes the table of seconds to the summary, once.
seconds_table() {
  local file=$RUNNER_TEMP/lockgate-seconds
  [ -s "$file" ] || return 0
  { printf '| step | seconds |\n|---|---:|\n'; cat "$file"; printf '\n'; } >>"$GITHUB_STEP_SUMMARY"
  rm "$file"
}
