"""The exit codes. They are promises: scripts look at them."""

from __future__ import annotations

FAILED = 1         # something failed: a workflow, a plugin, the server
REFUSED = 2        # an argument or an answer was refused
WAITS = 3          # it waits for an answer that was not given
STOPPED = 4        # a job failed or was stopped
INTERRUPTED = 130  # Ctrl-C
