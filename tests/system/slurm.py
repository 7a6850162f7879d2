# SPDX-License-Identifier: Apache-2.0
"""A Slurm of our own on this machine: munged, slurmctld and a slurmd for each of several pretended nodes, all
of the user who runs the test, on loopback, with nothing outside one directory."""

import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import time

import system
from harness import WherryTest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
TIMEOUT = 60


def missing():
    """The programs that are not installed (scripts/install-dependencies test installs them)."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Cluster:
    """with Cluster(directory, nodes=2) as cluster: … cluster.environment makes sbatch and its kin speak to it."""

    def __init__(self, directory, nodes=2, processors=2):
        self.root = pathlib.Path(directory)
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.processors = processors
        self.daemons = {}
        self.config = self.root / "slurm.conf"
        self.environment = {**os.environ, "SLURM_CONF": str(self.config), "PATH": SEARCH}

    def __enter__(self):
        self.root.mkdir(mode=0o755, parents=True)
        for name in ("state", "spool", "munge"):
            (self.root / name).mkdir(mode=0o755)
        self.controller_port, *self.node_ports = free_ports(1 + len(self.nodes))
        self.config.write_text(self.configuration())
        (self.root / "cgroup.conf").write_text("CgroupAutomount=no\n")
        try:
            self.start_munge()
            self.start_controller()
            for node in self.nodes:
                self.start_node(node)
            self.wait(lambda: self.states() == {node: "idle" for node in self.nodes}, "idle nodes")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if "slurmctld" in self.daemons:
                self.end_jobs()
        finally:
            for name in reversed(list(self.daemons)):
                self.kill(name, signal.SIGTERM)

    def configuration(self):
        user = pwd.getpwuid(os.geteuid()).pw_name
        host = socket.gethostname().split(".")[0]
        lines = [f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.processors} State=UNKNOWN"
                 for node, port in zip(self.nodes, self.node_ports)]
        return "\n".join([
            "ClusterName=test", f"SlurmctldHost={host}(127.0.0.1)", f"SlurmctldPort={self.controller_port}",
            f"SlurmUser={user}", f"SlurmdUser={user}", "AuthType=auth/munge", "CredType=cred/munge",
            f"AuthInfo=socket={self.root}/munge/socket", "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            "MpiDefault=none", "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "ReturnToService=2",
            "SwitchType=switch/none", "SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU",
            "SchedulerParameters=sched_min_interval=0,sched_interval=1,batch_sched_delay=0", "SlurmdTimeout=6", "SlurmctldTimeout=10",
            "KillWait=5", "InactiveLimit=0", "MinJobAge=300", "PriorityType=priority/basic", "FirstJobId=100",
            f"StateSaveLocation={self.root}/state", f"SlurmdSpoolDir={self.root}/spool/%n",
            f"SlurmctldPidFile={self.root}/slurmctld.pid", f"SlurmdPidFile={self.root}/slurmd-%n.pid",
            f"SlurmctldLogFile={self.root}/slurmctld.log", f"SlurmdLogFile={self.root}/slurmd-%n.log",
            "JobCompType=jobcomp/none", "AccountingStorageType=accounting_storage/none", "JobAcctGatherType=jobacct_gather/none",
            *lines, f"PartitionName=main Nodes={','.join(self.nodes)} Default=YES MaxTime=INFINITE State=UP", ""])

    # Daemons

    def start(self, name, words):
        log = open(self.root / f"{name}.out", "ab")
        # Without a group of its own it would get the ctrl-C of a developer's terminal.
        self.daemons[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                              env=self.environment, start_new_session=True)
        log.close()

    def start_munge(self):
        place = self.root / "munge"
        key = place / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.start("munged", [shutil.which("munged", path=SEARCH), "--foreground", "--force", f"--key-file={key}",
                              f"--socket={place}/socket", f"--pid-file={place}/pid", f"--log-file={place}/log",
                              f"--seed-file={place}/seed"])
        self.wait(lambda: (place / "socket").exists(), "munged")

    def start_controller(self):
        self.start("slurmctld", [shutil.which("slurmctld", path=SEARCH), "-D"])
        self.wait(lambda: self.call("scontrol", "ping").returncode == 0, "slurmctld")

    def start_node(self, node):
        self.start(node, [shutil.which("slurmd", path=SEARCH), "-D", "-N", node])

    def kill(self, name, how=signal.SIGKILL):
        process = self.daemons.pop(name)
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def lose_node(self, node):
        """As if its power had been cut: its slurmd and all processes of the jobs on it are gone at once."""
        self.kill(node)
        # First those that would tell the controller how the others ended.
        steps = sorted(self.processes_of(node), key=lambda pid: not self.is_step(pid))
        for pid in steps:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    @staticmethod
    def is_step(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"slurmstepd")
        except OSError:
            return False

    def processes_of(self, node):
        """What runs for jobs on a node: everything in their environment, and the slurmstepd above it."""
        found = set()
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text(errors="replace")
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"SLURM_CONF={self.config}".encode() in variables and f"SLURMD_NODENAME={node}".encode() in variables:
                parent = int(stat[stat.rindex(")") + 2:].split()[1])
                found.add(int(entry.name))
                if self.is_step(parent):
                    found.add(parent)
        return found

    def end_jobs(self):
        """The slurmstepd of a job waits for ever to tell a controller that is gone how the job ended."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self.call("scancel", f"--user={os.geteuid()}")
            if not self.call("squeue", "--noheader").stdout.strip():
                return
            select.select([], [], [], 0.1)

    # Asking

    def call(self, *words, **options):
        return subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT, **options)

    def states(self):
        """node -> state, of all nodes that the controller knows."""
        answer = self.call("sinfo", "--noheader", "--Node", "--format=%N %t")
        return dict(line.split() for line in answer.stdout.splitlines())

    def jobs(self):
        """id -> state, of all jobs that the controller remembers."""
        answer = self.call("squeue", "--noheader", "--states=all", "--format=%i %T")
        return dict(line.split() for line in answer.stdout.splitlines())

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}"
                         for path in sorted(self.root.glob("*.log")) + sorted(self.root.glob("*.out")))

    def wait(self, condition, what):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}:\n{self.logs()}")
            select.select([], [], [], 0.05)


class SlurmTest(WherryTest):
    """One cluster of two nodes for all tests of the class; what they start finds it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = system.Scratch()
        cls.addClassCleanup(cls.place.__exit__)
        cls.cluster = Cluster(cls.place.root / "slurm", nodes=2)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__)

    def setUp(self):
        super().setUp()
        self.environment.update({name: self.cluster.environment[name] for name in ("PATH", "SLURM_CONF")})
        self.addCleanup(lambda: self.cluster.call("scancel", "--state=RUNNING,PENDING", f"--user={os.geteuid()}"))
