#!/bin/sh
# Runs as what the helper starts, in the sandbox's mount namespace, with its user and network namespace at descriptors
# 100 and 101: gives the machine a tap behind the sandbox's veth, then becomes the monitor without any right.
# $1: what `ip -batch` is told. $2: a machine's saved state for descriptor 3, or /dev/null. Then: the monitor.
set -eu
nsenter --net=/proc/self/fd/101 -- ip -batch "$1"
exec 3<"$2"
shift 2
exec nsenter --user=/proc/self/fd/100 --net=/proc/self/fd/101 -- "$@"
