#!/usr/bin/env bash
# Becomes a machine of its own inside fresh process, network and mount namespaces: an sshd on 127.0.0.1:22 that lets
# in one throw-away key and whose logins live in a throw-away home. Nothing outside is reached or changed: `ray stop`
# sees this machine's processes only, and ports, Ray's folder and ssh's control sockets are its own.
#
# Usage: loopback_machine.sh FOLDER     (see loopback_machine.py, which makes the namespaces)
set -euo pipefail

folder=$1
control_sockets=/tmp/ray_ssh_$(id -un | tr -d '\n' | sha256sum | cut -c1-10)

ip link set lo up
for shared in /tmp/ray "$control_sockets"; do
    mkdir -p "$shared" "$folder/private$shared"
    mount --bind "$folder/private$shared" "$shared"
done

. "$(dirname "${BASH_SOURCE[0]}")/sshd.sh"
serve_ssh "$folder" 127.0.0.1
