"""What the kernel, the user and the cgroup allow is read, wherever they say it."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import pytest

from xyfleet.supervisor.config.machine_limits import Allowance, Limits, read_limits, total_memory

MIB = 1024**2


class Machine:
    """Folders that look like /proc and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.cgroup = folder / "cgroup"
        self.write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    600 kB\n")
        self.write("proc/sys/kernel/pid_max", "32768\n")
        self.write("proc/sys/kernel/threads-max", "60000\n")
        self.write("proc/sys/fs/pipe-user-pages-hard", "0\n")

    def write(self, name: str, text: str) -> None:
        """Write a file with its folders."""
        path = self.proc.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def limits(self, log_dir: Path | None = None, state_dir: Path | None = None) -> Limits:
        """Read the limits of this machine."""
        return read_limits(log_dir, state_dir, proc=self.proc, cgroup=self.cgroup)

    def names(self, allowances: tuple[Allowance, ...]) -> dict[str, int]:
        """Return allowances by place, the cgroup folder left out."""
        return {one.where.replace(f"{self.cgroup}/", ""): one.most for one in allowances}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without cgroups."""
    return Machine(tmp_path)


def test_the_kernels_limits(machine: Machine) -> None:
    """pid_max, threads-max, free memory, and the open files of this process."""
    found = read_limits(proc=machine.proc, cgroup=machine.cgroup, root=False)

    tasks = machine.names(found.tasks)
    assert (tasks["kernel.pid_max"], tasks["kernel.threads-max"]) == (32768, 60000)
    assert found.memory == (Allowance("MemAvailable", 600 * 1024),)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert found.files == (None if hard == resource.RLIM_INFINITY else hard)
    assert found.disk is None
    assert found.pipe_pages is None


def test_cgroup_v2_with_its_parents(machine: Machine) -> None:
    """Every level above counts; `max` is no limit; a level without the file is passed over."""
    machine.write("proc/self/cgroup", "0::/system.slice/x.service\n")
    machine.write("cgroup/system.slice/x.service/pids.max", "max\n")
    machine.write("cgroup/system.slice/pids.max", "500\n")
    machine.write("cgroup/system.slice/x.service/memory.max", "2097152\n")
    machine.write("cgroup/memory.max", "900000\n")

    found = machine.limits()

    assert machine.names(found.tasks)["system.slice/pids.max"] == 500
    assert "system.slice/x.service/pids.max" not in machine.names(found.tasks)
    assert machine.names(found.memory) == {
        "system.slice/x.service/memory.max": 2097152,
        "memory.max": 900000,
        "MemAvailable": 600 * 1024,
    }


def test_cgroup_v1(machine: Machine) -> None:
    """Controllers have folders of their own; a giant number means no limit; a container's path may not be visible."""
    machine.write("proc/self/cgroup", "5:cpu,cpuacct:/\n4:pids:/docker/abc\n3:memory:/docker/abc\n0::/docker/abc\n")
    machine.write("cgroup/pids/pids.max", "300\n")
    machine.write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    machine.write("cgroup/memory/docker/abc/memory.limit_in_bytes", "1048576\n")
    machine.write("cgroup/unified/docker/abc/pids.max", "77\n")

    found = machine.limits()

    assert machine.names(found.tasks)["pids/pids.max"] == 300
    assert machine.names(found.tasks)["unified/docker/abc/pids.max"] == 77
    assert machine.names(found.memory) == {
        "memory/docker/abc/memory.limit_in_bytes": 1048576,
        "MemAvailable": 600 * 1024,
    }


def test_a_cgroup_path_can_not_leave_its_mount(machine: Machine) -> None:
    """Seen from another namespace a path begins with `..`; what is above the mount is not read."""
    machine.write("proc/self/cgroup", "0::/../../x\n")
    machine.write("x/pids.max", "5\n")
    machine.write("cgroup/pids.max", "900\n")

    tasks = machine.names(machine.limits().tasks)

    assert tasks["pids.max"] == 900
    assert 5 not in tasks.values()


def test_total_memory_is_what_the_cgroup_leaves(machine: Machine) -> None:
    """The machine's memory, or the least of the limits above us; 0 when /proc is hidden."""
    assert total_memory(proc=machine.proc, cgroup=machine.cgroup) == 1000 * 1024

    machine.write("proc/self/cgroup", "0::/a\n")
    machine.write("cgroup/a/memory.max", "4096\n")
    assert total_memory(proc=machine.proc, cgroup=machine.cgroup) == 4096

    shutil.rmtree(machine.proc)
    assert total_memory(proc=machine.proc, cgroup=machine.cgroup) == 0
    assert machine.limits().memory == ()


def test_the_disk_of_a_folder_to_be(machine: Machine, tmp_path: Path) -> None:
    """The nearest folder that exists tells what is free."""
    found = machine.limits(tmp_path / "not/yet/there").disk

    assert found is not None
    assert found.where == str(tmp_path)
    assert 0 < found.most <= shutil.disk_usage(tmp_path).total


def test_this_machine_can_be_read() -> None:
    """The real /proc and cgroups give plausible numbers."""
    found = read_limits(Path("/tmp"))

    assert any(one.where == "kernel.pid_max" for one in found.tasks)
    assert found.memory
    assert total_memory() > 100 * MIB


def test_a_plain_user_has_further_limits(machine: Machine) -> None:
    """RLIMIT_NPROC and the hard limit of pipe pages hold for everybody but root."""
    machine.write("proc/sys/fs/pipe-user-pages-hard", "4096\n")
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]

    plain, root = (read_limits(proc=machine.proc, cgroup=machine.cgroup, root=root) for root in (False, True))

    assert (plain.pipe_pages, root.pipe_pages) == (4096, None)
    expected = None if hard == resource.RLIM_INFINITY else hard
    assert machine.names(plain.tasks).get("ulimit -Hu") == expected
    assert "ulimit -Hu" not in machine.names(root.tasks)
