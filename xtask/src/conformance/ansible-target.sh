# Runs one target ($0) of ansible-core's integration suite, inside namespaces of its own, the way ansible-test does: a role gets a
# play around it, a script is run. LAYER: an empty folder. SUITE: the unpacked source. PROGRAMS: what is found first on the path.
# GITHUB: a folder with clones in the place of github.com, or nothing. CI_FILES: set where files made
# here stand in for those of ci-files.testing.ansible.com. PASS_OVER: tasks of the target (FILE:LINE) whose failure ends nothing.
mount -t tmpfs tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root" "$LAYER/upper-suite" "$LAYER/work-suite"
mount -t overlay overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" "$LAYER/root"
root=$LAYER/root
# Targets about services and the like want an init: systemd, which systemd-nspawn starts in the layer.
case $0 in
cron|hostname|service|service_facts|systemd) boots=yes ;;
*) boots= ;;
esac
if [ -z "$boots" ]; then
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t proc proc "$root/proc"
fi
mkdir -p "$root/conformance/ansible" "$root/conformance/bin" "$root/conformance/out"
mount -t overlay overlay -o "lowerdir=$SUITE,upperdir=$LAYER/upper-suite,workdir=$LAYER/work-suite" "$root/conformance/ansible"
if [ -L "$PROGRAMS/ansible-playbook" ]; then
    touch "$root/conformance/imgbuild"
    mount --bind "$PROGRAM" "$root/conformance/imgbuild"
    cp -P "$PROGRAMS"/* "$root/conformance/bin/"
    programs=/conformance/bin
else
    programs=$PROGRAMS
fi

integration=/conformance/ansible/test/integration
target=$integration/targets/$0
[ -d "$root$target" ] || { echo "the suite has no target $0"; exit 99; }
for place in $PASS_OVER; do
    sed -i "${place#*:}"'s/^\( *\)- \(.*\)/\1- ignore_errors: true\n\1  \2/' "$root$target/${place%:*}"
done
aliases=$root$target/aliases
[ -f "$aliases" ] || aliases=/dev/null
# Some tests hand on root's key.
mkdir -p "$root/root/.ssh"
rm -f "$root"/root/.ssh/*
ssh-keygen -q -t ed25519 -N '' -f "$root/root/.ssh/id_ed25519"
cp "$root/root/.ssh/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
chmod -R go= "$root/root/.ssh"
testhost='ansible_connection=local'
network=
start=
if grep -q '^needs/ssh' "$aliases"; then
    # Hosts of 127.0.0.0/8 are reached over SSH, in a network of the layer's own.
    grep -q '^context/controller' "$aliases" || testhost='ansible_connection=ssh ansible_host=127.0.0.1 ansible_user=root'
    mkdir -p "$root/run/sshd"
    rm -f "$root/etc/ssh/ssh_host_ed25519_key"
    ssh-keygen -q -t ed25519 -N '' -f "$root/etc/ssh/ssh_host_ed25519_key"
    network='unshare --net'
    start='ip link set lo up && /usr/sbin/sshd -f /dev/null -o UsePAM=yes -o Subsystem="sftp internal-sftp" -h /etc/ssh/ssh_host_ed25519_key &&'
fi
# One that every user may run: those of root's home are closed to the tests' unprivileged users.
python=/usr/bin/python3
[ -x "$root$python" ] || python=$(command -v python3)
# A machine with two gits has two of its templates, and the git target reads their paths as one.
[ ! -d "$root/usr/local/share/git-core/templates" ] || rm -rf "$root/usr/share/git-core/templates"
cat > "$root$integration/inventory" <<END
[testgroup]
testhost $testhost ansible_pipelining=yes ansible_python_interpreter=$python
END
echo '[defaults]' > "$root/conformance/ansible.cfg"

# ansible-test makes virtual environments for some scripts; what they want of one is its interpreter.
cat > "$root/conformance/bin/virtualenv.sh" <<END
mkdir -p "\$OUTPUT_DIR/venv/bin"
ln -sf $python "\$OUTPUT_DIR/venv/bin/python"
export PATH="\$OUTPUT_DIR/venv/bin:\$PATH"
END
# Some scripts have Ansible's settings printed, for people who read the log; nothing depends on it.
[ -x "$root$programs/ansible-config" ] || printf '#!/bin/sh\n' > "$root/conformance/bin/ansible-config"
chmod -f +x "$root/conformance/bin/ansible-config" || true
# The images that the suite is made for let pip install into the system's own Python.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
# They keep what apt has downloaded as well, which images of containers throw away.
rm -f "$root/etc/apt/apt.conf.d/docker-clean"
if [ "$0" = apt ] && [ ! -f "$root/etc/apt/sources.list" ]; then
    # There the distribution's packages are in one list, with their sources, and there are no others.
    awk -v RS= -F '\n' '{
        uri = suites = components = signed = ""
        for (i = 1; i <= NF; i++) {
            key = $i; sub(/:.*/, "", key); value = $i; sub(/^[^:]*: */, "", value)
            if (key == "URIs") uri = value
            if (key == "Suites") suites = value
            if (key == "Components") components = value
            if (key == "Signed-By") signed = "[signed-by=" value "] "
        }
        count = split(suites, suite, " ")
        for (i = 1; i <= count; i++) for (kind = 0; kind < 2; kind++)
            print (kind ? "deb-src " : "deb ") signed uri, suite[i], components
    }' "$root"/etc/apt/sources.list.d/debian.sources > "$root/etc/apt/sources.list"
    rm -f "$root"/etc/apt/sources.list.d/*
    # The suite's images have nothing to build with, so that a build dependency is a change.
    chroot "$root" dpkg --purge --force-depends build-essential > /dev/null 2>&1 || true
fi
export PATH="$programs:/conformance/bin:$PATH" HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export ANSIBLE_CONFIG=/conformance/ansible.cfg ANSIBLE_PLAYBOOK_DIR=$integration ANSIBLE_INVENTORY=/dev/null ANSIBLE_LIBRARY=/dev/null
export ANSIBLE_FORCE_HANDLERS=true ANSIBLE_HOST_PATTERN_MISMATCH=error ANSIBLE_DEPRECATION_WARNINGS=false ANSIBLE_DEVEL_WARNING=false
export ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_RETRY_FILES_ENABLED=false ANSIBLE_FORCE_COLOR=false
export OUTPUT_DIR=/conformance/out JUNIT_OUTPUT_DIR=/conformance/out INVENTORY_PATH=$integration/inventory
# What Ansible has for itself; imgbuild lets such conditionals pass with a warning unless it is told not to.
export ANSIBLE_ALLOW_BROKEN_CONDITIONALS=false
export ANSIBLE_TEST_ANSIBLE_VERSION=2.19.14
files=
if [ "$GITHUB" ]; then
    files=/conformance/files
    mkdir -p "$root$files/github.com"
    mount --bind "$GITHUB" "$root$files/github.com"
fi
if [ "$CI_FILES" ]; then
    # Stand-ins for what the suite's authors serve: packages of one file, an archive, and a key.
    files=/conformance/files
    served=$root$files/ci-files.testing.ansible.com/test/integration/targets
    mkdir -p "$served/apt" "$served/apt_key" "$served/dpkg_selections"
    package() {
        mkdir -p "$LAYER/package/DEBIAN" "$LAYER/package/usr/share/$1"
        echo "$1" > "$LAYER/package/usr/share/$1/$1"
        printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: nobody <nobody@localhost>\n%sDescription: stand-in\n' \
            "$1" "$2" "$3" "$4" > "$LAYER/package/DEBIAN/control"
        dpkg-deb --root-owner-group -b "$LAYER/package" "$served/apt/$1_$2_$3.deb" > /dev/null
        rm -r "$LAYER/package"
    }
    package hello 2.10-2ubuntu2 "$(dpkg --print-architecture)" ''
    package echo-hello 1.0 all 'Depends: vim-tiny
'
    cp "$served"/apt/hello_* "$served/dpkg_selections/"
    tar -czf "$served/apt/echo-hello-source.tar.gz" -C "$served/apt" echo-hello_1.0_all.deb
    cp "$(find /usr/share/keyrings -name '*.gpg' -size +0 | sort | head -n 1)" "$served/apt_key/apt-key-example-binary.gpg"
    # Others that these targets ask: any key will do for the one, the other forbids all.
    mkdir -p "$root$files/pkg.cloudflare.com" "$root$files/ppa.launchpad.net"
    cp "$served/apt_key/apt-key-example-binary.gpg" "$root$files/pkg.cloudflare.com/cloudflare-main.gpg"
fi
if [ "$files" ] || grep -qs '^needs/httptester' "$root$target/aliases"; then
    export HTTPTESTER=1
    chroot "$root" "$HTTPTESTER_PYTHON" -c "$HTTPTESTER_PROGRAM" /etc/hosts $files > "$LAYER/httptester" 2>&1 < /dev/null &
    tries=0
    until grep -q http.tests "$root/etc/hosts" || [ $((tries += 1)) -gt 300 ]; do sleep 0.1; done
    if [ "$files" ]; then
        cp "$root$files/cacert.pem" "$root/usr/local/share/ca-certificates/conformance.crt"
        chroot "$root" update-ca-certificates > /dev/null 2>&1
    fi
fi
# The suite's images have it, and the target looks for it.
[ "$0" != pip ] || chroot "$root" "$python" -m pip install -q coverage || true
enter="chroot $root"
if [ "$boots" ]; then
    # Its network is its own, with slirp4netns for the way out: this machine's ports are taken.
    mount -t proc proc /proc
    : > "$root/etc/machine-id"
    rm -f "$root/etc/resolv.conf"
    echo nameserver 10.0.2.3 > "$root/etc/resolv.conf"
    # Nothing but what the target is about: this machine's services are not to be started once more.
    for unit in "$root"/etc/systemd/system/multi-user.target.wants/*; do
        case $unit in */cron.service|*/ssh.service) ;; *) rm -f "$unit" ;; esac
    done
    for unit in console-getty getty@ systemd-resolved systemd-networkd systemd-timesyncd; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
    done
    mkdir -p /run/systemd/nspawn
    mount -t tmpfs tmpfs /run/systemd/nspawn
    unshare --net sh -c "ip link set lo up; exec systemd-nspawn -D $root --boot --register=no --keep-unit --quiet \
        --resolv-conf=off --timezone=off --link-journal=no --console=pipe --capability=all" > "$LAYER/console" 2>&1 < /dev/null &
    nspawn=$!
    until [ "$(readlink /proc/$nspawn/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
    slirp4netns --configure --mtu=65520 --disable-host-loopback --netns-type=path "/proc/$nspawn/ns/net" tap0 > "$LAYER/slirp" 2>&1 &
    tries=0
    while :; do
        init=$(cat "/proc/$nspawn/task/$nspawn/children") || { cat "$LAYER/console"; exit 99; }
        enter="nsenter --target ${init%% *} --mount --uts --ipc --net --pid --root --wd=/"
        case $($enter systemctl is-system-running 2> /dev/null) in running|degraded) break ;; esac
        [ $((tries += 1)) -lt 200 ] || { cat "$LAYER/console"; exit 99; }
        sleep 0.3
    done
fi
unset LAYER SUITE PROGRAMS PROGRAM HTTPTESTER_PYTHON HTTPTESTER_PROGRAM GITHUB CI_FILES PASS_OVER
# It installs and removes some dozens of packages.
case $0 in apt) limit=1800 ;; *) limit=600 ;; esac
facts=true
while read -r alias rest; do
    case $alias in
    env/set/*) alias=${alias#env/set/}; export "${alias%%/*}=${alias#*/}" ;;
    gather_facts/no) facts=false ;;
    esac
done < "$aliases"

if [ -f "$root$target/runme.sh" ]; then
    export ANSIBLE_PLAYBOOK_DIR="$target"
    exec timeout -k 5 "$limit" $network $enter sh -c "$start cd $target && exec ./runme.sh"
fi
cat > "$root$integration/$0-run.yml" <<END
[{"hosts": "testhost", "gather_facts": $facts, "vars": {"output_dir": "/conformance/out"}, "vars_files": [], "roles": ["$0"]}]
END
export ANSIBLE_ROLES_PATH=$integration/targets
exec timeout -k 5 "$limit" $network $enter sh -c "$start cd $integration && exec ansible-playbook $0-run.yml -i inventory"
