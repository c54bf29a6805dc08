#!/bin/sh
# isolate.sh COMMAND...: runs a command in network and mount namespaces of its own, with a sysfs and a /run that belong to them, so
# that no link, route, ruleset or namespace name that a test makes is the real machine's.
set -eu
exec unshare -n -m --propagation private sh -euc '
  mount -t tmpfs -o mode=755 run /run
  mkdir /run/cgroup
  mount --rbind /sys/fs/cgroup /run/cgroup
  mount -t sysfs sysfs /sys
  mount --rbind /run/cgroup /sys/fs/cgroup
  umount -R -l /run/cgroup
  ip link set lo up
  exec "$@"
' isolate "$@"
