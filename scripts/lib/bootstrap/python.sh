# shellcheck shell=sh disable=SC2154
# Finds a Python that xyfleet can run on, or says how to get one. Sourced by bootstrap.sh when it makes an environment.

# Says one word about the Python that runs it, then its version and its real path (a name such as python3 may mean
# another version tomorrow). Understood by every Python, 2 included.
probe='
import os, sys
v = sys.version_info
word = "old" if v < (3, 11) else "new" if v >= (3, 14) else "ok"
for name in ("ssl", "sqlite3", "ctypes", "venv", "ensurepip") if word == "ok" else ():
    try:
        __import__(name)
    except ImportError:
        word = "novenv" if name in ("venv", "ensurepip") else "lacks-" + name
        break
if word == "ok" and sys.platform == "linux":
    try:
        os.close(os.pidfd_open(os.getpid()))
    except AttributeError:
        word = "lacks-os.pidfd_open"
    except OSError:
        word = "kernel"
print("%s %d.%d.%d %s" % (word, v[0], v[1], v[2], os.path.realpath(sys.executable)))
'

ask() { # $1 = a candidate; sets word, version, python; false when it does not even run (a broken pyenv shim, say)
    answer=$("$1" -I -c "$probe" 2>/dev/null </dev/null || "$1" -c "$probe" 2>/dev/null </dev/null) || return 1
    IFS=' ' read -r word version python <<ANSWER
$answer
ANSWER
    [ -n "$python" ]
}

find_python() {
    if [ -n "${XYFLEET_PYTHON-}" ]; then
        find_given_python
        return
    fi
    found=
    for name in python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 && ask "$name"; then
            if [ "$word" = ok ]; then return; fi
            case ${found%% *}/$word in # the nearer miss is the more useful news
            /* | old/* | new/lacks-* | new/novenv | new/kernel) found="$word $version" ;;
            esac
        fi
    done
    refuse_python "$found"
}

find_given_python() {
    name=$XYFLEET_PYTHON
    if ! ask "$name"; then
        fail "XYFLEET_PYTHON=$name does not run. Set it to a Python 3.11, 3.12 or 3.13, or unset it." \
            "XYFLEET_PYTHON=$name 无法运行。请设为 Python 3.11、3.12 或 3.13 的路径，或取消该变量。"
    fi
    if [ "$word" != ok ]; then refuse_python "$word $version"; fi
}

refuse_python() { # $1 = "word version" of the best one found; empty: none at all
    version=${1#* }
    case $1 in
    kernel*) old_kernel ;;
    novenv*)
        fail "Python $version has no venv module. Install it: $(venv_line "${version%.*}")" \
            "Python $version 缺少 venv 模块。请安装：$(venv_line "${version%.*}")"
        ;;
    lacks-*)
        lacking=${1%% *}
        lacking=${lacking#lacks-}
        fail "Python $version was built without $lacking. Install a complete one: $(python_line)" \
            "Python $version 编译时缺少 $lacking 。请安装完整的 Python：$(python_line)"
        ;;
    "")
        fail "no Python 3.11, 3.12 or 3.13 found. Install one: $(python_line)" \
            "没有找到 Python 3.11、3.12 或 3.13。请安装：$(python_line)"
        ;;
    *)
        fail "Python 3.11, 3.12 or 3.13 is needed, and the one here is $version. Install one beside it: $(python_line)" \
            "需要 Python 3.11、3.12 或 3.13，而本机是 ${version}。请另外安装一个：$(python_line)"
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
        echo "$(as_root "pacman -S python")$(text ", or (if that is 3.14 or later) " "，或（若其为 3.14 或更新）")$(pyenv_line)"
    elif has zypper; then
        as_root "zypper install python311"
    elif has brew; then
        echo "brew install python@3.13"
    else
        pyenv_line
    fi
}

apt_line() {
    for minor in 13 12 11; do
        if apt-cache show "python3.$minor" >/dev/null 2>&1; then
            as_root "apt install python3.$minor python3.$minor-venv"
            return
        fi
    done
    update=$(as_root "apt update")
    add=$(as_root "add-apt-repository ppa:deadsnakes/ppa")
    get=$(as_root "apt install python3.12 python3.12-venv")
    text "first run '$update' and start again; if this release is too old to have one: on Ubuntu $add && $get ; elsewhere $(pyenv_line)" \
        "先执行 $update 再重试；若系统版本太旧没有该软件包：Ubuntu 执行 $add && $get ；其他系统$(pyenv_line)"
}

venv_line() { # $1 = version without the patch level
    if has apt-get; then as_root "apt install python$1-venv"; else python_line; fi
}
