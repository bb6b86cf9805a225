"""What breaks or slows first where the results folder is on a file system on which every call takes milliseconds?

    python benchmarks/slow_disk.py --delay-ms 0 5 20      (pip install fusepy; Debian: apt-get install fuse3 libfuse2)

On such a file system (slow_files.py) a grid of tiny runs is run by two workers, and run again; a finished grid of 500
fake runs (scale.py) is looked at and compared. Each command has a mount of its own, so that nothing is cached before.
Prints wall seconds, and the calls that reached the file system.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scale

SERVER = Path(__file__).with_name("slow_files.py")
GRID = """
seeds = 4
[settings]
pair = { base = "resnet8", motivated = "resnet14" }
data.name = "synthetic:1x8x8:3:120"
train = { epochs = 5, batch_size = 4 }
runtime = { device = "cpu", threads = 1 }
[[arms]]
motivation.k = 1
[[arms]]
schedule = "base"
"""


class Mounted:
    """Use as a context. Afterwards `calls` has the number of calls of each kind."""

    def __init__(self, source: Path, mount: Path, delay_ms: float) -> None:
        self.mount = mount
        words = [str(SERVER), str(source), str(mount), str(delay_ms)]
        self.process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Mounted:
        until = time.monotonic() + 30
        while not self.mount.is_mount():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit("not run: the file system cannot be mounted here (see above)")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["fusermount", "-u", str(self.mount)], check=True)
        said, _ = self.process.communicate(timeout=30)
        self.calls: dict[str, int] = json.loads(said.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay-ms", type=float, nargs="+", default=[0, 5, 20])
    options = parser.parse_args()
    try:
        import fuse  # noqa: F401
    except (ImportError, OSError) as error:
        print(f"not run: {error} (pip install fusepy; Debian: apt-get install fuse3 libfuse2)")
        return 0
    for delay_ms in options.delay_ms:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), delay_ms)
    return 0


def measure(folder: Path, delay_ms: float) -> None:
    source, mount = folder / "source", folder / "mount"
    for made in (source, mount):
        made.mkdir()
    small, large = folder / "small.toml", folder / "large.toml"
    small.write_text(GRID, encoding="utf-8")
    large.write_text(scale.grid_text(500), encoding="utf-8")
    subprocess.run([sys.executable, scale.__file__, "--work", str(large), str(source / "large")], check=True)
    commands = {
        "8 runs, 2 workers": ["grid", "run", str(small), "--jobs", "2", "--out", str(mount / "small")],
        "again, all done": ["grid", "run", str(small), "--jobs", "2", "--out", str(mount / "small")],
        "status of 500": ["grid", "status", str(large), "--out", str(mount / "large")],
        "compare 500": ["compare", str(mount / "large")],
    }
    for what, words in commands.items():
        with Mounted(source, mount, delay_ms) as slow:
            clock = time.perf_counter()
            command = [sys.executable, "-m", "seekcli", *words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - clock
        most = ", ".join(f"{name} {count:,}" for name, count in collections.Counter(slow.calls).most_common(5))
        total = sum(slow.calls.values())
        print(f"{delay_ms:4g} ms  {what:<18} {seconds:7.1f} s  {total:>7,} calls ({most})", flush=True)
        if done.returncode:
            print(f"      exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
