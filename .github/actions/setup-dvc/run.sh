#!/usr/bin/env bash
# Two folders: the locked packages, and on top of them the kit itself. With a cache both stay on the machine, the packages
# under their lock's hash and the kit under its own, so that runs of different versions do not meet. Without one both are
# made anew for this job, in a folder whose name nobody knew before, and nothing that lay on the machine is looked at.
# shellcheck source-path=SCRIPTDIR source=../common.sh
. "${GITHUB_ACTION_PATH:?}/../common.sh"

one_of environment "$LOCKGATE_ENVIRONMENT" measure dask pipeline judge registry github release
one_of cache "$LOCKGATE_CACHE" true false
one_of dvc-cache "$LOCKGATE_DVC_CACHE" true false
[ "$LOCKGATE_CACHE-$LOCKGATE_DVC_CACHE" != false-true ] ||
  die "input \`dvc-cache\` is \`true\`, and \`cache\` is \`false\`; DVC's cache is a cache: give \`dvc-cache: \"false\"\` as well"
python=${LOCKGATE_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || die "there is no $python on this runner; install Python 3.11 or newer, with its module venv"
"$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$python is $("$python" --version), too old for Lockgate; it needs 3.11 or newer: give \`python-version\`, or without a cache another runner (ubuntu-24.04)"

lock=$KIT/requirements/$LOCKGATE_ENVIRONMENT.txt
version=$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$LOCKGATE_CACHE" = true ]; then
  home=$(environments)
  # The packages hold no interpreter and no path, so that any Python of the same minor version can use them.
  locked=$({ printf '%s\n' "$version" "$RUNNER_OS" "$RUNNER_ARCH"; cat "$lock" "$KIT/requirements/bootstrap.txt"; } | sha256sum | cut -c1-16)
  packages=$home/$LOCKGATE_ENVIRONMENT-$locked
  content=$({ "$python" -I -c 'import sys; print(sys.version, sys.executable)'
    cd "$KIT" && find ./lockgate ./pyproject.toml ./.github/workflows -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-16)
  kit=$packages-$content
  pip_options=() uv_options=()
else
  home=$(mktemp -d "$RUNNER_TEMP/lockgate-environment.XXXXXXXXXX")
  packages=$home/packages kit=$home/kit
  pip_options=(--no-cache-dir) uv_options=(--no-cache)
fi

place() {
  output packages "$packages"
  output key "lockgate-packages-2-$LOCKGATE_ENVIRONMENT-$locked"
  if [ -f "$packages/complete" ]; then output ready true; else output ready false; fi
  output dvc-key "$(dvc_cache_key)"
}

# uv is among the packages: a run that finds them installs nothing from an index.
make_packages() {
  rm -rf "$packages"
  local first
  first=$(mktemp -d "$RUNNER_TEMP/lockgate-uv.XXXXXXXXXX")
  "$python" -I -m venv "$first"
  "$first/bin/python" -I -m pip install --quiet --disable-pip-version-check --require-hashes "${pip_options[@]}" \
    --requirement "$KIT/requirements/bootstrap.txt"
  "$first/bin/uv" pip install --quiet --require-hashes "${uv_options[@]}" --python "$python" --target "$packages" \
    --requirement "$KIT/requirements/bootstrap.txt" --requirement "$lock"
  rm -rf "$first"
  touch "$packages/complete"
}

make_kit() {
  rm -rf "$kit"
  "$python" -I -m venv --without-pip "$kit"
  printf '%s\n' "$packages" >"$kit/lib/python$version/site-packages/lockgate-packages.pth"
  # A copy, so that nothing is written into the action's own folder.
  local source
  source=$(mktemp -d "$RUNNER_TEMP/lockgate-kit.XXXXXXXXXX")
  mkdir "$source/.github"
  (cd "$KIT" && cp -R pyproject.toml README.md LICENSE lockgate "$source" && cp -R .github/workflows "$source/.github")
  "$packages/bin/uv" pip install --quiet --no-deps --no-build-isolation "${uv_options[@]}" --python "$kit/bin/python" "$source"
  rm -rf "$source"
  ln -s "$packages/bin/uv" "$kit/bin/uv"
  if [ -d "$packages/dvc" ]; then
    # shellcheck disable=SC2016 # the launcher's own
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m dvc "$@"\n' >"$kit/bin/dvc"
    chmod +x "$kit/bin/dvc"
  fi
  touch "$kit/complete"
}

# Bytecode of what a run imports goes into the cache with it; that of all packages would be 350 MB more.
compile() {
  "$kit/bin/python" -I - <<'END'
from contextlib import suppress
from importlib import import_module

for name in (
    "dvc.repo", "lightgbm", "lockgate.cli.main", "matplotlib.pyplot", "mlflow.onnx", "onnxruntime", "pyarrow.parquet",
    "scipy.stats", "sklearn.linear_model", "xgboost",
):
    with suppress(ImportError):
        import_module(name)
END
}

make() {
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock 9 # two jobs of one machine
  [ -f "$packages/complete" ] || timed "locked packages" make_packages
  if [ ! -f "$kit/complete" ]; then
    timed "the kit" make_kit
    [ "$LOCKGATE_CACHE" = false ] || timed "bytecode" compile
  fi
  rm -f "$RUNNER_TEMP/lockgate-bin"
  printf '%s\n' "$kit/bin" >"$RUNNER_TEMP/lockgate-bin"
  output bin "$kit/bin"
}

case ${1:-} in
place) place ;;
make) make ;;
*) die "run.sh place|make" ;;
esac
