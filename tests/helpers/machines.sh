#!/usr/bin/env bash
# Machines of a test: Linux namespaces joined by a bridge (see machines.py, which makes the outer namespaces).
#
# Usage: machines.sh switch FOLDER VISIBLE NAME...      becomes the bridge, and starts a machine for each name
#        machines.sh machine FOLDER VISIBLE ADDRESS     becomes one machine, whose files are all in FOLDER
#
# VISIBLE: folders, separated by colons, that stay what they are although each machine has a /tmp of its own.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

become_switch() {
    local folder=$1 visible=$2 number=0 name
    shift 2
    ip link set lo up
    ip link add bridge type bridge
    ip link set bridge up
    for name in "$@"; do
        number=$((number + 1))
        unshare --net --mount --uts --ipc --pid --fork --kill-child=KILL --mount-proc \
            bash "$here/machines.sh" machine "$folder/$name" "$visible" "10.77.0.$number" > "$folder/$name/machine.log" 2>&1 &
        until [ -e "$folder/$name/entered" ]; do sleep 0.02; done
        ip link add "to-$name" type veth peer name eth0 netns "$!"
        ip link set "to-$name" master bridge up
    done
    wait
}

become_machine() {
    local folder=$1 visible=$2 address=$3 shared=/tmp place
    local -a places
    touch "$folder/entered"
    echo "$(basename "$folder")" > /proc/sys/kernel/hostname
    mount --bind "$folder/hosts" /etc/hosts
    awk -F: -v OFS=: -v home="$folder/home" -v uid="$(id -u)" '$3 == uid { $6 = home } { print }' /etc/passwd > "$folder/passwd"
    mount --bind "$folder/passwd" /etc/passwd
    mount -t tmpfs tmpfs /dev/shm
    IFS=: read -ra places <<< "$visible"
    for place in "${places[@]}"; do
        case "$place" in "$shared"/*)
            mkdir -p "$folder/tmp/${place#"$shared/"}"
            mount --rbind "$place" "$folder/tmp/${place#"$shared/"}" ;;
        esac
    done
    mount --rbind "$folder/tmp" "$shared"
    until ip link show eth0 > /dev/null 2>&1; do sleep 0.02; done
    ip link set lo up
    ip address add "$address/24" dev eth0
    ip link set eth0 up
    ip route add default dev eth0
    . "$here/sshd.sh"
    serve_ssh "$folder" "$address"
}

role=$1
shift
"become_$role" "$@"
