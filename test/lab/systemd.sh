#!/bin/sh
# systemd.sh GROUP REPOSITORY: boots systemd on a lab machine, as pid 1 of pid, mount and control group namespaces inside those of the machine, whose network, /run
# and disk it has. GROUP is the machine's control group; REPOSITORY stays visible, wherever it is. Ends when it is killed or powers off. What systemd might
# change for the real machine (settings that are not of the network, control groups above its own, /var/log and the like) it gets read-only or as an own one.
set -eu
root=/sys/fs/cgroup
[ ! -d "$root/unified" ] || root=$root/unified
mkdir -p "$root/$1/systemd"
echo $$ > "$root/$1/systemd/cgroup.procs"
exec unshare -m -p -C --fork --kill-child=KILL --mount-proc --propagation private sh -euc '
  mkdir -p /run/repository
  mount --rbind "$0" /run/repository
  mount --bind /proc/sys/net /mnt
  mount --bind /proc/sys /proc/sys
  mount -o remount,bind,ro /proc/sys
  mount --move /mnt /proc/sys/net
  umount -R -l /sys
  mount -t sysfs sysfs /sys
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  for folder in /tmp /var/tmp /var/log /var/cache; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
  if [ ! -e "$0/package.json" ]; then mkdir -p "$0"; mount --rbind /run/repository "$0"; fi
  umount -R -l /run/repository
  mount --make-rshared /
  exec env -i container=lab PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=journal --show-status=no
' "$2"
