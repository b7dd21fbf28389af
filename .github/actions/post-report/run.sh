#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

[ -n "$LOCKGATE_CML" ] || die "input \`cml\` is empty; it is \`none\`, or the path of a \`cml\`"
[[ $LOCKGATE_RUN_ID =~ ^[0-9]{1,18}$ ]] || die "input \`run-id\` is \`$LOCKGATE_RUN_ID\`; it is the number of a workflow run"
[[ $LOCKGATE_CML_SECONDS =~ ^[0-9]{1,4}$ ]] || die "input \`cml-seconds\` is \`$LOCKGATE_CML_SECONDS\`; it is a number of seconds"
one_of fail-when-not-posted "$LOCKGATE_FAIL" true false
use_environment "$LOCKGATE_BIN"
token=$LOCKGATE_TOKEN code=0
unset LOCKGATE_TOKEN
arguments=(
  "--run-id=$LOCKGATE_RUN_ID" "--name=$LOCKGATE_NAME" "--working-directory=$LOCKGATE_WORKING_DIRECTORY" "--kit=$LOCKGATE_KIT"
  "--cml-seconds=$LOCKGATE_CML_SECONDS"
)
[ -z "$LOCKGATE_REPORT" ] || arguments+=("--report=$LOCKGATE_REPORT")
[ -z "$LOCKGATE_AUTHOR" ] || arguments+=("--author=$LOCKGATE_AUTHOR")
[ "$LOCKGATE_CML" = none ] || arguments+=("--cml=$LOCKGATE_CML")
GITHUB_TOKEN=$token timed "comment" lockgate comment "${arguments[@]}" 2>"$RUNNER_TEMP/lockgate-errors" || code=$?
cat "$RUNNER_TEMP/lockgate-errors" >&2
while read -r line; do warn "${line#warning: }"; done < <(grep '^warning: ' "$RUNNER_TEMP/lockgate-errors")
seconds_table
[ "$code" -ne 0 ] || exit 0
said="the comment is not posted: $(grep '^Error: ' "$RUNNER_TEMP/lockgate-errors" || echo "lockgate comment ended with code $code")"
[ "$LOCKGATE_FAIL" = false ] || die "$said"
# The verdict is the other run's, and stays what it is.
warn "$said"
summary "**Warning:** $(code_span "$said")"
