#!/usr/bin/env bash
# Fetches the third-party files of the web pages from npm and checks them.
#
#   ./vendor.sh            fetch and compare with vendor/: fails on any difference
#   ./vendor.sh --update   fetch and replace vendor/ (after a version was changed in package.json)
#
# package-lock.json pins every package by its sha512, vendor/VENDOR.md lists every file by its sha256,
# and a unit test compares that table with what is embedded in the binary.
set -euo pipefail
cd "$(dirname "$0")"

mode="${1:-check}"
case "$mode" in
  check) ;;
  --update) ;;
  *) echo "vendor.sh: unknown argument '$mode'; use no argument or --update" >&2; exit 2 ;;
esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cp package.json .npmrc "$work/"
if [ "$mode" = --update ]; then
  cp package-lock.json "$work/"
  (cd "$work" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  cp "$work/package-lock.json" .
else
  cp package-lock.json "$work/"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
fi

node vendor.mjs "$work/node_modules" "$work/vendor"

if [ "$mode" = --update ]; then
  rm -rf vendor
  cp -r "$work/vendor" vendor
  echo "vendor/ replaced; now put the new folder names into pages/playground.html"
elif diff -r "$work/vendor" vendor >&2; then
  echo "vendor/ is exactly what npm serves"
else
  echo "vendor.sh: vendor/ differs from npm (see above); run ./vendor.sh --update and review the difference" >&2
  exit 1
fi
