"""What a browser does with our messages, as far as tests need it: a small tree, and the swaps of `<hx-partial>`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
SKIP = (("msg", "body"), ("fold", "plain-text"))  # morphSkipChildren of htmx-config: parent and element by class


class Node:
    """An element, with strings and elements as children."""

    def __init__(self, tag: str, attrs: dict[str, str] | None = None) -> None:
        self.tag, self.attrs = tag, attrs or {}
        self.children: list[Node | str] = []
        self.parent: Node | None = None

    def append(self, child: Node | str) -> None:
        self.insert(len(self.children), child)

    def insert(self, index: int, child: Node | str) -> None:
        if isinstance(child, Node):
            child.parent = self
        self.children.insert(index, child)

    def walk(self) -> Iterator[Node]:
        """This element and all below it, in the order of the document."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def find(self, id: str) -> Node | None:
        """The first element with this id."""
        return next((node for node in self.walk() if node.attrs.get("id") == id), None)

    def has_class(self, name: str) -> bool:
        return name in self.attrs.get("class", "").split()

    @property
    def text(self) -> str:
        """Its textContent."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def html(self) -> str:
        """Serialised, attributes in order of their names, neighbouring texts joined: equal trees give equal strings."""
        return "".join(escape(child, quote=False) if isinstance(child, str) else child.outer for child in self.children)

    @property
    def outer(self) -> str:
        attrs = "".join(f' {name}="{escape(value)}"' for name, value in sorted(self.attrs.items()))
        return f"<{self.tag}{attrs}>" + ("" if self.tag in VOID else f"{self.html}</{self.tag}>")

    def replace(self, *nodes: Node | str) -> None:
        parent = self.parent
        assert parent is not None
        index = next(at for at, child in enumerate(parent.children) if child is self)
        del parent.children[index]
        for offset, node in enumerate(nodes):
            parent.insert(index + offset, node)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Node("#root")
        self._after_pre = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.at.append(node)
        if tag not in VOID:
            self.at = node
        self._after_pre = tag in ("pre", "textarea")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:  # <use/> and the like inside an svg
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._after_pre = False
        if tag in VOID:
            return
        assert self.at.tag == tag, f"</{tag}> closes <{self.at.tag}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        if self._after_pre:
            data = data.removeprefix("\n")
            self._after_pre = False
        if data:
            self.at.append(data)


def parse(html: str) -> Node:
    """A tree under a root. AssertionError where tags are not balanced."""
    builder = _Builder()
    builder.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
    builder.close()
    assert builder.at is builder.root, f"<{builder.at.tag}> is not closed"
    return builder.root


class Page:
    """A document that takes messages. `missing`: selectors of partials that met no element, as htmx skips them."""

    def __init__(self, html: str) -> None:
        self.root = parse(html)
        self.missing: list[str] = []

    def find(self, id: str) -> Node | None:
        return self.root.find(id)

    def __getitem__(self, id: str) -> Node:
        found = self.find(id)
        assert found is not None, f"no element with the id {id}"
        return found

    def count(self, id: str) -> int:
        """How many elements have this id."""
        return sum(node.attrs.get("id") == id for node in self.root.walk())

    def apply(self, message: str) -> None:
        """Swap what a message holds, in its order; as htmx does, all targets are looked up before the first swap."""
        found: list[tuple[Node, Node]] = []
        for node in parse(message).children:
            if not isinstance(node, Node) or node.tag != "hx-partial":
                assert not isinstance(node, str) or not node.strip(), f"stray text {node!r}"
                continue
            selector = node.attrs["hx-target"]
            target = self._target(selector)
            if target is None:
                self.missing.append(selector)
                continue
            found.append((target, node))
        for target, node in found:
            if target.parent is not None:
                swap(target, node.attrs["hx-swap"].split()[0], node)

    def _target(self, selector: str) -> Node | None:
        """`#id`, or `li:has(>p>#id)`: the element that holds the one with the id on just this path."""
        path, _, id = selector.removesuffix(")").partition("#")
        target = self.find(id)
        for tag in reversed([tag for tag in path.replace(":has(", "").split(">") if tag]):
            target = None if target is None else target.parent
            if target is None or target.tag != tag:
                return None
        return target


def swap(target: Node, style: str, content: Node) -> None:
    """One swap of htmx, without its animations; a morph ends in the tree that was sent, but for what it skips."""
    parent = target.parent
    if style == "delete":
        target.replace()
    elif style == "innerHTML":
        target.children = []
        for child in content.children:
            target.append(child)
    elif style == "innerMorph":
        _morph_children(target, content)
    elif style == "outerHTML":
        target.replace(*content.children)
    elif style == "outerMorph":
        (new,) = content.children
        if isinstance(new, Node) and new.tag == target.tag:
            _morph(target, new)
        else:
            target.replace(new)
    elif style == "beforeend":
        for child in content.children:
            target.append(child)
    elif style == "afterbegin":
        for index, child in enumerate(content.children):
            target.insert(index, child)
    else:
        assert parent is not None
        index = next(at for at, child in enumerate(parent.children) if child is target)
        index += {"beforebegin": 0, "afterend": 1}[style]
        for offset, child in enumerate(content.children):
            parent.insert(index + offset, child)


def _morph(old: Node, new: Node) -> None:
    """`old` becomes like `new` and stays the same element, as do those inside whose ids are in both."""
    old.attrs = dict(new.attrs)
    above = old.parent
    if above is None or not any(above.has_class(outer) and old.has_class(inner) for outer, inner in SKIP):
        _morph_children(old, new)


def _morph_children(old: Node, new: Node) -> None:
    kept = {node.attrs["id"]: node for node in old.walk() if "id" in node.attrs and node is not old}
    children = [_kept(child, kept) for child in new.children]
    old.children = []
    for child in children:
        old.append(child)


def _kept(new: Node | str, kept: dict[str, Node]) -> Node | str:
    if isinstance(new, str):
        return new
    old = kept.get(new.attrs.get("id", ""))
    if old is not None and old.tag == new.tag:
        _morph(old, new)
        return old
    children, new.children = new.children, []
    for child in children:
        new.append(_kept(child, kept))
    return new
