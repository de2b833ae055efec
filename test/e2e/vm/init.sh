#!/bin/busybox sh
# First program of the test machine: the host's root, read-only, under a layer in memory; a disk of its own for data;
# cgroup v2.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod "$module"; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro hostroot /lower || exec $b poweroff -f
$b mount -t tmpfs -o size=1g tmpfs /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new
$b mkdir -p /new/run /new/mnt/data /new/mnt/kernel
$b mount --move /dev /new/dev
$b mount --move /proc /new/proc
$b mount --move /sys /new/sys
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs shm /new/dev/shm
$b mount -t tmpfs run /new/run
$b mount -t cgroup2 cgroup /new/sys/fs/cgroup
$b mount -t ext4 /new/dev/vda /new/mnt/data
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro kernel /new/mnt/kernel
script=$($b sed 's/.*test_script=\([^ ]*\).*/\1/' /new/proc/cmdline)
exec $b switch_root /new /bin/bash "$script"
