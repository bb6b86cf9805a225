"""The signals that ask a run to save and stop, wherever they reach a process of ours. Imports nothing of ours."""

from __future__ import annotations

import signal

# Ctrl-C; what schedulers and `kill` send; a terminal or an ssh session that goes away; what Slurm sends ahead of the
# end of a job (`--signal=USR1`, `USR2`). Windows has the first two alone. SIGQUIT and SIGKILL end a process.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
