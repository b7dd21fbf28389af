#!/usr/bin/env bash
# Two folders: the locked packages, cached under their lock's hash, and on top of them the kit itself, made anew for
# each version of it, so that runs of different versions on one machine do not meet.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of environment "$LOCKGATE_ENVIRONMENT" pipeline gate github release
one_of dvc-cache "$LOCKGATE_DVC_CACHE" true false
"$LOCKGATE_PYTHON" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$LOCKGATE_PYTHON" --version) is too old for Lockgate; give \`python-version\` 3.11 or newer"

lock=$KIT/requirements/$LOCKGATE_ENVIRONMENT.txt
# The interpreter's path is in the hash: an environment holds it.
version=$("$LOCKGATE_PYTHON" -I -c 'import platform, sys; print(platform.python_version(), sys.executable)')
locked=$({ printf '%s\n' "$version" "$RUNNER_OS" "$RUNNER_ARCH"; cat "$lock"; } | sha256sum | cut -c1-16)
home=$(environments)
packages=$home/$LOCKGATE_ENVIRONMENT-$locked
content=$(cd "$KIT" && find ./lockgate ./pyproject.toml ./.github/workflows -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z |
  xargs -0 sha256sum | sha256sum | cut -c1-16)
kit=$packages-$content
site=$("$LOCKGATE_PYTHON" -I -c 'import sys; print("lib/python%d.%d/site-packages" % sys.version_info[:2])')

place() {
  output packages "$packages"
  output key "lockgate-packages-1-$LOCKGATE_ENVIRONMENT-$locked"
  if [ -f "$packages/complete" ]; then output ready true; else output ready false; fi
  output dvc-key "$(dvc_cache_key)"
}

# uv is in the cached folder: a run that finds it installs nothing from an index.
make_packages() {
  rm -rf "$packages"
  "$LOCKGATE_PYTHON" -I -m venv "$packages"
  "$packages/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$KIT/requirements/bootstrap.txt"
  VIRTUAL_ENV=$packages "$packages/bin/uv" pip install --quiet --require-hashes --compile-bytecode --requirement "$lock"
  touch "$packages/complete"
}

make_kit() {
  rm -rf "$kit"
  "$LOCKGATE_PYTHON" -I -m venv --without-pip "$kit"
  printf '%s\n' "$packages/$site" >"$kit/$site/lockgate-packages.pth"
  # A copy, so that nothing is written into the action's own folder.
  local source
  source=$(mktemp -d "$RUNNER_TEMP/lockgate-kit.XXXXXX")
  mkdir "$source/.github"
  (cd "$KIT" && cp -R pyproject.toml README.md LICENSE lockgate "$source" && cp -R .github/workflows "$source/.github")
  VIRTUAL_ENV=$kit "$packages/bin/uv" pip install --quiet --no-deps --no-build-isolation --compile-bytecode "$source"
  rm -rf "$source"
  [ ! -e "$packages/bin/dvc" ] || ln -s "$packages/bin/dvc" "$kit/bin/dvc"
  touch "$kit/complete"
}

make() {
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock 9 # two jobs of one machine
  [ -f "$packages/complete" ] || timed "locked packages" make_packages
  [ -f "$kit/complete" ] || timed "the kit" make_kit
  printf '%s\n' "$kit/bin" >"$RUNNER_TEMP/lockgate-bin"
  output bin "$kit/bin"
}

case ${1:-} in
place) place ;;
make) make ;;
*) die "run.sh place|make" ;;
esac
