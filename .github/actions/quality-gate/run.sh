#!/usr/bin/env bash
# The verdict is read from reports/gate.json, made here and now; whatever the commit carries there is removed first.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of enforce "$LOCKGATE_ENFORCE" true false
temporary=$RUNNER_TEMP/lockgate-gate
mkdir -p "$temporary" reports

validate() {
  one_of champion "$LOCKGATE_CHAMPION" "" base registry file none
  one_of first-model "$LOCKGATE_FIRST_MODEL" auto true false
  local name file
  for name in PREDICTIONS POLICY CHAMPION_PREDICTIONS; do
    file=LOCKGATE_$name
    [ -z "${!file}" ] || [ -f "${!file}" ] || die "input \`$(tr '[:upper:]_' '[:lower:]-' <<<"$name")\` is \`${!file}\`, which is no file in $PWD"
  done
  if [ "$LOCKGATE_CHAMPION" = file ] && [ -z "$LOCKGATE_CHAMPION_PREDICTIONS" ]; then
    die "\`champion: file\` needs the input \`champion-predictions\`"
  fi
  if [ "$LOCKGATE_CHAMPION" = base ] && [ -n "$LOCKGATE_PREDICTIONS" ]; then
    die "a table of predictions has no base commit's model; give \`champion: file\` and \`champion-predictions\`, or \`none\`"
  fi
  # A push that makes a branch comes from nowhere. The one that makes the default branch brings a repository's first model;
  # any other could be a change that avoids the comparison.
  begins=false
  if [[ $LOCKGATE_BASE =~ ^0+$ ]]; then
    LOCKGATE_BASE=""
    if [ "${GITHUB_REF_NAME:-}" = "$LOCKGATE_DEFAULT_BRANCH" ]; then begins=true; fi
  fi
}

# Leaves the base commit's params in $temporary/base.yaml where there are any.
find_base() {
  rm -f "$temporary/base.yaml"
  if [ -n "$LOCKGATE_POLICY" ]; then cp "$LOCKGATE_POLICY" "$temporary/base.yaml"; fi
  [ -n "$LOCKGATE_BASE" ] || return 0
  git rev-parse --quiet --verify --end-of-options "$LOCKGATE_BASE^{commit}" >/dev/null ||
    git fetch --quiet --depth=1 origin -- "$LOCKGATE_BASE" 2>/dev/null ||
    die "the base commit \`$LOCKGATE_BASE\` is not in this clone and cannot be fetched; check out with \`fetch-depth: 0\`"
  if [ -z "$LOCKGATE_POLICY" ] && git cat-file -e "$LOCKGATE_BASE:./params.yaml" 2>/dev/null; then
    git show "$LOCKGATE_BASE:./params.yaml" >"$temporary/base.yaml"
  fi
}

# Adds to the array `options` what `lockgate gate` has to know of the champion.
# Where there is none to be had, the gate blocks and says why: that is a verdict, not an error.
find_champion() {
  local first=$LOCKGATE_FIRST_MODEL
  if [ "$first" = auto ] && [ "$begins" = true ]; then first=true; fi
  if [ "$first" = auto ] && [ -n "$LOCKGATE_BASE" ] && ! git cat-file -e "$LOCKGATE_BASE:./params.yaml" 2>/dev/null; then first=true; fi
  if [ "$first" = true ]; then options+=(--first-model); return; fi
  if [ -n "$LOCKGATE_CHAMPION_PREDICTIONS" ]; then options+=(--champion "$LOCKGATE_CHAMPION_PREDICTIONS"); return; fi
  [ -z "$LOCKGATE_PREDICTIONS" ] || return 0
  timed champion lockgate champion --policy reports/policy.yaml \
    ${LOCKGATE_BASE:+--base "$LOCKGATE_BASE"} 2>"$temporary/errors" || {
    warn "there is no champion: $(last_line "$temporary/errors")"
    summary "There is no champion to compare with: $(last_line "$temporary/errors" | tr -d '`<>')"
  }
  cat "$temporary/errors" >&2
  [ ! -f reports/champion.parquet ] || options+=(--champion reports/champion.parquet)
}

# The whole report into the summary, and its JSON files into one folder, whatever there is, also after an error.
report() {
  local folder=$RUNNER_TEMP/lockgate-report file
  rm -rf "$folder"
  mkdir -p "$folder/plots"
  for file in reports/{gate,metrics,drift,train,policy}.json models/{schema,manifest}.json; do
    [ ! -f "$file" ] || cp "$file" "$folder"
  done
  # The files of a pipeline tell nothing about somebody's table.
  if [ -n "$LOCKGATE_PREDICTIONS" ]; then (cd "$folder" && rm -f drift.json train.json schema.json manifest.json); fi
  for file in reports/plots/*.json; do
    [ ! -f "$file" ] || cp "$file" "$folder/plots"
  done
  if [ -f "$folder/drift.json" ]; then output drift "$(field "$folder/drift.json" status)"; fi
  if [ -n "$(find "$folder" -type f -print -quit)" ]; then output report "$folder"; fi
  rm -f reports/report.md
  if timed report lockgate report; then summary "$(cat reports/report.md)"; fi
  if [ -f reports/policy.md ]; then summary "$(cat reports/policy.md)"; fi
  seconds_table
}

judge() {
  local options=() policy=() verdict
  rm -f reports/gate.json reports/policy.json reports/policy.yaml reports/policy.md reports/champion.parquet
  output verdict error # until there is another
  validate
  use_environment "$LOCKGATE_BIN"
  trap report EXIT
  [ -f params.yaml ] || { [ -n "$LOCKGATE_PREDICTIONS" ] && echo "{}" >params.yaml; } ||
    die "there is no params.yaml in $PWD; check the repository out first, and run in its folder"
  find_base
  [ ! -f "$temporary/base.yaml" ] || policy+=(--base "$temporary/base.yaml")
  if [ -n "${LOCKGATE_MINIMUMS//[[:space:]]/}" ]; then
    printf '%s\n' "$LOCKGATE_MINIMUMS" >"$temporary/minimums.yaml"
    policy+=(--minimums "$temporary/minimums.yaml")
  fi
  [ -z "$LOCKGATE_CHAMPION" ] || policy+=(--champion "$LOCKGATE_CHAMPION")
  say_errors lockgate policy ${policy[@]+"${policy[@]}"}
  output policy-changed "$(field reports/policy.json changed)"
  find_champion
  if [ -n "$LOCKGATE_PREDICTIONS" ]; then options+=(--predictions "$LOCKGATE_PREDICTIONS"); fi
  # Its exit code says less than gate.json, which was removed above and is read below; without one there is no verdict.
  timed gate lockgate gate --policy reports/policy.yaml ${options[@]+"${options[@]}"} 2>"$temporary/errors" || true
  cat "$temporary/errors" >&2
  [ -f reports/gate.json ] || die "no verdict could be reached: $(last_line "$temporary/errors")"
  verdict=$(field reports/gate.json verdict)
  output verdict "$verdict"
  output model "$(field reports/gate.json model)"
  output counted true
  [ "$verdict" = pass ] || warn "$(last_line "$temporary/errors")"
}

enforce() {
  [ "$LOCKGATE_VERDICT" = pass ] || die "the gate says ${LOCKGATE_VERDICT:-nothing}; the report in this summary says why"
}

case ${1:-} in
judge) judge ;;
enforce) enforce ;;
*) die "run.sh judge|enforce" ;;
esac
