#!/bin/sh
# Makes a machine of its own of the namespaces that unshare(1) has just made, and becomes its pid 1, which lives until its
# standard input ends: with the process that holds the other end. Wants in the environment: NAME, ID (the machine id), DIR (the
# machine's folder), ENGINE (a tree of packages), FORWARD (0 or 1), PRIVATE (folders that are the machine's own, kept in DIR).
set -eu

echo "$NAME" > /proc/sys/kernel/hostname

# What the machine writes stays in DIR. The lab's packages lie over /usr as if they were installed.
layer() {
  mkdir -p "$DIR/layers$1/upper" "$DIR/layers$1/work"
  mount -t overlay overlay -o "lowerdir=$2,upperdir=$DIR/layers$1/upper,workdir=$DIR/layers$1/work" "$1"
}
layer /usr "$ENGINE/usr:/usr"
layer /etc "/etc:$ENGINE/etc"
layer /opt /opt
layer /var/lib /var/lib

# sysfs shows the network namespace that it was mounted in: a new one, and the control groups back on it.
mkdir -p "$DIR/cgroup"
mount --rbind /sys/fs/cgroup "$DIR/cgroup"
umount -R -l /sys
mount -t sysfs sysfs /sys
mount --rbind "$DIR/cgroup" /sys/fs/cgroup
umount -R -l "$DIR/cgroup"

mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/netns /run/docker/plugins
mount --bind "$DIR/plugins" /run/docker/plugins
for folder in $PRIVATE; do
  mkdir -p "$folder" "$DIR/disk$folder"
  mount --bind "$DIR/disk$folder" "$folder"
done

rm -f /etc/resolv.conf /etc/machine-id
echo 'nameserver 192.0.2.53' > /etc/resolv.conf # nobody there: names outside of the lab fail at once
echo "$ID" > /etc/machine-id
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$NAME" > /etc/hosts

ip link set lo up
echo "$FORWARD" > /proc/sys/net/ipv4/ip_forward
echo "$FORWARD" > /proc/sys/net/ipv6/conf/all/forwarding

mount --make-rshared / # as systemd does; everything here was made private before, so nothing reaches the real machine
echo ready
exec tini -- cat
