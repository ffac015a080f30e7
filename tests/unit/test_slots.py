"""Four streams for a browser, known by a random name in a cookie."""

from __future__ import annotations

import pytest

from treadle.web.slots import Slots, browser_of, cookie_name, new_browser


class Held:
    """A stream of a browser."""

    ended = False

    def end(self) -> None:
        self.ended = True


def test_a_new_page_takes_the_slot_of_the_oldest_and_a_resuming_stream_only_a_free_one():
    slots, streams = Slots(limit=2), [Held() for _ in range(4)]
    assert slots.take("b", streams[0], resumes=False) and slots.take("b", streams[1], resumes=True)
    assert not slots.take("b", streams[2], resumes=True)
    assert slots.take("b", streams[3], resumes=False)
    assert [stream.ended for stream in streams] == [True, False, False, False]
    slots.release("b", streams[0])  # it lost its slot before
    assert slots.held("b") == 2
    slots.release("b", streams[1])
    assert slots.take("b", streams[2], resumes=True)
    assert slots.take("other", streams[0], resumes=True)
    for stream in streams:
        slots.release("b", stream)
    assert slots.held("b") == 0


@pytest.mark.parametrize("value", ["", "x", "../../etc/passwd1234567", "a" * 23, "é" * 22, "a b" + "c" * 19])
def test_only_names_of_ours_are_browsers(value):
    assert browser_of(f"{cookie_name(5001)}={value}".encode(), 5001) == ""


def test_a_browser_is_known_by_its_cookie_for_this_port():
    name = new_browser()
    header = f"a=1; {cookie_name(5001)}={name}; b=2".encode()
    assert browser_of(header, 5001) == name
    assert browser_of(header, 5002) == ""
