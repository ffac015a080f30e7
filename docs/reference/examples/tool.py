from treadle import tool


@tool
def slug(title: str, longest: int = 40) -> str:
    """The part of an address that a title becomes."""
    return "-".join(title.lower().split())[:longest]


def test_it_is_a_function_and_a_form(run):
    assert slug("Link Check") == "link-check"
    assert run(slug, answers={"Input": {"title": "Link Check", "longest": 4}}).result == "link"
