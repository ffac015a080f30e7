from treadle import Graph, workflow


@workflow("Links", message="I draw links.")
async def links(ui):
    pages = ["/", "/a", {"id": "/b", "group": "broken"}]
    ui.show(Graph(pages, [("/", "/a"), ("/", "/b"), ("/a", "/new")], title="Links between pages"))


def test_a_node_that_only_a_link_names_is_added(run):
    assert [node["id"] for node in run(links).shown[0].nodes] == ["/", "/a", "/b", "/new"]
