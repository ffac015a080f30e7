from pathlib import Path
from tempfile import mkdtemp

from treadle import Progress, Stopped, workflow


@workflow("Long file", message="I write a long file.")
async def long_file(ui):
    await ui.job("Write", write, await ui.ask("Lines", int))


def write(lines: int, progress: Progress) -> int:
    path = Path(mkdtemp()) / "lines.txt"
    try:
        with path.open("w") as file:
            for number in range(lines):
                progress(number, lines)
                file.write(f"{number}\n")
    except Stopped:  # clean up, and let it pass
        path.unlink()
        raise
    return path.stat().st_size


def test_stop_is_let_pass():
    import pytest

    def stop(done, total):
        raise Stopped

    with pytest.raises(Stopped):
        write(3, stop)
