"""The canned model of `--demo`: it shows how replies look, and says that it is none."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from .clock import Clock
from .llm_status import Piece

NAME = "canned demo"
FIRST_S = 0.4     # before the first word, as a model thinks
TOKENS_PER_S = 40

REPLY = """**This answer is canned.** Treadle was started with `--demo`, so no model is asked, and every question gets \
these words. They show how a reply looks while it comes.

| Part | Where | What it does |
|---|---|---|
| Workflow | left | asks one question after the other and stores each answer |
| Chat | right | answers beside it, with a model on this computer |
| Menu | top left | opens another place, which says here what it is for |

To talk to a real model:

1. Install Ollama, as the page *Install Ollama* of the documentation says.
2. Start Treadle again, without `--demo`:

```bash
ollama serve &
make run
```

- [x] Replies stream, and **Stop** keeps what has come
- [ ] A real model, which knows the place and the run you have open
"""


async def reply(clock: Clock) -> AsyncGenerator[Piece, None]:
    """Yield the canned reply word by word, at the speed of a model."""
    await clock.sleep(FIRST_S)
    for token in re.findall(r"\s*\S+|\s+$", REPLY):
        yield Piece(text=token)
        await clock.sleep(1 / TOKENS_PER_S)
    yield Piece(done=True, reason="stop", tokens_per_s=TOKENS_PER_S)
