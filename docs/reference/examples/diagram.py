from treadle import Diagram, workflow


@workflow("Redirects", message="I draw redirects.")
async def redirects(ui):
    ui.show(Diagram("""
        flowchart LR
          old["/old"] --> new["/new"]
        """, title="Redirects"))


def test_the_source_stands_at_the_margin(run):
    assert run(redirects).shown[0].text.startswith("flowchart LR\n")
