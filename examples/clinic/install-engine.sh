#!/bin/sh
# Installs the engine, Restate's server, from its npm package into this folder: 216 MB, and nothing
# else. Its licence is the Business Source License 1.1: free for any use but offering it to others as
# a managed service.
set -eu
cd "$(dirname "$0")"
npm install --no-audit --no-fund --prefix engine @restatedev/restate-server-linux-x64@1.7.12
echo "Installed. Now: cargo run --manifest-path examples/clinic/Cargo.toml -- --kill"
