# shellcheck shell=sh disable=SC1091,SC2154
# Makes .venv ready. Sourced by scripts/xyfleet, scripts/test and others, which set `root` (the checkout) before. POSIX
# sh with coreutils only; the one Python it runs before there is an environment is the one it looks for.
#
# .venv/.xyfleet/ says what was done:
#   env       the folder and the Python that the environment was made for; written when it is whole
#   run, dev  check sums of all that decides what is installed; written when that is installed
#   busy      there while something is being installed: an install that was killed leaves it behind
# When all of them are as they should be, nothing is done and no Python is started.

# ---- words -----------------------------------------------------------------------------------------------------------

case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
zh*.[Gg][Bb]* | zh*.[Bb]ig5*) language=en ;; # the texts below are UTF-8
zh*) language=zh ;;
*) language=en ;;
esac

text() { # $1 = English, $2 = Chinese
    if [ "$language" = zh ]; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi
}

say() {
    printf 'xyfleet: %s\n' "$(text "$1" "$2")" >&2
}

fail() {
    say "$1" "$2"
    unlock
    exit 1
}

# ---- the whole of it -------------------------------------------------------------------------------------------------

bootstrap() { # $1 = run (what xyfleet needs) or dev (what its tests need too)
    venv=$root/.venv
    state=$venv/.xyfleet
    here=$root/scripts/lib/bootstrap
    sums=$(cat "$root/pyproject.toml" "$here"/*.sh "$here"/*.py "$here"/*.txt | cksum)
    if installed "$1"; then return; fi
    check_place
    lock
    if ! installed "$1"; then # another start may have done it while this one waited
        if ! whole; then make_environment; fi
        install "$1"
    fi
    unlock
}

installed() {
    whole && [ -x "$venv/bin/xyfleet" ] && [ -r "$state/$1" ] || return 1
    IFS= read -r done_sums <"$state/$1"
    [ "$done_sums" = "$sums" ]
}

whole() { # a moved folder, a Python that is gone, a killed install or another XYFLEET_PYTHON: not whole
    [ -x "$venv/bin/python" ] && [ ! -e "$state/busy" ] && [ -r "$state/env" ] || return 1
    { IFS= read -r made_in && IFS= read -r made_with; } <"$state/env"
    [ "$made_in" = "$root" ] && [ "${XYFLEET_PYTHON:-$made_with}" = "$made_with" ]
}

# ---- is this a place to install in? ----------------------------------------------------------------------------------

check_place() {
    release=$(uname -r)
    case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*)
        fail "xyfleet needs Linux. On Windows install WSL (run: wsl --install), then start it from the Linux side." \
            "xyfleet 需要 Linux。在 Windows 上请先安装 WSL（执行：wsl --install），再从 Linux 里启动。"
        ;;
    Linux) check_kernel ;; # before Python: where it fails, installing one would be in vain
    esac
    case $release/$root/ in
    *[Mm]icrosoft*/mnt/[a-z]/*)
        fail "this folder ($root) is on a Windows drive, where xyfleet cannot keep its sockets and file rights. Move it to your Linux home: cp -r '$root' ~/ and start it from there." \
            "当前文件夹（${root}）在 Windows 盘上，xyfleet 无法在那里使用套接字和文件权限。请移到 Linux 主目录：cp -r '$root' ~/ ，再从那里启动。"
        ;;
    esac
    if ! (: >>"$root/.venv.lock") 2>/dev/null; then not_writable "$root"; fi
}

not_writable() {
    fail "cannot write in $1. Make it yours (sudo chown -R $(id -un) '$root') or copy the folder to your home and start it there." \
        "无法写入 $1 。请把它改为自己所有（sudo chown -R $(id -un) '$root'），或复制到自己的主目录后再启动。"
}

check_kernel() {
    major=${release%%.*}
    minor=${release#*.}
    minor=${minor%%[!0-9]*}
    # pidfd came with 5.3. Some distributions carried it back to 4.18, so from there on the probe in Python decides.
    if [ "$major" -lt 4 ] || { [ "$major" -eq 4 ] && [ "$minor" -lt 18 ]; }; then old_kernel; fi
}

old_kernel() {
    fail "this machine's Linux kernel ($release) has no pidfd, which xyfleet needs: kernel 5.3 or later. Use a newer system, for example Debian 12, Ubuntu 22.04 or CentOS Stream 9. (In a container: its sandbox may forbid pidfd_open.)" \
        "本机的 Linux 内核（${release}）没有 xyfleet 所需的 pidfd，需要 5.3 或更新的内核。请换用较新的系统，例如 Debian 12、Ubuntu 22.04、CentOS Stream 9。（在容器里：可能是沙箱禁止了 pidfd_open。）"
}

# ---- one at a time ---------------------------------------------------------------------------------------------------

locked=

lock() {
    if command -v flock >/dev/null 2>&1; then
        exec 9>>"$root/.venv.lock"
        if ! flock -n 9; then
            say_waiting
            flock 9
        fi
    else
        lock_folder
    fi
    locked=yes
}

say_waiting() {
    say "another start is installing; waiting for it" "另一个启动正在安装，等待它完成"
}

lock_folder() { # without flock (macOS): a folder, with the owner's pid in it
    holder=$root/.venv.lock.d
    tries=0
    until mkdir "$holder" 2>/dev/null; do
        if [ "$tries" -eq 0 ]; then say_waiting; fi
        tries=$((tries + 1))
        if take_over; then return; fi
        if [ "$tries" -ge 1800 ]; then
            fail "another start has held $holder for half an hour. If none is running, remove that folder and start again." \
                "另一个启动占用 $holder 已达半小时。如果确认没有别的启动在运行，请删除该文件夹后重试。"
        fi
        sleep 1
    done
    echo "$$" >"$holder/pid"
}

take_over() { # of a lock whose owner died; `mkdir` lets only one of several waiters do it
    owner=
    if [ -r "$holder/pid" ]; then read -r owner <"$holder/pid"; fi
    [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null && ! ps -p "$owner" >/dev/null 2>&1 || return 1
    mkdir "$holder/taking" 2>/dev/null || return 1
    read -r now_owner <"$holder/pid"
    if [ "$now_owner" = "$owner" ]; then echo "$$" >"$holder/pid"; fi
    rmdir "$holder/taking"
    [ "$now_owner" = "$owner" ]
}

unlock() { # before xyfleet is run: a fleet that goes on for days must not hold the lock
    if [ -z "$locked" ]; then return; fi
    if [ -n "${holder-}" ]; then rm -rf "$holder"; else exec 9>&-; fi
    locked=
}

# ---- the environment -------------------------------------------------------------------------------------------------

make_environment() {
    . "$here/python.sh"
    find_python # sets name, python, version, pip
    if [ -e "$venv" ]; then
        say "the environment in .venv is incomplete or made for another place; making it anew with Python $version" \
            ".venv 中的环境不完整或属于别处，正在用 Python $version 重建"
    else
        say "first start: making an environment with Python $version" "首次启动：正在用 Python $version 创建环境"
    fi
    if [ "$pip" = index ]; then
        say "this Python comes without pip; downloading pip $(pip_version)" "这个 Python 不带 pip，正在下载 pip $(pip_version)"
    fi
    log=$root/.venv.log
    if ! rm -rf "$venv" 2>/dev/null; then not_writable "$venv"; fi
    if ! { make_venv && mkdir "$state"; } >"$log" 2>&1 </dev/null; then explain_venv; fi
    rm -f "$log"
    printf '%s\n' "$root" "${XYFLEET_PYTHON:-$name}" "$version" >"$state/env"
}

make_venv() {
    case $pip in
    bundled) "$python" -I -m venv "$venv" ;;
    # Without site-packages: in them lies, on many a machine, a package named `scripts`.
    index) (cd "$root" && "$python" -BEsS -m scripts.lib.bootstrap.environment "$venv") ;;
    esac
}

explain_venv() {
    IFS=' ' read -r failed kind detail <<LINE
$(last_line)
LINE
    mirror="export PIP_INDEX_URL=https://<mirror>/simple"
    case $failed/$kind in
    failed/network)
        fail "pip, which this Python comes without, could not be downloaded ($detail). Check the network (a proxy: export HTTPS_PROXY=…) and start again; if the package index cannot be reached from here, name a mirror: $mirror" \
            "本机的 Python 不带 pip，而 pip 下载失败（${detail}）。请检查网络（使用代理：export HTTPS_PROXY=…）后重试；若从本地无法访问软件源，请指定镜像：$mirror"
        ;;
    failed/missing)
        fail "the package index that pip's settings name lacks pip $(pip_version) ($detail). Name another mirror: $mirror" \
            "pip 设置所指的软件源没有 pip $(pip_version)（${detail}）。请指定另一个镜像：$mirror"
        ;;
    failed/refused)
        fail "the package index that pip's settings name refused to give pip ($detail). Check user and password in them, or name another: $mirror" \
            "pip 设置所指的软件源拒绝提供 pip（${detail}）。请检查其中的用户名和密码，或指定另一个：$mirror"
        ;;
    failed/certificate)
        fail "the certificate of the package index could not be verified ($detail). If your network has a certificate of its own, name its file: export PIP_CERT=/path/to/ca.pem" \
            "无法验证软件源的证书（${detail}）。如果所在网络使用自己的证书，请指定其文件：export PIP_CERT=/path/to/ca.pem"
        ;;
    failed/hash)
        fail "what was downloaded as pip $(pip_version) is not pip: its check sum is another ($detail). Nothing was installed. Name another mirror: $mirror" \
            "下载到的 pip $(pip_version) 校验和不符（${detail}），没有安装任何内容。请指定另一个镜像：$mirror"
        ;;
    failed/settings)
        fail "pip, which this Python comes without, cannot be taken from where pip's settings say: $detail" \
            "本机的 Python 不带 pip，而按 pip 的设置无法获取它：$detail"
        ;;
    esac
    fail "could not make $venv: $(last_line)" "无法创建 ${venv}：$(last_line)"
}

pip_version() {
    sed -n 's/^VERSION = "\(.*\)"$/\1/p' "$here/pip_wheel.py"
}

last_line() {
    grep -v '^ *$' "$log" | tail -n 1
}

install() { # $1 = run or dev
    if ! [ -w "$state" ] || ! [ -w "$venv/bin" ]; then not_writable "$venv"; fi
    : >"$state/busy"
    rm -f "$state/run" "$state/dev"
    log=$state/log
    if ! "$venv/bin/python" -I "$here/layout.py" "$root" "$1" >"$log" 2>&1 </dev/null; then
        fail "could not lay out $venv: $(last_line). If this disk cannot hold symbolic links, move the folder to your home." \
            "无法布置 ${venv}：$(last_line)。如果这块磁盘不支持符号链接，请把文件夹移到主目录。"
    fi
    say "installing the needed packages (a minute or two when they must be downloaded)" \
        "正在安装所需的软件包（需要下载时约一两分钟）"
    run_pip
    rm -f "$state/busy"
    if ! pip_succeeded; then explain_pip; fi
    echo "$sums" >"$state/run"
    if [ "$1" = dev ]; then echo "$sums" >"$state/dev"; fi
    say "ready" "准备就绪"
}

run_pip() { # with the user's own pip settings: where from, through which proxy, how patient
    pip_settings=$("$venv/bin/python" -I -m pip config list 2>/dev/null </dev/null)
    set -- -c "$here/constraints.txt" -r "$state/requirements.txt"
    case $pip_settings in *timeout=*) ;; *) set -- "$@" --timeout 20 ;; esac
    case $pip_settings in *retries=*) ;; *) set -- "$@" --retries 3 ;; esac
    {
        # PIP_USER=0: a `user = true` of the user's settings would install outside of the environment, or fail.
        PIP_USER=0 "$venv/bin/python" -I -m pip install --no-input --disable-pip-version-check "$@" 2>&1 </dev/null
        echo "pip ended with $?"
    } | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in
        *Downloading*.metadata*) ;;
        *Downloading*)
            file=${line##*Downloading } # name-version-….whl (1.9 MB)
            IFS=- read -r name version rest <<FILE
${file##*/}
FILE
            printf '  %s %s %s (%s\n' "$(text downloading 下载)" "$name" "$version" "${rest##*(}" >&2
            ;;
        *"connection broken by"*) say "the network stalls; trying again" "网络不通畅，正在重试" ;;
        esac
    done
}

