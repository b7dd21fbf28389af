#!/usr/bin/env bash
# Three steps around the uploads and attestations between them: make (find or build, ask, pack), push, tag.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"
use_environment "$LOCKGATE_BIN"

one_of attest "$LOCKGATE_ATTEST" true false
work=$RUNNER_TEMP/lockgate-image
local_image=lockgate-release:${LOCKGATE_DIGEST:0:12}
image=${LOCKGATE_IMAGE:-ghcr.io/${GITHUB_REPOSITORY,,}}
signer=${LOCKGATE_SIGNER_WORKFLOW:-${GITHUB_ACTION_REPOSITORY:-$GITHUB_REPOSITORY}/.github/workflows/image.yml}
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
if [ -n "$LOCKGATE_REGISTRY_PASSWORD" ]; then
  tls=()
  case $image in 127.*|localhost:*) tls=(--tls-verify=false) ;; esac # as docker itself assumes of this machine
  printf '%s' "$LOCKGATE_REGISTRY_PASSWORD" |
    skopeo login "${tls[@]}" "${image%%/*}" --authfile "$REGISTRY_AUTH_FILE" --username "$LOCKGATE_REGISTRY_USERNAME" --password-stdin >/dev/null ||
    die "cannot log in to ${image%%/*} as $LOCKGATE_REGISTRY_USERNAME; check \`registry-username\` and \`registry-password\`"
fi

accept() {
  lockgate release accept --bundle "$LOCKGATE_BUNDLE" --verdict "$LOCKGATE_VERDICT" --result "$LOCKGATE_GATE_RESULT" \
    --said-verdict "$LOCKGATE_GATE_VERDICT" --digest "$LOCKGATE_DIGEST" --verdict-digest "$LOCKGATE_VERDICT_DIGEST"
}

build() {
  if [ -n "$LOCKGATE_DOCKERFILE" ]; then
    cp "$LOCKGATE_VERDICT" "$LOCKGATE_BUNDLE/gate.json"
    docker build --file "$LOCKGATE_DOCKERFILE" --tag "$local_image" --build-arg "BUNDLE=$LOCKGATE_BUNDLE" \
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

make() {
  local outputs found reference
  command -v docker >/dev/null || die "docker is not installed on this runner"
  command -v skopeo >/dev/null || die "skopeo is not installed on this runner; GitHub's ubuntu runners have it"
  timed "hand-over accepted" accept
  mkdir -p "$work"
  outputs=$(lockgate release find-image "$LOCKGATE_TAG" --image "$image" --digest "$LOCKGATE_DIGEST" --commit "$GITHUB_SHA" \
    --signer-workflow "$signer" --workflow "$LOCKGATE_RELEASE_WORKFLOW" --work "$work" "${unattested[@]}")
  found=$(sed -n 's/^found=//p' <<<"$outputs")
  reference=$(sed -n 's/^reference=//p' <<<"$outputs")
  if [ "$found" = none ]; then
    timed "image built" build
    timed "golden rows asked" ask
    timed "image packed" lockgate release pack-image "$local_image" --image "$image" --digest "$LOCKGATE_DIGEST" \
      --commit "$GITHUB_SHA" --work "$work"
  else
    docker pull --quiet "$reference"
    docker tag "$reference" "$local_image"
    timed "golden rows asked" ask
  fi
  output work "$work"
}

push() {
  if [ "$LOCKGATE_FOUND" = none ]; then timed "image pushed by digest" lockgate release push-image --work "$work"; fi
  timed "SBOM and verdict written" lockgate release describe-image "$local_image" --verdict "$LOCKGATE_VERDICT" --work "$work"
}

tag() {
  timed "attestations verified, tags given" lockgate release tag-image "$LOCKGATE_TAG" --bundle "$LOCKGATE_BUNDLE" \
    --verdict "$LOCKGATE_VERDICT" --signer-workflow "$signer" --work "$work" "${unattested[@]}"
  summary "**$LOCKGATE_TAG** is \`$(sed -n 's/^ *"image": "\(.*\)",$/\1/p' "$work/image.json")@$(sed -n 's/^ *"digest": "\(.*\)",$/\1/p' "$work/image.json")\`"
  seconds_table
}

unattested=()
if [ "$LOCKGATE_ATTEST" = false ]; then
  unattested=(--unattested)
  warn "the image goes without attestations, because \`attest\` is false"
fi
case ${1:-} in
make) make ;;
push) push ;;
tag) tag ;;
*) die "run.sh make|push|tag" ;;
esac
