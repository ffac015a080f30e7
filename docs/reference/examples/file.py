from treadle import Download, File, Upload, workflow


@workflow("Shout", message="I write a file in capitals.")
async def shout(ui):
    file = await ui.ask("File", Upload)
    loud = await ui.job("Write", capitals, file)  # bytes come back as a File of the run
    ui.show(f"{file.name}, {file.size} bytes", Download(loud, f"loud-{file.name}"))


def capitals(file: File) -> bytes:
    return file.read_text().upper().encode()


def test_the_encoding_is_found(run, tmp_path):
    (tmp_path / "a.txt").write_bytes("Grüße".encode("latin-1"))
    r = run(shout, answers={"File": tmp_path / "a.txt"})
    assert r["Write"].read_text() == "GRÜSSE"
