#!/bin/sh
# Builds the emulated board's disk: Debian 12 arm64, systemd, SSH, and edgekit in its slot a.
#   tools/board_vm/image.sh FOLDER
# Leaves base.img, vmlinuz, initrd.img and the key id_ed25519 in FOLDER. What is there and as
# asked is kept: Debian itself is fetched once. Needs root (it mounts, and makes files of others).
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$1"
folder=$(realpath "$1")
root=$folder/rootfs
python=.venv/bin/python
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=systemd,systemd-sysv,dbus,udev,kmod,openssh-server,python3,python3-venv,iproute2,procps
packages=$packages,linux-image-arm64,busybox,e2fsprogs,ca-certificates

say() { echo "board_vm: $*" >&2; }

if [ "$(id -u)" -ne 0 ]; then
    say "building the image needs root"
    exit 1
fi
tools/apt.sh mmdebstrap qemu-system-arm qemu-utils qemu-user-static binfmt-support socat \
    e2fsprogs openssh-client
mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || update-binfmts --enable qemu-aarch64

# In a name space of mounts of its own, so that none is left over. No /sys: the host's misleads
# the library by which onnxruntime looks at the CPU.
on_board() {
    unshare --mount --propagation private sh -euc '
        root=$1; shift
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        exec chroot "$root" "$@"' sh "$root" "$@"
}

# Debian's own looks for all that a disk could be on; this board has one.
make_initrd() {
    rm -rf "$root/tmp/initrd"
    mkdir -p "$root/tmp/initrd"
    # shellcheck disable=SC2016  # words for the board's shell
    on_board sh -euc '
        cd /tmp/initrd
        mkdir bin dev proc root
        cp /bin/busybox bin
        mkdir lib
        for library in $(ldd bin/busybox | grep -o "/lib/[^ ]*"); do cp "$library" lib; done
        version=$(ls /lib/modules)
        for module in virtio_pci virtio_blk crc32c_generic ext4; do
            modprobe -S "$version" --show-depends "$module"
        done | while read -r verb path; do
            [ "$verb" = insmod ] || continue
            cp "$path" .
            echo "/${path##*/}" >>modules
        done
        cat >init
        chmod 755 init
        find . | busybox cpio -o -H newc' <<'INIT'
#!/bin/busybox sh
alias b=/bin/busybox
b mount -t proc none /proc
b mount -t devtmpfs none /dev
while read -r module; do b insmod "$module" 2>/dev/null; done </modules
until [ -b /dev/vda ]; do b sleep 0.1; done
b mount -t ext4 -o rw,noatime /dev/vda /root
b mount --move /dev /root/dev
b umount /proc
exec /bin/busybox switch_root /root /sbin/init
INIT
    rm -rf "$root/tmp/initrd"
}

[ -f "$folder/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C board-vm -f "$folder/id_ed25519"

if [ ! -f "$root.is-whole" ]; then
    say "fetching Debian (some minutes, once)"
    rm -rf "$root"
    mmdebstrap --quiet --arch=arm64 --variant=minbase --include="$packages" \
        --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        bookworm "$root" "deb $mirror bookworm main"
    touch "$root.is-whole"
fi

say "making the wheel"
rm -rf "$folder/wheel"
$python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/wheel" .
wheel=$(ls "$folder"/wheel/*.whl)
digest() { # what a wheel holds, whenever it was made
    $python - "$1" <<'PYTHON'
import hashlib, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
print(hashlib.sha256(b"".join(n.encode() + wheel.read(n) for n in sorted(wheel.namelist()))).hexdigest())
PYTHON
}
stamp=$(digest "$wheel" && find systemd tools/board_vm/image.sh tools/constraints.txt -type f \
    -exec sha256sum {} + | sort | sha256sum)
if [ -f "$folder/base.img" ] && [ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ]; then
    say "the image is as asked"
    exit 0
fi
rm -f "$folder/stamp"

slot=/opt/edgekit/slots/a
if [ "$(cat "$folder/wheels.stamp" 2>/dev/null)" != "$(cat tools/constraints.txt pyproject.toml)" ] ||
    [ ! -x "$root$slot/bin/pip" ]; then
    say "fetching aarch64 wheels, and installing them"
    rm -rf "$folder/wheels" "$root/opt/edgekit"
    $python -m pip download --quiet --disable-pip-version-check --constraint tools/constraints.txt \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux2014_aarch64 --python-version 3.11 --implementation cp \
        --only-binary=:all: --dest "$folder/wheels" "$wheel"
    mkdir -p "$root/opt/edgekit/slots"
    on_board python3 -m venv "$slot"
    cat tools/constraints.txt pyproject.toml >"$folder/wheels.stamp"
fi
rm -f "$folder"/wheels/edgekit-*
cp "$wheel" "$folder/wheels"
rm -rf "$root/tmp/wheels"
cp -r "$folder/wheels" "$root/tmp/wheels"
on_board "$slot/bin/pip" uninstall --quiet --yes --disable-pip-version-check edgekit
on_board "$slot/bin/pip" install --quiet --disable-pip-version-check --no-index \
    --find-links /tmp/wheels edgekit
rm -rf "$root/tmp/wheels"
ln -sfn slots/a "$root/opt/edgekit/current"
ln -sfn current/bin "$root/opt/edgekit/bin"

say "setting up the system"
echo board-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost board-vm\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 defaults,noatime,errors=remount-ro 0 0\n' >"$root/etc/fstab"
mkdir -p "$root/root/.ssh" "$root/var/log/journal"
install -m 600 "$folder/id_ed25519.pub" "$root/root/.ssh/authorized_keys"
printf 'PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n' \
    >"$root/etc/ssh/sshd_config.d/vm.conf"
cat >"$root/etc/systemd/system/vm-network.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Before=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'modprobe virtio_net; for card in /sys/class/net/e*; do \
    ip link set "$${card##*/}" up; ip address add 10.0.2.15/24 dev "$${card##*/}"; done'
[Install]
WantedBy=multi-user.target
UNIT
install -m 644 systemd/*.service "$root/etc/systemd/system"
install -m 644 systemd/sysusers.d/edgekit.conf "$root/usr/lib/sysusers.d"
install -m 644 systemd/tmpfiles.d/edgekit.conf "$root/usr/lib/tmpfiles.d"
install -m 644 edgekit/daemon/boot_check.py "$root/opt/edgekit/boot_check.py"
on_board systemd-sysusers 2>/dev/null
on_board systemd-tmpfiles --create edgekit.conf
on_board systemctl --quiet enable vm-network ssh edgekit-boot-check
on_board systemctl --quiet set-default multi-user.target
# What the emulated board has no use for, and takes half a minute to start.
on_board systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    fstrim.timer e2scrub_all.timer e2scrub_reap.service getty.target kmod-static-nodes.service \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount modprobe@.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pstore.service \
    systemd-network-generator.service systemd-sysusers.service systemd-modules-load.service \
    systemd-sysctl.service systemd-udev-trigger.service systemd-networkd.service \
    systemd-networkd.socket
: >"$root/etc/machine-id"
: >"$root/etc/resolv.conf"

say "making the disk"
cp -L "$root"/boot/vmlinuz-* "$folder/vmlinuz"
make_initrd >"$folder/initrd.img"
rm -f "$folder/base.img.part"
mke2fs -q -F -t ext4 -L root -d "$root" "$folder/base.img.part" 4G
mv "$folder/base.img.part" "$folder/base.img"
printf '%s' "$stamp" >"$folder/stamp"
say "done: $folder/base.img"
