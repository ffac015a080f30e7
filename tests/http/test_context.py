"""What the model is told of a real run."""

from __future__ import annotations

from treadle.config import Settings
from treadle.conversation import Place
from treadle.core import Core

PLUGIN = '''
from treadle import workflow

@workflow("Site crawl", message="Name a site.", training="Crawl politely.")
async def site_crawl(ui):
    await ui.ask("Your name", str)
    await ui.ask("Start page", str)
'''


async def test_the_state_of_the_open_run_reaches_the_model_with_the_question(tmp_path, clock, ollama):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_crawl.py").write_text(PLUGIN)
    settings = Settings(data=tmp_path / "data", plugins=tmp_path / "plugins", ollama_host=ollama.url)
    async with Core.open(settings, clock=clock) as core:
        run = await core.runs.begin("site_crawl", {"value": ["Ada"]}, client_id="c1")
        await core.replies.send(1, "What next?", client_id="c2", place=Place("site_crawl", run.key))
        await ollama.until(lambda: ollama.chats)
        system, question = ollama.chats[0].body["messages"]
        assert all(part in system["content"] for part in ("Crawl politely.", "Your name: Ada", "Start page"))
        assert question == {"role": "user", "content": "What next?"}
        gone = await core.context.build(1, Place("site_crawl", "default-site_crawl-99"), upto=99)
        assert "The state of the open run" not in gone[0]["content"]
