# Base images, made here from Debian's packages: nothing is pulled from a registry. Sourced by setup.sh.
#
#   sluice-base/busybox:1   /bin/sh and the usual small tools, from busybox-static
#   sluice-base/python:1    the same, and Debian's python3 with its standard library
#
# An image carries the hash of its recipe (this file), so a changed recipe makes it anew.

BUSYBOX_IMAGE=sluice-base/busybox:1
PYTHON_IMAGE=sluice-base/python:1
RECIPE=$(sha256sum "$REPOSITORY/tests/lib/images.sh" | cut -c1-16)

# Packages that Debian's python3 names and an image of one program does not use.
PYTHON_LEAVES_OUT='^(dpkg|install-info|mailcap|mime-support|tar|gcc-.*-base|(lib)?perl.*|libgdbm.*|libselinux1|libpcre2.*|libacl1|libmd0)$'

set_up_images() {
    image_is_current "$BUSYBOX_IMAGE" && image_is_current "$PYTHON_IMAGE" && return 0
    need "static_busybox" busybox-static
    install_missing "to make a base image"
    once images make_images
}

make_images() {
    local root=$SLUICE_DEV_DIR/root.$$
    image_is_current "$BUSYBOX_IMAGE" || make_image "$BUSYBOX_IMAGE" "$root" lay_busybox
    image_is_current "$PYTHON_IMAGE" || make_image "$PYTHON_IMAGE" "$root" lay_python
}

image_is_current() {
    [ "$(docker image inspect --format '{{index .Config.Labels "dev.sluice.recipe"}}' "$1" 2>/dev/null)" = "$RECIPE" ]
}

# make_image NAME ROOT LAY: lays the files under ROOT and imports them, owned by root whoever runs this.
make_image() {
    rm -rf "$2" && mkdir -p "$2"
    quietly "making the base image $1" import_image "$@"
    rm -rf "$2"
}

import_image() {
    "$3" "$2"
    tar -C "$2" --numeric-owner --owner=0 --group=0 --sort=name -cf - . | docker import \
        --change "LABEL dev.sluice.recipe=$RECIPE" \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["/bin/sh"]' - "$1"
}

# static_busybox: the path of a busybox that needs no library.
static_busybox() {
    local path
    path=$(command -v busybox) && ! ldd "$path" >/dev/null 2>&1 && printf '%s\n' "$path"
}

lay_busybox() {
    local root=$1 applet
    mkdir -p "$root"/{usr/{bin,sbin,lib,lib64,local/bin},etc,tmp,var/tmp,root,home,proc,sys,dev,run}
    for applet in bin sbin lib lib64; do ln -s "usr/$applet" "$root/$applet"; done
    chmod 1777 "$root/tmp" "$root/var/tmp"
    cp "$(static_busybox)" "$root/usr/bin/busybox"
    busybox --list-full | while read -r applet; do
        [ -e "$root/$applet" ] || ln -s /usr/bin/busybox "$root/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
}

lay_python() {
    local root=$1 packages=() package debs
    lay_busybox "$root"
    debs=$(mktemp -d)
    mapfile -t packages < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances python3 | grep '^[a-z0-9]' | sort -u | grep -vE "$PYTHON_LEAVES_OUT")
    (cd "$debs" && { apt-get download -q "${packages[@]}" || { apt_lists_again && apt-get download -q "${packages[@]}"; }; })
    for package in "$debs"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
            --exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/lintian*'
    done
    rm -rf "$debs"
    find "$root/usr/lib" -name __pycache__ -prune -exec rm -rf {} +
    ln -sf python3 "$root/usr/bin/python"
}

apt_lists_again() { [ "$(id -u)" -eq 0 ] && apt-get update -q; }
