"""What an author shows beside Markdown, components and tables: code, diagrams, graphs, pictures, downloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import dedent
from typing import Any

from ..files import File
from .table import Table

NODES_MOST = 2_000
EDGES_MOST = 10_000


def _text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} takes a text, not {type(value).__name__}.")


@dataclass(frozen=True, slots=True)
class Code:
    """A text in its own lines, coloured, with Copy. `language` as after a Markdown fence; `name`: of its file."""

    text: str
    language: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        _text("Code", self.text)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A Mermaid diagram: flowchart, sequence, class, state, ER, Gantt, pie, timeline, git graph and more.

    It is drawn in a frame of its own without access to the page; its source stands under it.
    """

    text: str
    title: str = ""

    def __post_init__(self) -> None:
        _text("Diagram", self.text)
        object.__setattr__(self, "text", dedent(self.text).strip("\n"))


@dataclass(frozen=True, slots=True)
class Image:
    """A picture with its title, and `alt`: what it shows, for who does not see it.

    `source`: what `show` takes as a picture: a file of the run, bytes, a PIL image, a figure of matplotlib.
    """

    source: Any
    title: str = ""
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A file of the run, a text or bytes to take away under `name`. Raises `TypeError` for anything else."""

    content: File | str | bytes
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.content, File | str | bytes):
            raise TypeError(f"Download takes a file of the run, a text or bytes, not {type(self.content).__name__}.")
        if not self.name:
            if not isinstance(self.content, File):
                raise TypeError("Download needs a name: Download(text, 'notes.txt').")
            object.__setattr__(self, "name", self.content.name)
        _text("The name of a Download", self.name)


@dataclass(frozen=True)
class Graph:
    """Nodes and the links between them, drawn by their forces, in a frame; under it the same as a table.

    `nodes`: ids, or dicts with `id` and perhaps `label` and `group`. `edges`: pairs of ids, or dicts with `source`,
    `target` and perhaps `label`. A node that only an edge names is added. At most 2,000 nodes and 10,000 edges: above
    that `ValueError`; what is neither is a `TypeError` that names it.
    """

    nodes: Sequence[dict[str, str]]
    edges: Sequence[dict[str, str]]
    title: str = ""

    def __init__(self, nodes: Iterable[Any], edges: Iterable[Any], title: str = "") -> None:
        known: dict[str, dict[str, str]] = {}
        for number, node in enumerate(nodes, 1):
            made = _node(node, number)
            known[made["id"]] = made
        linked = [_edge(edge, number) for number, edge in enumerate(edges, 1)]
        for edge in linked:
            for end in (edge["source"], edge["target"]):
                known.setdefault(end, {"id": end, "label": end, "group": ""})
        if len(known) > NODES_MOST or len(linked) > EDGES_MOST:
            raise ValueError(f"A Graph holds {NODES_MOST:,} nodes and {EDGES_MOST:,} edges at most; this one has "
                             f"{len(known):,} and {len(linked):,}. Show those that matter, all of them in a Table.")
        for name, value in (("nodes", list(known.values())), ("edges", linked), ("title", title)):
            object.__setattr__(self, name, value)

    @cached_property
    def table(self) -> Table:
        """A row a node: what leads to it and where it leads."""
        to: dict[str, list[str]] = {node["id"]: [] for node in self.nodes}
        linked = dict.fromkeys(to, 0)
        labels = {node["id"]: node["label"] for node in self.nodes}
        for edge in self.edges:
            to[edge["source"]].append(labels[edge["target"]] + (f" ({edge['label']})" if edge["label"] else ""))
            linked[edge["target"]] += 1
        groups = any(node["group"] for node in self.nodes)
        return Table([{"node": node["label"], **({"group": node["group"]} if groups else {}), "in": linked[node["id"]],
                       "out": len(to[node["id"]]), "leads to": ", ".join(to[node["id"]])} for node in self.nodes])


def _node(node: Any, number: int) -> dict[str, str]:
    if isinstance(node, str | int):
        return {"id": str(node), "label": str(node), "group": ""}
    if isinstance(node, Mapping) and "id" in node:
        return {"id": str(node["id"]), "label": str(node.get("label", node["id"])),
                "group": str(node.get("group", ""))}
    raise TypeError(f"Node {number} of a Graph is {type(node).__name__}; nodes are texts, or dicts with 'id' and "
                    "perhaps 'label' and 'group'.")


def _edge(edge: Any, number: int) -> dict[str, str]:
    if isinstance(edge, tuple | list) and len(edge) == 2:
        return {"source": str(edge[0]), "target": str(edge[1]), "label": ""}
    if isinstance(edge, Mapping) and "source" in edge and "target" in edge:
        return {"source": str(edge["source"]), "target": str(edge["target"]), "label": str(edge.get("label", ""))}
    raise TypeError(f"Edge {number} of a Graph is {type(edge).__name__}; edges are pairs of node ids, or dicts with "
                    "'source' and 'target'.")
