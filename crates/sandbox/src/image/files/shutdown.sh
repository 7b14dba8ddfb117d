#!/bin/sh
# shutdown, reboot, poweroff and halt for a machine whose process 1 obeys SIGTERM (power off) and SIGINT (reboot).
name=${0##*/}
case $name in
  reboot) signal=INT ;;
  *) signal=TERM ;;
esac
delay=
pidfile=/run/shutdown.pid
while [ $# -gt 0 ]; do
  case $1 in
    -r | --reboot) signal=INT ;;
    -h | -H | -P | -p | --halt | --poweroff | --power-off) signal=TERM ;;
    -c)
      [ -e "$pidfile" ] && kill "$(cat "$pidfile")" 2>/dev/null
      rm -f "$pidfile"
      exit 0
      ;;
    -f | --force | -w | --wtmp-only | -d | -n | -q | --no-wall | --quiet) ;;
    -k) exit 0 ;;
    now | +*) delay=$1 ;;
    [0-9]*:[0-9]*) delay=+$((($(date -d "$1" +%s) - $(date +%s) + 86400) % 86400 / 60)) ;;
    -*)
      echo "$name: unknown option $1" >&2
      exit 1
      ;;
    *) ;; # the message
  esac
  shift
done
[ "$(id -u)" = 0 ] || {
  echo "$name: must be superuser." >&2
  exit 1
}
# shutdown without a time waits a minute, the others don't.
[ "$name" = shutdown ] && : "${delay:=+1}"
case $delay in
  '' | now | +0) kill -s "$signal" 1 ;;
  +*)
    minutes=${delay#+}
    (
      trap '' HUP
      sleep $((minutes * 60))
      kill -s "$signal" 1
    ) >/dev/null 2>&1 </dev/null &
    echo $! >"$pidfile"
    echo "Shutdown scheduled in $minutes minutes, use 'shutdown -c' to cancel."
    ;;
esac
