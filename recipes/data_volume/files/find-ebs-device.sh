#!/bin/sh
# find-ebs-device.sh /dev/sdX: prints the block device that is attached to this instance under that EC2 name.
# Waits a minute for it: an attached volume may appear a moment after boot.
set -eu
want=$1
short=${want#/dev/}

# The name that the hypervisor wrote into the NVMe controller's vendor-specific bytes (identify controller, offset 3072).
nvme_name() {
  if command -v ebsnvme-id >/dev/null 2>&1; then
    ebsnvme-id --block-dev "$1" 2>/dev/null && return
  fi
  if command -v nvme >/dev/null 2>&1; then
    nvme id-ctrl --raw-binary "$1" 2>/dev/null | dd bs=1 skip=3072 count=32 2>/dev/null | tr -d ' \000' && return
  fi
  if command -v perl >/dev/null 2>&1; then
    # NVME_IOCTL_ADMIN_CMD = 0xC0484E41, opcode 6 (identify), cdw10 = 1 (controller).
    perl -e 'my $b = "\0" x 4096;
      my $c = pack("CCSLLLQQLLLLLLLLLL", 6, 0, 0, 0, 0, 0, 0, unpack("Q", pack("P", $b)), 0, 4096, 1, 0, 0, 0, 0, 0, 0, 0);
      open(my $f, "<", $ARGV[0]) or exit 1; ioctl($f, 0xC0484E41, $c) or exit 1;
      my $n = substr($b, 3072, 32); $n =~ s/[ \0]+//g; print "$n\n";' "$1" 2>/dev/null && return
  fi
  return 1
}

find_it() {
  # Xen types, and images whose udev rules make the link.
  for name in "$short" "xvd${short#sd}" "xvd${short#xvd}" "sd${short#xvd}"; do
    if [ -b "/dev/$name" ]; then readlink -f "/dev/$name"; return 0; fi
  done
  # Nitro types: ask each EBS controller for the name of its volume.
  candidates=
  for disk in /dev/nvme[0-9]*n1; do
    [ -b "$disk" ] || continue
    base=${disk#/dev/}
    model=$(cat "/sys/block/$base/device/model" 2>/dev/null || true)
    link=$(find /dev/disk/by-id -lname "*/$base" -name 'nvme-Amazon_Elastic_Block_Store_*' 2>/dev/null | head -n 1)
    case "$model$link" in *Amazon*Elastic*Block*Store*) ;; *) continue ;; esac
    name=$(nvme_name "$disk" || true)
    name=${name#/dev/}
    case "$name" in
      "$short" | "xvd${short#sd}" | "sd${short#xvd}") echo "$disk"; return 0 ;;
      "") candidates="$candidates $disk" ;;
    esac
  done
  # No tool here can ask the controller: take the volume only if there is no doubt, which is one disk without partitions
  # that is not mounted.
  free=
  for disk in $candidates; do
    base=${disk#/dev/}
    ls "/sys/block/$base/" 2>/dev/null | grep -q "^${base}p" && continue
    grep -q "^$disk" /proc/mounts && { [ "$(echo $candidates | wc -w)" -eq 1 ] || continue; }
    free="$free $disk"
  done
  set -- $free
  if [ $# -eq 1 ]; then echo "$1"; return 0; fi
  return 1
}

tries=0
until device=$(find_it); do
  tries=$((tries + 1))
  if [ $tries -ge 30 ]; then
    echo "no block device is attached as $want (looked for /dev/$short, /dev/xvd${short#sd} and EBS NVMe disks)" >&2
    ls -l /dev/xvd* /dev/sd* /dev/nvme*n* >&2 2>/dev/null || true
    exit 1
  fi
  sleep 2
done
echo "$device"
