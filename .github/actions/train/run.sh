#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of save-cache "$LOCKGATE_SAVE_CACHE" true false
use_environment "$LOCKGATE_BIN"
key=
[ "$LOCKGATE_SAVE_CACHE" = false ] || key=$(dvc_cache_key)
say_errors lockgate ci train "--override=$LOCKGATE_PARAMS" "--cache-key=$key" \
  ${LOCKGATE_HAND_OVER:+"--hand-over=$LOCKGATE_HAND_OVER"}
