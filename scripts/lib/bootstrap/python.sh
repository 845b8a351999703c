# shellcheck shell=sh disable=SC2034,SC2154
# Finds a Python that xyfleet can run on, or says how to get one. Sourced by bootstrap.sh when it makes an environment.

# The newest Python 3.x for which every pinned dependency has a ready-made build. A newer one is tried all the same.
newest=15

# Says one word about the Python that runs it, its version, where pip would come from, and its real path (a name such as
# python3 may mean another version tomorrow). Understood by every Python, 2 included.
probe='
import os, sys
v = sys.version_info
word = "old" if v < (3, 11) else "ok"
for name in ("ssl", "sqlite3", "ctypes") if word == "ok" else ():
    try:
        __import__(name)
    except ImportError:
        word = "lacks-" + name
        break
if word == "ok" and sys.platform == "linux":
    try:
        os.close(os.pidfd_open(os.getpid()))
    except AttributeError:
        word = "lacks-os.pidfd_open"
    except OSError:
        word = "kernel"
if word == "ok" and v[:2] > (3, int(sys.argv[1])):
    word = "newer"
pip = "bundled"
try:
    import ensurepip, venv
except ImportError:
    pip = "index"
print("%s %d.%d.%d %s %s" % (word, v[0], v[1], v[2], pip, os.path.realpath(sys.executable)))
'

ask() { # $1 = a candidate; sets word, version, pip, python; false when it does not even run (a broken pyenv shim, say)
    answer=$("$1" -I -c "$probe" "$newest" 2>/dev/null </dev/null || "$1" -c "$probe" "$newest" 2>/dev/null </dev/null) ||
        return 1
    IFS=' ' read -r word version pip python <<ANSWER
$answer
ANSWER
    [ -n "$python" ]
}

python_names() { # the newest known one first; then python3, whatever it is; then those that may come
    minor=$newest
    while [ "$minor" -ge 11 ]; do
        echo "python3.$minor"
        minor=$((minor - 1))
    done
    echo python3
    echo python
    minor=$newest
    while [ "$minor" -lt 40 ]; do
        minor=$((minor + 1))
        echo "python3.$minor"
    done
}

find_python() {
    if [ -n "${XYFLEET_PYTHON-}" ]; then
        find_given_python
        return
    fi
    found=
    newer=
    for name in $(python_names); do
        if has "$name" && ask "$name"; then
            case $word in
            ok) return ;;
            newer) newer=${newer:-$name} ;;
            esac
            case ${found%% *}/$word in # the nearer miss is the more useful news
            /* | old/*) found="$word $version" ;;
            esac
        fi
    done
    name=$newer
    if [ -z "$name" ] || ! ask "$name"; then refuse_python "$found"; fi
    say_newer
}

find_given_python() {
    name=$XYFLEET_PYTHON
    if ! ask "$name"; then
        fail "XYFLEET_PYTHON=$name does not run. Set it to a Python 3.11 or later, or unset it." \
            "XYFLEET_PYTHON=$name 无法运行。请设为 Python 3.11 或更新版本的路径，或取消该变量。"
    fi
    case $word in
    ok) ;;
    newer) say_newer ;;
    *) refuse_python "$word $version" ;;
    esac
}

is_newer() { # $1 = a version: newer than all that were tested?
    minor=${1#*.}
    [ "${minor%%.*}" -gt "$newest" ]
}

say_newer() {
    say "Python $version is newer than those tested with xyfleet (3.11 to 3.$newest); trying it" \
        "Python $version 比 xyfleet 测试过的版本（3.11 至 3.${newest}）更新，将尝试使用"
}

refuse_python() { # $1 = "word version" of the best one found; empty: none at all
    version=${1#* }
    case $1 in
    kernel*) old_kernel ;;
    lacks-*)
        lacking=${1%% *}
        lacking=${lacking#lacks-}
        fail "Python $version was built without $lacking. Install a complete one: $(python_line)" \
            "Python $version 编译时缺少 $lacking 。请安装完整的 Python：$(python_line)"
        ;;
    "")
        fail "no Python 3.11 or later found. Install one: $(python_line)" \
            "没有找到 Python 3.11 或更新版本。请安装：$(python_line)"
        ;;
    *)
        fail "Python 3.11 or later is needed, and the one here is $version. Install one beside it: $(python_line)" \
            "需要 Python 3.11 或更新版本，而本机是 ${version}。请另外安装一个：$(python_line)"
        ;;
    esac
}

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() { # $1 = a command for root
    if [ "$(id -u)" = 0 ]; then echo "$1"; else echo "sudo $1"; fi
}

pyenv_line() {
    text "with pyenv (pyenv install 3.12, then XYFLEET_PYTHON=~/.pyenv/versions/3.12.*/bin/python)" \
        "用 pyenv（pyenv install 3.12，再设 XYFLEET_PYTHON=~/.pyenv/versions/3.12.*/bin/python）"
}

python_line() { # how to install Python here
    if has apt-get; then
        apt_line
    elif has dnf; then
        as_root "dnf install python3.12"
    elif has yum; then
        echo "$(as_root "yum install python3.11")$(text ", or " "，或 ")$(pyenv_line)"
    elif has apk; then
        as_root "apk add python3"
    elif has pacman; then
        as_root "pacman -S python"
    elif has zypper; then
        as_root "zypper install python311"
    elif has brew; then
        echo "brew install python@3.13"
    else
        pyenv_line
    fi
}

apt_line() {
    for minor in $newest 13 12 11; do
        if apt-cache show "python3.$minor" >/dev/null 2>&1; then
            as_root "apt install python3.$minor"
            return
        fi
    done
    update=$(as_root "apt update")
    add=$(as_root "add-apt-repository ppa:deadsnakes/ppa")
    get=$(as_root "apt install python3.12")
    text "first run '$update' and start again; if this release is too old to have one: on Ubuntu $add && $get ; elsewhere $(pyenv_line)" \
        "先执行 $update 再重试；若系统版本太旧没有该软件包：Ubuntu 执行 $add && $get ；其他系统$(pyenv_line)"
}
