#!/bin/sh
# Process 1 of this machine is not a file of it. This one is here for programs that look for an init (invoke-rc.d), and
# for `telinit 0` and `telinit 6`.
case ${1-} in
  0) exec /sbin/poweroff ;;
  6) exec /sbin/reboot ;;
  q | Q | '') exit 0 ;;
  *)
    echo "${0##*/}: run level $1 is not supported here" >&2
    exit 1
    ;;
esac
