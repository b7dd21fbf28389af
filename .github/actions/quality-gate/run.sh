#!/usr/bin/env bash
# The verdict is read from reports/gate.json, made here and now; whatever the commit carries there is removed first.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of enforce "$LOCKGATE_ENFORCE" true false

judge() {
  local name file options=()
  output verdict error # until there is another
  one_of champion "$LOCKGATE_CHAMPION" "" base registry file none
  one_of first-model "$LOCKGATE_FIRST_MODEL" auto true false
  for name in PREDICTIONS POLICY CHAMPION_PREDICTIONS; do
    file=LOCKGATE_$name
    name=$(tr '[:upper:]_' '[:lower:]-' <<<"$name")
    [ -n "${!file}" ] || continue
    # A table may come with what another job measured.
    [ -f "${!file}" ] || [ -n "$LOCKGATE_MEASURED" ] || die "input \`$name\` is \`${!file}\`, which is no file in $PWD"
    options+=("--$name=${!file}")
  done
  [ -z "$LOCKGATE_CHAMPION" ] || options+=("--champion=$LOCKGATE_CHAMPION")
  [ -z "$LOCKGATE_WEIGHT" ] || options+=("--weight=$LOCKGATE_WEIGHT")
  if [ -n "$LOCKGATE_MEASURED" ]; then
    options+=("--measured=$LOCKGATE_MEASURED" "--measured-result=$LOCKGATE_MEASURED_RESULT" "--override=$LOCKGATE_PARAMS")
  fi
  [ -z "$LOCKGATE_CHAMPION_BUNDLE" ] || options+=("--champion-bundle=$LOCKGATE_CHAMPION_BUNDLE")
  use_environment "$LOCKGATE_BIN"
  export GITHUB_TOKEN=$LOCKGATE_TOKEN
  unset LOCKGATE_TOKEN
  say_errors lockgate ci judge "--base=$LOCKGATE_BASE" "--default-branch=$LOCKGATE_DEFAULT_BRANCH" "--name=$LOCKGATE_NAME" \
    "--minimums=$LOCKGATE_MINIMUMS" "--first-model=$LOCKGATE_FIRST_MODEL" "--bundle-workflow=$LOCKGATE_BUNDLE_WORKFLOW" \
    "--report=$RUNNER_TEMP/lockgate-report" \
    ${options[@]+"${options[@]}"}
}

enforce() {
  [ "$LOCKGATE_VERDICT" = pass ] || die "the gate says ${LOCKGATE_VERDICT:-nothing}; the report in this summary says why"
}

case ${1:-} in
judge) judge ;;
enforce) enforce ;;
*) die "run.sh judge|enforce" ;;
esac
