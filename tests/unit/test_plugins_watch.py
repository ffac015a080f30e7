"""What is saved comes in by itself: files are looked at as the clock moves, and loaded once they stay as they are."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.clock import ManualClock
from tests.harness import until
from treadle.config import Settings
from treadle.errors import MissingPackage
from treadle.plugins import folders as plugins_folders
from treadle.plugins.registry import Broken, Plugins
from treadle.plugins.watch import POLL_S, Watch
from treadle.tasks import Tasks

HELLO = '''from treadle import workflow

@workflow("{title}", message="m", needs={needs})
async def hello(ui):
    ui.show("hello")
'''


def hello(title="Hello", needs=()):
    return HELLO.format(title=title, needs=needs)


class Watched:
    """A folder of plugins that is watched, and what was said of it."""

    def __init__(self, folder: Path, db, feed) -> None:
        self.folder, self.clock, self.tasks = folder / "plugins", ManualClock(), Tasks()
        self.folder.mkdir()
        self.save("040_hello.py", hello())
        self.plugins = Plugins(Settings(data=folder / "data", plugins=self.folder))
        self.plugins.load()
        self.feed = feed
        self.watch = Watch(db, feed, self.clock, self.tasks, self.plugins)
        self.told: list[str] = []

        async def tell(endpoints) -> None:
            self.told += endpoints

        self.watch.on_reload = tell
        self.watch.recover()

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def looks(self, times: int = 2) -> list[str]:
        """What the next looks find."""
        return [endpoint for _ in range(times) for endpoint in await self.watch.look()]


@pytest.fixture
def watched(tmp_path, db, feed):
    return Watched(tmp_path, db, feed)


async def test_what_is_saved_is_loaded_at_the_second_look_that_finds_it_alike(watched):
    assert await watched.looks(3) == []
    watched.save("040_hello.py", hello("Good day"))
    assert await watched.looks(1) == []
    assert await watched.looks(1) == ["hello"] == watched.told
    assert watched.plugins.get("hello").title == "Good day"
    assert await watched.looks(3) == []


async def test_a_file_saved_in_two_steps_never_shows_an_error(watched):
    await watched.looks()
    for half in ("", "from treadle import work", hello("New")):
        watched.save("040_hello.py", half)
        assert await watched.looks(1) == []
        assert watched.plugins.get("hello").title == "Hello"
    assert await watched.looks(1) == ["hello"]
    assert watched.plugins.get("hello").title == "New"


async def test_files_that_are_made_renamed_switched_off_or_removed_are_seen(watched):
    await watched.looks()
    watched.save("050_more.py", hello().replace("hello(ui)", "more(ui)"))
    assert await watched.looks() == ["more"]
    (watched.folder / "050_more.py").rename(watched.folder / "xx_050_more.py")
    assert await watched.looks() == ["more"]
    assert watched.plugins.get("more") is None
    (watched.folder / "xx_050_more.py").rename(watched.folder / "010_more.py")
    assert await watched.looks() == ["more"]
    assert [item.endpoint for item in watched.plugins.all()] == ["more", "hello"]
    (watched.folder / "010_more.py").unlink()
    assert await watched.looks() == ["more"]


async def test_the_watch_goes_on_by_itself_and_needs_less_than_a_second(watched):
    watched.watch.start()
    await watched.clock.settle()
    watched.save("040_hello.py", "1 / 0")
    began = watched.clock.monotonic()
    while not watched.told:
        await until(lambda: watched.clock.sleeping)
        await watched.clock.advance(POLL_S)
    assert watched.clock.monotonic() - began < 0.7
    assert isinstance(watched.plugins.get("hello"), Broken)
    await watched.tasks.close()


async def test_viewers_are_told_which_places_have_changed(watched):
    before = watched.feed.rev
    await watched.looks()
    assert watched.watch.changed_since(before) == []
    watched.save("040_hello.py", hello("New"))
    await watched.looks()
    assert watched.watch.changed_since(before) == ["hello"]
    assert watched.watch.changed_since(watched.feed.rev) == []


async def test_what_changed_while_the_server_was_down_is_told_too(watched, db, feed):
    before = feed.rev
    watched.save("040_hello.py", hello("New"))
    watched.plugins.load()
    again = Watch(db, feed, watched.clock, watched.tasks, watched.plugins)
    again.recover()
    assert again.changed_since(before) == ["hello"]
    rev = feed.rev
    again.recover()
    assert feed.rev == rev


async def test_a_package_that_is_installed_brings_its_plugin_back(watched, tmp_path, monkeypatch):
    watched.save("040_hello.py", "import treadle_test_package\n" + hello())
    await watched.looks()
    error = watched.plugins.get("hello").error
    assert isinstance(error, MissingPackage)
    assert error.hint == f"{sys.executable} -m pip install treadle_test_package"
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    (site / "treadle_test_package.py").write_text("")
    assert await watched.looks() == ["hello"]


async def test_code_is_removed_at_the_start_when_no_run_and_no_job_refers_to_it(watched, db, feed):
    plugins = watched.plugins
    codes = []
    for title in ("One", "Two", "Three"):
        watched.save("040_hello.py", hello(title))
        await plugins.reload()
        plugins.keep(plugins.get("hello"))
        codes.append(plugins.get("hello").code)
    db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, rev) "
               "VALUES ('k', 'hello', 1, 'Hello 1', 'open', ?, 0, 0, 1)", (codes[0],))
    db.execute("INSERT INTO steps (run, label, slug, kind, state, position, created_at, rev, version) "
               "VALUES ('k', 'Work', 'work', 'job', 'running', 1, 0, 1, ?)", (codes[1],))
    Watch(db, feed, watched.clock, watched.tasks, plugins).recover()
    assert {path.name for path in plugins.code_folder.iterdir()} == set(codes[:2])


async def test_what_a_plugin_needs_is_asked_until_it_was_accepted_and_when_it_grows(watched):
    item = watched.plugins.get("hello")
    assert watched.watch.asks(item) == ()
    watched.save("040_hello.py", hello(needs=("network: example.org", "files")))
    await watched.plugins.reload()
    item = watched.plugins.get("hello")
    assert watched.watch.asks(item) == ("network: example.org", "files")
    watched.watch.accept(item)
    assert watched.watch.asks(item) == ()
    watched.save("040_hello.py", hello(needs=("files",)))
    await watched.plugins.reload()
    assert watched.watch.asks(watched.plugins.get("hello")) == ()
    watched.save("040_hello.py", hello(needs=("files", "model")))
    await watched.plugins.reload()
    assert watched.watch.asks(watched.plugins.get("hello")) == ("files", "model")


# where plugins are

def test_several_folders_are_one_menu_and_a_name_taken_twice_is_an_error_card(tmp_path):
    for name, title in (("a", "First"), ("b", "Second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "040_hello.py").write_text(hello(title))
    (tmp_path / "b" / "010_other.py").write_text(hello().replace("hello(ui)", "other(ui)"))
    plugins = Plugins(Settings(data=tmp_path / "data", plugins=tmp_path / "a", more_plugins=(tmp_path / "b",)))
    plugins.load()
    assert [(item.endpoint, item.file) for item in plugins.all()] == [
        ("other", "b/010_other.py"), ("hello", "a/040_hello.py"), ("040_hello-hello", "b/040_hello.py")]
    assert plugins.get("040_hello-hello").error.message == "The address /hello is taken by a/040_hello.py"


def test_folders_are_written_as_path_is_and_an_empty_one_is_the_shipped():
    shipped = Settings().plugins
    assert Settings().with_plugins("").plugins == shipped
    found = Settings().with_plugins(os.pathsep.join(["/a", "", "/b"]))
    assert (found.plugins, found.more_plugins) == (Path("/a"), (shipped, Path("/b")))


def test_an_installed_package_brings_plugins_by_its_entry_point(tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "treadle_more").mkdir(parents=True)
    (site / "treadle_more" / "__init__.py").write_text("1 / 0  # nothing here is run\n")
    (site / "treadle_more" / "hello.py").write_text("from ._words import WORD\n" + hello())
    (site / "treadle_more" / "_words.py").write_text("WORD = 'one'\n")
    (site / "more-1.0.dist-info").mkdir()
    (site / "more-1.0.dist-info" / "entry_points.txt").write_text(
        f"[console_scripts]\nx = nothing:main\n\n[{plugins_folders.GROUP}]\nhello = treadle_more.hello\n"
        "gone = treadle_more.gone\n")
    monkeypatch.syspath_prepend(str(site))
    plugins = Plugins(Settings(data=tmp_path / "data", plugins=tmp_path / "none"))
    plugins.load()
    assert [(item.endpoint, item.file, item.order) for item in plugins.all()] == [
        ("hello", "treadle_more/hello.py", plugins_folders.UNNUMBERED)]


def test_looking_at_the_files_takes_next_to_nothing(watched):
    for number in range(40):
        watched.save(f"{number:03d}_x.py", "")
    began = time.perf_counter()
    for _ in range(20):
        watched.plugins.state()
    assert (time.perf_counter() - began) / 20 < 0.01


async def test_a_link_that_leads_nowhere_hides_no_change_of_the_others(watched):
    for name in ("010_a.py", "999_z.py", "500_m.md"):
        (watched.folder / name).symlink_to("/nowhere/at/all.py")
    before = {watched.plugins.state().__repr__()}
    for number in range(3):
        watched.save(f"{number}55_x.py", f"# {number}")
        state = watched.plugins.state().__repr__()
        assert state not in before
        before.add(state)
