# packages.sh: installs what is missing; read by the launcher and by spec/run, which define say and step.
#
# A list has a line for each package: NAME PROOF WHY. The proof that it is there is a program or, with a colon,
# a pkg-config module.

# missing_packages LIST...: the lines whose proof fails, without the proof.
missing_packages() {
    cat "$@" | while read -r package proof why; do
        case $proof in
        :*) pkg-config --exists "${proof#:}" 2>/dev/null || echo "$package $why" ;;
        *) command -v "$proof" >/dev/null || echo "$package $why" ;;
        esac
    done
}

# Asks on a terminal only; everywhere else the answer is yes.
agreed() {
    if [ ! -t 0 ] || [ ! -t 2 ]; then return 0; fi
    printf 'symphony: install them now? [Y/n] ' >&2
    read -r answer || return 1
    case $answer in '' | [Yy]*) return 0 ;; *) return 1 ;; esac
}

# install_packages LIST...: names what is missing and why, and installs it where there is apt-get.
install_packages() {
    list=$(missing_packages "$@")
    if [ -z "$list" ]; then return 0; fi
    names=$(echo "$list" | cut -d' ' -f1 | tr '\n' ' ')
    say "needs $(echo "$list" | sed 's/ / (/; s/$/)/' | paste -sd, | sed 's/,/, /g')"
    if ! command -v apt-get >/dev/null; then
        say "these are Debian's names; please install what your system calls them"
        return 0
    fi
    as_root="env"
    if [ "$(id -u)" -ne 0 ]; then as_root=sudo; fi
    if ! command -v "$as_root" >/dev/null || ! agreed; then
        say "please run: apt-get install $names"
        exit 1
    fi
    if [ "$as_root" = sudo ] && [ -t 0 ]; then sudo -v; fi # it asks for the password here, not inside a step
    step 'updating the package list' "$as_root" apt-get -q -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086 # the names are words to split
    step 'installing packages' "$as_root" DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $names
}
