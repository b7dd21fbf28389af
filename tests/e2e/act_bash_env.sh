# act 0.2.89 loses what a step prints just before it fails; a moment more, and it is read.
# shellcheck shell=bash
trap '[ $? -eq 0 ] || sleep 0.3' EXIT
