"""A Slurm of one machine with two nodes, for tests: its own munge, controller and node daemons, in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPort={ports[0]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=10
KillWait=10
JobRequeue=1
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} (Debian: apt-get install slurmctld slurmd slurm-client munge)"
    return None if os.geteuid() == 0 else "its daemons want to be started by root"


class PrivateSlurm:
    """Use as a context. `environment` is what its clients and jobs need."""

    def __enter__(self) -> PrivateSlurm:
        self.folder = Path(tempfile.mkdtemp(prefix="seek-slurm-", dir="/tmp"))  # a socket has a short name
        (self.folder / "state").mkdir()
        conf = CONF.format(host=socket.gethostname(), folder=self.folder, ports=[free_port() for _ in range(3)])
        (self.folder / "slurm.conf").write_text(conf, encoding="utf-8")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        munge = [f"--{name}-file={self.folder}/munge.{name}" for name in ("pid", "log", "seed", "key")]
        munge += [f"--socket={self.folder}/munge.socket", "--force", "--foreground"]
        self.daemons = {"munged": self.start("munged", *munge)}
        wait_until(lambda: (self.folder / "munge.socket").exists())
        self.daemons["slurmctld"] = self.start("slurmctld", "-D")
        for node in ("n1", "n2"):
            self.daemons[node] = self.start("slurmd", "-D", "-N", node)
        wait_until(lambda: self.ask("sinfo", "-h", "-o", "%t %D") == "idle 2")
        return self

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def ask(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip()

    def kill_node(self, node: str) -> None:
        """As when its power fails: the daemon, its jobs and all of their processes, at once."""
        self.daemons[node].kill()
        processes = {pid: (parent_of(pid), environment_of(pid)) for pid in all_pids()}
        tasks = [pid for pid, (_, text) in processes.items() if f"SLURMD_NODENAME={node}".encode() in text]
        steps = {processes[pid][0] for pid in tasks} - {1} - {os.getpid()}
        for pid in [*steps, *tasks]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def __exit__(self, *_: object) -> None:
        self.ask("scancel", "--full", "--signal=KILL", "--user=root")
        time.sleep(1)
        for daemon in reversed(self.daemons.values()):
            daemon.kill()
            daemon.wait()
        ours = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for pid in [one for one in all_pids() if ours in environment_of(one).split(b"\0")]:  # the daemon of a job
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def parent_of(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 1


def environment_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes()
    return b""


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.5)
