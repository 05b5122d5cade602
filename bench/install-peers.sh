#!/usr/bin/env bash
# Installs what Hookline is compared with. Nothing of it is a dependency of the project: the PyPI packages go into an
# environment of their own, nginx and webhook come from Debian. What is missing is left out of a run.
set -euo pipefail
cd "$(dirname "$0")"
test -x .venv-peers/bin/python || python3 -m venv .venv-peers
.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
    "hookspool==0.2.0" "hookrelay[fastapi,sqlite]==0.4.0" "uvicorn[standard]"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get install -y -qq nginx-light webhook >/dev/null
    service nginx stop >/dev/null 2>&1 || true
fi
echo "peers installed"
