from typing import Annotated

from treadle import Accept, InvalidAnswer, Upload, workflow


@workflow("Log", message="Give me a log.")
async def log(ui):
    return (await ui.ask("Log", Annotated[Upload, Accept(".log", ".gz", max_mb=50)])).name


def test_other_files_are_refused(run, tmp_path):
    import pytest

    (tmp_path / "picture.png").write_bytes(b"")
    with pytest.raises(InvalidAnswer):
        run(log, answers={"Log": tmp_path / "picture.png"})
