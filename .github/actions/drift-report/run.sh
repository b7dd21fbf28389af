#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of model "$LOCKGATE_MODEL" project bundle registry
one_of alarm-on "$LOCKGATE_ALARM_ON" warn alert
if [ "$LOCKGATE_MODEL" = bundle ] && [ -z "$LOCKGATE_TOKEN" ]; then
  die "\`model: bundle\` reads an artifact; give the input \`token\`, and \`actions: read\` to the job"
fi
use_environment "$LOCKGATE_BIN"
GITHUB_TOKEN=$LOCKGATE_TOKEN say_errors lockgate ci drift "--model=$LOCKGATE_MODEL" "--alarm-on=$LOCKGATE_ALARM_ON" \
  "--name=$LOCKGATE_NAME" ${LOCKGATE_MEASURED:+"--measured=$LOCKGATE_MEASURED"} \
  ${LOCKGATE_REFERENCE:+"--reference=$LOCKGATE_REFERENCE"}
