#!/usr/bin/env bash
# From a pass to an image that is pushed by digest: accept, find or build, ask, pack, push, describe.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"
use_environment "$LOCKGATE_BIN"

one_of attest "$LOCKGATE_ATTEST" true false
work=$RUNNER_TEMP/lockgate-image
local_image=lockgate-release:${LOCKGATE_DIGEST:0:12}
context=lockgate-bundle-$LOCKGATE_VERDICT_DIGEST
image=$LOCKGATE_IMAGE
export GITHUB_TOKEN GH_TOKEN=$GITHUB_TOKEN

# Credentials are in a folder of this step's own, for docker, skopeo and gh, and gone with it.
DOCKER_CONFIG=$(mktemp -d "$RUNNER_TEMP/lockgate-docker.XXXXXX")
export DOCKER_CONFIG REGISTRY_AUTH_FILE=$DOCKER_CONFIG/config.json
container=
# Cleaning up changes nothing of how the step ended.
finish() {
  if [ -n "$container" ]; then docker rm --force --volumes "$container" >/dev/null || true; fi
  rm -rf "$DOCKER_CONFIG"
}
trap finish EXIT
printf '{}' >"$REGISTRY_AUTH_FILE"

accept() {
  lockgate release accept --bundle "$LOCKGATE_BUNDLE" --verdict "$LOCKGATE_VERDICT" --result "$LOCKGATE_GATE_RESULT" \
    --said-verdict "$LOCKGATE_GATE_VERDICT" --digest "$LOCKGATE_DIGEST" --verdict-digest "$LOCKGATE_VERDICT_DIGEST"
}

build() {
  if [ -n "$LOCKGATE_DOCKERFILE" ]; then
    # Into the build's own context, which is the working directory.
    rm -rf "$context"
    mkdir "$context"
    cp -R "$LOCKGATE_BUNDLE/." "$context"
    cp "$LOCKGATE_VERDICT" "$context/gate.json"
    docker build --file "$LOCKGATE_DOCKERFILE" --tag "$local_image" --build-arg "BUNDLE=$context" \
      --build-arg "MODEL_DIGEST=$LOCKGATE_DIGEST" --label "lockgate.model.digest=$LOCKGATE_DIGEST" \
      --label "org.opencontainers.image.revision=$GITHUB_SHA" --label "org.opencontainers.image.version=$LOCKGATE_TAG" .
  else
    "$KIT/scripts/image" build --project "$PWD" --bundle "$(realpath "$LOCKGATE_BUNDLE")" \
      --verdict "$(realpath "$LOCKGATE_VERDICT")" --tag "$local_image" --version "$LOCKGATE_TAG" --revision "$GITHUB_SHA" \
      ${LOCKGATE_BASE:+--base "$LOCKGATE_BASE"}
  fi
}

# Starts the image as a user would and asks it the bundle's golden rows.
ask() {
  local url port
  if [ -n "$(docker network ls --quiet --filter driver=bridge)" ]; then
    container=$(docker run --detach --read-only --publish 127.0.0.1::8000 "$local_image")
    url=http://$(docker port "$container" 8000/tcp | head -n 1)
  else
    port=$(python -I -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    container=$(docker run --detach --read-only --network host --env LOCKGATE_HOST=127.0.0.1 --env "LOCKGATE_PORT=$port" "$local_image")
    url=http://127.0.0.1:$port
  fi
  if ! lockgate smoke "$url" --bundle "$LOCKGATE_BUNDLE"; then
    # A container without a log is refused all the same.
    docker logs --tail 50 "$container" 2>&1 | harmless >&2 || true
    die "the image does not answer as its bundle says, so nothing was pushed; its log is above"
  fi
  docker rm --force --volumes "$container" >/dev/null
  container=
}

unattested=()
if [ "$LOCKGATE_ATTEST" = false ]; then
  unattested=(--unattested)
  warn "the image goes without attestations, because \`attest\` is false"
fi
command -v docker >/dev/null || die "docker is not installed on this runner"
command -v skopeo >/dev/null || die "skopeo is not installed on this runner; GitHub's ubuntu runners have it"
timed "hand-over accepted" accept
# The image's name is checked before anything goes to the registry that it names.
if [ -n "$LOCKGATE_REGISTRY_PASSWORD" ]; then
  lockgate release log-in --image "$image" --username "$LOCKGATE_REGISTRY_USERNAME"
fi
unset LOCKGATE_REGISTRY_PASSWORD
rm -rf "$work"
mkdir "$work"
found=$(lockgate release find-image "$LOCKGATE_TAG" --image "$image" --digest "$LOCKGATE_DIGEST" --commit "$GITHUB_SHA" \
  --signer-workflow "$LOCKGATE_SIGNER_WORKFLOW" --work "$work" "${unattested[@]}")
if [ "$(sed -n 's/^found=//p' <<<"$found")" = true ]; then
  reference=$(sed -n 's/^reference=//p' <<<"$found")
  docker pull --quiet "$reference"
  docker tag "$reference" "$local_image"
  timed "golden rows asked" ask
else
  timed "image built" build
  timed "golden rows asked" ask
  timed "image packed" lockgate release pack-image "$local_image" --image "$image" --digest "$LOCKGATE_DIGEST" \
    --commit "$GITHUB_SHA" --work "$work"
  timed "image pushed by digest" lockgate release push-image --work "$work"
fi
timed "SBOM and verdict written" lockgate release describe-image "$local_image" --verdict "$LOCKGATE_VERDICT" --work "$work"
output work "$work"
seconds_table
