# Runs one target ($0) of ansible-core's integration suite, inside namespaces of its own, the way ansible-test does: a role gets a
# play around it, a script is run. LAYER: an empty folder. SUITE: the unpacked source. PROGRAMS: what is found first on the path.
mount -t tmpfs tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root" "$LAYER/upper-suite" "$LAYER/work-suite"
mount -t overlay overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" "$LAYER/root"
root=$LAYER/root
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
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
cat > "$root$integration/inventory" <<END
[testgroup]
testhost ansible_connection=local ansible_pipelining=yes ansible_python_interpreter=$(command -v python3)
END
echo '[defaults]' > "$root/conformance/ansible.cfg"

# ansible-test makes virtual environments for some scripts; what they want of one is not needed here.
: > "$root/conformance/bin/virtualenv.sh"
export PATH="$programs:/conformance/bin:$PATH" HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export ANSIBLE_CONFIG=/conformance/ansible.cfg ANSIBLE_PLAYBOOK_DIR=$integration ANSIBLE_INVENTORY=/dev/null ANSIBLE_LIBRARY=/dev/null
export ANSIBLE_FORCE_HANDLERS=true ANSIBLE_HOST_PATTERN_MISMATCH=error ANSIBLE_DEPRECATION_WARNINGS=false ANSIBLE_DEVEL_WARNING=false
export ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_RETRY_FILES_ENABLED=false ANSIBLE_FORCE_COLOR=false
export OUTPUT_DIR=/conformance/out JUNIT_OUTPUT_DIR=/conformance/out INVENTORY_PATH=$integration/inventory
export ANSIBLE_TEST_ANSIBLE_VERSION=2.19.14
unset LAYER SUITE PROGRAMS PROGRAM
facts=true
if [ -f "$root$target/aliases" ]; then
    while read -r alias rest; do
        case $alias in
        env/set/*) alias=${alias#env/set/}; export "${alias%%/*}=${alias#*/}" ;;
        gather_facts/no) facts=false ;;
        esac
    done < "$root$target/aliases"
fi

if [ -f "$root$target/runme.sh" ]; then
    export ANSIBLE_PLAYBOOK_DIR="$target"
    exec timeout -k 5 600 chroot "$root" sh -c "cd $target && exec ./runme.sh"
fi
cat > "$root$integration/$0-run.yml" <<END
[{"hosts": "testhost", "gather_facts": $facts, "vars": {"output_dir": "/conformance/out"}, "vars_files": [], "roles": ["$0"]}]
END
export ANSIBLE_ROLES_PATH=$integration/targets
exec timeout -k 5 600 chroot "$root" sh -c "cd $integration && exec ansible-playbook $0-run.yml -i inventory"
