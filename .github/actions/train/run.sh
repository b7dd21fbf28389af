#!/usr/bin/env bash
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of save-cache "$LOCKGATE_SAVE_CACHE" true false
use_environment "$LOCKGATE_BIN"
[ -f params.yaml ] || die "there is no params.yaml in $PWD; check the repository out first, and run in its folder"

# A result that the commit carries is not one that this run made.
rm -f reports/reproduction.json
key=$(dvc_cache_key)
before=$(dvc_cache_state)
code=0
timed "dvc repro" lockgate reproduce --override "$LOCKGATE_PARAMS" 2>"$RUNNER_TEMP/lockgate-errors" || code=$?
cat "$RUNNER_TEMP/lockgate-errors" >&2
[ -f reports/reproduction.json ] || die "$(last_line "$RUNNER_TEMP/lockgate-errors")"

output model "$(field reports/reproduction.json model)"
output trained "$(field reports/reproduction.json trained)"
output stale-lock "$(field reports/reproduction.json is_stale)"
while read -r warning; do warn "${warning#warning: }"; done < <(grep '^warning: dvc.lock\|^warning: the same inputs' "$RUNNER_TEMP/lockgate-errors")
if [ "$(field reports/reproduction.json is_stale)" = true ]; then
  # shellcheck disable=SC2016 # Markdown, not a substitution
  summary '**`dvc.lock` is stale:** it is not of the files of this commit. Mend it: `dvc repro`, then commit `dvc.lock`.'
fi

# What earlier runs left accumulates; beyond this only what this commit needs is kept.
if [ -d .dvc/cache ] && [ "$(du -sm .dvc/cache | cut -f1)" -gt 1024 ]; then timed "dvc gc" dvc gc --quiet --force --workspace; fi
after=$(dvc_cache_state)
if [ "$LOCKGATE_SAVE_CACHE" = true ] && [ "$after" != "$before" ]; then output cache-key "$key-$after"; fi
[ "$code" -eq 0 ] || die "$(last_line "$RUNNER_TEMP/lockgate-errors")"
