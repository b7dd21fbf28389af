#!/usr/bin/env bash
# The batch is prepared anew each time: DVC does not see that the content behind a URL or in a folder has changed.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of model "$LOCKGATE_MODEL" project bundle registry
one_of alarm-on "$LOCKGATE_ALARM_ON" warn alert
use_environment "$LOCKGATE_BIN"

fetch_model() {
  case $LOCKGATE_MODEL in
  bundle)
    [ -n "$LOCKGATE_TOKEN" ] || die "\`model: bundle\` reads an artifact; give the input \`token\`, and \`actions: read\` to the job"
    GITHUB_TOKEN=$LOCKGATE_TOKEN lockgate nightly bundle
    ;;
  registry) lockgate pull ;;
  project) [ -f models/manifest.json ] || die "there is no bundle in models/; run the action \`train\` before, or let \`model\` be \`bundle\` or \`registry\`" ;;
  esac
}

update_data() {
  local file
  while IFS= read -r file; do
    [ -z "$file" ] || dvc update -- "$file" || die "\`dvc update\` failed for \`$file\`; its message is in the log"
  done <<<"$LOCKGATE_DVC_UPDATE"
}

refused() { die "$1 failed; its message is in the log above"; }

[ -z "$LOCKGATE_DVC_UPDATE" ] || timed "dvc update" update_data
fetch_model || refused "fetching the model"
if [ -n "$LOCKGATE_CURRENT" ]; then
  timed drift lockgate drift --time now --current "$LOCKGATE_CURRENT" || refused "measuring drift of \`$LOCKGATE_CURRENT\`"
else
  timed prepare lockgate prepare || refused "preparing the batch"
  timed drift lockgate drift --time now || refused "measuring drift"
fi
lockgate nightly summary --alarm-on "$LOCKGATE_ALARM_ON"
seconds_table
