#!/bin/sh
# Runs as root in a mount namespace of its own, and becomes Firecracker's jailer: lays out what the jail is to hold,
# gives the machine its network card, and starts what takes the program's words from the machine to the helper's pipes.
# $1: sandbox (namespaces at descriptors 100 and 101, as the helper leaves them) or alone (a machine to be saved).
# $2: host uid and gid of the jail. $3: the jail's root. $4: what `ip -batch` is told. $5: folder of the machine.
# Then pairs of a file and its place in the jail, `--`, and the jailer's command line.
set -eu
where=$1 owner=$2 root=$3 tap=$4 state=$5
shift 5
mkdir -p "$root/run/arc" "$root/machine"
mount --bind "$state" "$root/run/arc"
while [ "$1" != -- ]; do
  : >"$root$2"
  mount --bind "$1" "$root$2"
  case $2 in /machine/disk) ;; *) mount -o remount,bind,ro "$root$2" ;; esac
  shift 2
done
shift
if [ "$where" = alone ]; then
  ip tuntap add dev tap0 mode tap user "$owner"
  # Not by exec: the signal that ends this shell with its parent is lost where the jailer becomes another user, and all
  # of this process namespace ends with its first process.
  "$@" >/dev/null
  exit
fi
nsenter --net=/proc/self/fd/101 -- ip -batch "$tap"
words_of() {
  setpriv --reuid "$owner" --regid "$owner" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    socat -u "UNIX-LISTEN:$state/guest_$1,mode=600" STDOUT </dev/null 2>/dev/null &
}
words_of 2
words_of 3 >&2
while [ ! -S "$state/guest_2" ] || [ ! -S "$state/guest_3" ]; do sleep 0.01; done
# What Firecracker itself says on its first line would stand in the sandbox's log.
exec nsenter --net=/proc/self/fd/101 -- "$@" >/dev/null
