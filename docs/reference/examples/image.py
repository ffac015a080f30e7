from treadle import Image, workflow


@workflow("Picture", message="I draw a picture.")
async def picture(ui):
    drawn = await ui.job("Draw", draw, 40)
    ui.show(Image(drawn, title="A square", alt="A grey square"))


def draw(side: int) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"><rect width="{side}" ' \
           f'height="{side}" fill="#888"/></svg>'.encode()


def test_what_a_job_drew_is_a_file(run):
    assert run(picture)["Draw"].path.read_bytes().startswith(b"<svg")
