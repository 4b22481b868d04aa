#!/bin/bash
# Two hosts on one machine: this shell is node0, and a network and host name of their own make node1. Each runs the
# command of its arguments as one rank, with an audit and a folder of its own. Run it as
# `unshare --user --map-root-user --net --uts two_hosts.sh HEADRACE COMMAND…`, in the folder for the audits.
set -euo pipefail
headrace=$1
shift
hostname node0
ip link set lo up
unshare --net --uts sleep 600 &
other=$!
trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
    [ "$(readlink /proc/$other/ns/uts)" != "$(readlink /proc/self/ns/uts)" ]; do
    sleep 0.05
done
on_node1() { nsenter --target $other --net --uts "$@"; }
on_node1 hostname node1
on_node1 ip link set lo up
ip link add v0 type veth peer name v1 netns $other
ip addr add 10.77.0.1/24 dev v0
on_node1 ip addr add 10.77.0.2/24 dev v1
ip link set v0 up
on_node1 ip link set v1 up
export MASTER_ADDR=10.77.0.1 MASTER_PORT=29517 WORLD_SIZE=2 LOCAL_RANK=0
RANK=1 GLOO_SOCKET_IFNAME=v1 on_node1 "$headrace" audit --quiet --dir node1 -- "$@" &
second=$!
RANK=0 GLOO_SOCKET_IFNAME=v0 "$headrace" audit --quiet --dir node0 -- "$@"
wait $second
