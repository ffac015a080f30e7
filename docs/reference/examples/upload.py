from typing import Annotated

from treadle import Accept, File, Upload, workflow


@workflow("Lines of a file", message="I count the lines of a file.")
async def file_lines(ui):
    file = await ui.ask("File", Annotated[Upload, Accept(".txt", ".log", max_mb=20)])
    return await ui.job("Count", count, file)


def count(file: File) -> int:
    with file.open() as text:
        return sum(1 for _ in text)


def test_a_file_is_read_in_a_job(run, tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    r = run(file_lines, answers={"File": tmp_path / "a.txt"})
    assert (r["File"].name, r.result) == ("a.txt", 2)