pip_succeeded() {
    [ "$(tail -n 1 "$log")" = "pip ended with 0" ]
}

log_says() {
    grep -Eqi "$1" "$log"
}

explain_pip() {
    . "$here/python.sh"
    { IFS= read -r _ && IFS= read -r _ && IFS= read -r version; } <"$state/env"
    unbuilt='failed building wheel|failed to build|command .*(cc|gcc|clang)'
    unknown='no matching distribution|could not find a version'
    if log_says 'no space left|disk quota'; then
        fail "the disk is full: free about 300 MB and start again." "磁盘已满：请腾出约 300 MB 空间后重试。"
    elif log_says 'permission denied|read-only file system'; then
        not_writable "$venv"
    elif log_says 'connection broken by|timed out|connectionerror|proxyerror|sslerror|httperror|could not fetch url|protocolerror|incompleteread'; then
        fail "the packages could not be downloaded: no network, or a stalled one. Check it and start again; if the package index is slow from here, set a mirror near you (for example your university's or cloud provider's): $venv/bin/python -m pip config set global.index-url https://<mirror>/simple  (details: $log)" \
            "软件包下载失败：网络不通或中途停住。请检查网络后重试；若从本地访问软件源较慢，请设置就近的镜像（例如所在高校或云服务商的）：$venv/bin/python -m pip config set global.index-url https://<镜像地址>/simple （详情见 ${log}）"
    elif log_says "$unbuilt|$unknown" && is_newer "$version"; then
        rm "$state/env" # so that the next start looks for another Python
        fail "not all packages can be installed on Python $version yet. Install an older one beside it: $(python_line)  (details: $log)" \
            "部分软件包还不能在 Python $version 上安装。请另外安装一个较旧的版本：$(python_line) （详情见 ${log}）"
    elif log_says "$unbuilt"; then
        fail "a package has no ready-made build for this machine and could not be compiled. Install a C compiler and Python's headers (build-essential python3-dev, or gcc python3-devel) and start again. (details: $log)" \
            "某个软件包没有适用于本机的现成版本，编译也失败了。请安装 C 编译器和 Python 头文件（build-essential python3-dev，或 gcc python3-devel）后重试。（详情见 ${log}）"
    elif log_says "$unknown"; then
        fail "the package index that pip uses lacks a needed package: $(grep -m 1 -i 'no matching distribution' "$log"). Set another mirror: $venv/bin/python -m pip config set global.index-url https://<mirror>/simple" \
            "pip 使用的软件源缺少所需的包：$(grep -m 1 -i 'no matching distribution' "$log")。请换一个镜像：$venv/bin/python -m pip config set global.index-url https://<镜像地址>/simple"
    fi
    fail "installing failed: $(grep -v '^pip ended' "$log" | tail -n 1)  (details: $log)" \
        "安装失败：$(grep -v '^pip ended' "$log" | tail -n 1)（详情见 ${log}）"
}
