#!/bin/sh
# lsb_release(1) out of /etc/lsb-release.
. /etc/lsb-release
short= want=
for option in "$@"; do
  case $option in
    --short) short=1 ;;
    --id) want=$want'i' ;;
    --description) want=$want'd' ;;
    --release) want=$want'r' ;;
    --codename) want=$want'c' ;;
    --all) want=$want'idrc' ;;
    -[!-]*)
      letters=${option#-}
      case $letters in *s*) short=1 ;; esac
      case $letters in *a*) want=$want'idrc' ;; esac
      want=$want$letters
      ;;
  esac
done
show() {
  case $want in *"$1"*) [ "$short" ] && echo "$3" || printf '%s:\t%s\n' "$2" "$3" ;; esac
}
[ "$short" ] || [ "$want" ] || echo "No LSB modules are available."
show i 'Distributor ID' "$DISTRIB_ID"
show d Description "$DISTRIB_DESCRIPTION"
show r Release "$DISTRIB_RELEASE"
show c Codename "$DISTRIB_CODENAME"
