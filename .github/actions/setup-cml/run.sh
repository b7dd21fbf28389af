#!/usr/bin/env bash
# No script of any package is run, no cache is trusted beside a token that may write, and npm sees no token.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

packages=$RUNNER_TEMP/lockgate-cml
rm -rf "$packages" && mkdir "$packages"
cp "$KIT/.github/actions/post-report/cml/"package*.json "$packages"

install_cml() {
  timeout --kill-after 10 180 npm ci --prefix "$packages" --silent --ignore-scripts --no-audit --no-fund --fetch-retries 1
}

if timed "CML" install_cml; then
  output cml "$packages/node_modules/.bin/cml"
else
  rm -rf "$packages"
  output cml ""
  warn "CML could not be installed from npm; the REST API does its work instead"
fi
