# The program's interpreter: the main process of a sandbox. It reads no further word from outside; it runs steps in its
# foreground, one at a time, and writes what happens between their output, into one file, as marks (see `mark.rs`).
#
# POSIX sh, for dash, bash and busybox ash alike. On the way from step to step everything is a builtin: a fork costs as
# much as a small command. The lines before this one set sluice_* to the sandbox's own values.

# First life: take over the environment, then start again with an empty one. So what a step unsets stays unset, and no
# secret stands in the environment of process 1.
if [ "${1-}" != on ]; then
    exec >>"$sluice_records/output" 2>&1
    sluice_up=0 sluice_clock=-
    if [ -r /proc/uptime ]; then
        read -r sluice_up sluice_rest </proc/uptime
        sluice_booted=
        [ ! -r /proc/sys/kernel/random/boot_id ] || read -r sluice_booted </proc/sys/kernel/random/boot_id
        if [ "$sluice_booted" = "$sluice_boot" ]; then
            sluice_clock="boot $sluice_epoch"
        else
            sluice_clock="date $(date +%s)"
        fi
    fi
    sluice_text=
    if [ -n "$sluice_secrets" ]; then
        sluice_whole=
        while IFS= read -r sluice_line; do
            if [ "$sluice_line" = "$sluice_nonce" ]; then
                sluice_whole=1
                break
            fi
            sluice_text="$sluice_text$sluice_line
"
        done
        [ -n "$sluice_whole" ] || exit 75
    fi
    # From this mark on it has all that it needs; one that ends before it has done nothing.
    printf '\036%s 1 %s B %s\n' "$sluice_nonce" "$sluice_up" "$sluice_clock" || exit 74
    eval "$sluice_text"
    exec </dev/null
    case $sluice_shell in
    /*) ;;
    *) sluice_shell=$(command -v "$sluice_shell") || sluice_shell= ;;
    esac
    export -p >"$sluice_tmp/env.sh" || exit 73
    printf '%s\n' "$sluice_directory" >"$sluice_tmp/dir" || exit 73
    ! command -v env >/dev/null || exec env -i PATH="$PATH" "$sluice_sh" "$0" on "$sluice_shell"
    set -- on "$sluice_shell"
fi

# Second life. Sections call `section`, `step` and `final`; the last line calls `finish`.
shell=$2 with=$2 sequence=1 up=0 last=0 succeeding=1 failed= again= user=
script=$sluice_tmp/script.sh killed=0
# What this shell itself would say (`Terminated` of a step that was killed) is no output of the build. So its standard
# error leads nowhere, and scripts begin with turning theirs to 4, the output.
exec 4>&1 2>/dev/null
stop=$sluice_records/stop

# Writes a mark in one piece. When the disk takes no more, nothing that happens could be told: the program ends.
mark() {
    sequence=$((sequence + 1))
    read -r up rest </proc/uptime
    printf '\036%s %s %s %s\n' "$sluice_nonce" "$sequence" "$up" "$*" || exit 74
}

# Runs a text. It starts on line 4 of the script, after the three lines that bring back the state.
run() {
    printf '%s\n%s\nexport CODEBUILD_BUILD_SUCCEEDING=%s CODEBUILD_LAST_EXIT=%s; %s\n%s\n\n%s\n' \
        "$sluice_line_1" "$sluice_line_2" "$succeeding" "$last" "$2" "$1" "$sluice_after" >"$script" || {
        printf 'sluice: the command could not be written to %s\n' "$script"
        return 73
    }
    if [ -z "$shell" ]; then
        printf 'sluice: the image has no bash\n'
        return 127
    elif [ -z "$with" ]; then
        printf "sluice: cannot run as '%s': the image has no such user, or neither setpriv nor su\n" "$user"
        return 126
    fi
    $with "$script"
}

# Says so when the kernel has killed a process for the sandbox's memory since the last look: the exit status alone tells
# nobody why. Both kinds of control groups count such kills.
starved() {
    for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -r "$file" ] || continue
        while read -r word count; do
            [ "$word" = oom_kill ] && [ "$count" != "$killed" ] || continue
            killed=$count
            printf 'sluice: the kernel killed a process: the memory that the build may use is used up\n'
        done <"$file"
    done
}

# step SECTION STEP TEXT STATUSES: one step; STATUSES are those after which the section may run again.
step() {
    [ ! -e "$stop" ] || return 1
    mark s "$1" "$2"
    run "$3" "$sluice_line_3"
    last=$?
    [ "$last" = 0 ] || starved
    mark t "$1" "$2" "$last"
    [ "$last" != 0 ] || return 0
    case " $4 " in
    "  " | *" $last "*) again=1 ;;
    esac
    return 1
}

# final SECTION STEP TEXT STATUSES: the same in `finally`, which a stop does not leave out.
final() {
    mark f "$1" "$2"
    run "$3" "$sluice_line_3_finally"
    last=$?
    [ "$last" = 0 ] || starved
    mark g "$1" "$2" "$last"
    [ "$last" != 0 ] || return 0
    case " $4 " in
    "  " | *" $last "*) [ -n "$failed" ] || again=1 ;;
    esac
    return 1
}

# Makes `with` the words that run a script as that user, and lets the user write the state.
become() {
    user=$1 with=$shell
    [ -n "$user" ] || return 0
    with=
    case $user in
    -* | *[!A-Za-z0-9_.-]*) return 1 ;;
    esac
    uid=$(id -u "$user" 2>/dev/null) && gid=$(id -g "$user" 2>/dev/null) || return 1
    chown "$uid" "$sluice_tmp" "$sluice_tmp/env.sh" "$sluice_tmp/dir" || return 1
    if setpriv --reuid="$uid" --regid="$gid" --init-groups true 2>/dev/null; then
        with="setpriv --reuid=$uid --regid=$gid --init-groups $shell"
    elif su -p -s "$shell" "$user" -c : 2>&4; then
        with="su -p -s $shell $user"
    fi
}

# section NUMBER USER RETRIES NEXT: runs steps_NUMBER and finally_NUMBER, again as often as allowed.
section() {
    attempt=1 before=$succeeding
    become "$2"
    while :; do
        failed= again= succeeding=$before
        mark S "$1" "$attempt"
        "steps_$1" || failed=1 succeeding=0
        "finally_$1" || failed=1 succeeding=0
        if [ -n "$failed" ]; then mark E "$1" 0; else mark E "$1" 1; fi
        [ ! -e "$stop" ] || finish
        [ -n "$failed" ] || return 0
        [ -n "$again" ] && [ "$attempt" -le "$3" ] || break
        attempt=$((attempt + 1))
    done
    [ "$4" != end ] || finish
}

# Ends the program: the values, the owner, the last mark. What steps left running in the background ends before the
# folders are given back: nothing writes to them any more. Only where this is process 1 are all others its own.
finish() {
    with=$shell sluice_after=
    values
    [ "$$" != 1 ] || kill -KILL -1
    restore
    mark Z
    exit 0
}

# value FILE TEXT: runs a text that prints a value.
value() {
    run "$2" "" >"$sluice_records/values/$1" || rm -f "$sluice_records/values/$1"
}

# give OWNER FOLDER...: gives what the steps made in the folders to its owner.
give() {
    owner=$1
    shift
    for folder in "$@"; do
        find "$folder" -xdev ! -user "${owner%:*}" -exec chown -h "$owner" {} + 2>/dev/null || chown -hR "$owner" "$folder"
    done
}

