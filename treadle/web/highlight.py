"""The colours of code: Pygments, line by line, as five classes: k keyword, s string, m number, f name, c comment.

A line is lexed once, when it is complete, and what the lexer must remember is kept from line to line. So a fence can
be coloured while it streams, its lines never change, and the settled reply has the same colours.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

LONG_LINE = 400       # characters; a longer line stays plain, as a regular expression holds the GIL while it matches
MANY_LINES = 3_000    # lines of one fence; those after them stay plain
PART = 24             # lines in one element: the browser lays out again what it appends to

# by what people write after the fence: the Pygments module and class. Only lexers that are known to be quick.
LEXERS = {
    names: where
    for all_names, where in {
        "python py python3 pyi": "python Python", "pycon": "python PythonConsole",
        "bash sh shell zsh": "shell Bash", "console shell-session": "shell BashSession",
        "powershell ps1 pwsh": "shell PowerShell", "bat cmd batch": "shell Batch",
        "javascript js jsx mjs node": "javascript Javascript", "typescript ts tsx": "javascript TypeScript",
        "json json5 jsonc": "data Json", "yaml yml": "data Yaml", "toml": "configs TOML", "ini cfg conf": "configs Ini",
        "dockerfile docker": "configs Docker", "nginx": "configs NginxConf", "hcl terraform tf": "configs Terraform",
        "html htm xhtml vue svelte": "html Html", "xml svg rss": "html Xml", "css": "css Css", "scss": "css Scss",
        "sql sqlite mysql postgresql postgres": "sql Sql", "c h": "c_cpp C", "cpp c++ cc hpp cxx": "c_cpp Cpp",
        "java": "jvm Java", "kotlin kt": "jvm Kotlin", "scala": "jvm Scala", "groovy": "jvm Groovy",
        "csharp cs c#": "dotnet CSharp", "go golang": "go Go", "rust rs": "rust Rust", "ruby rb": "ruby Ruby",
        "php": "php Php", "swift": "objective Swift", "lua": "scripting Lua", "r": "r S", "julia jl": "julia Julia",
        "perl pl": "perl Perl", "haskell hs": "haskell Haskell", "elixir ex exs": "erlang Elixir", "nix": "nix Nix",
        "diff patch": "diff Diff", "makefile make": "make Makefile", "markdown md": "markup Markdown",
        "graphql gql": "graphql GraphQL", "zig": "zig Zig", "dart": "javascript Dart",
    }.items()
    for names in all_names.split()
}
CLOSERS = {"/*": "*/", "<!--": "-->"}  # comments that many lexers match in one piece only
STARTS = {"php": ["root", "php"]}  # states; PHP in a reply has no <?php before it
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\xa0": "&nbsp;"})
SPECIAL = re.compile("[&<>\xa0]")


def escape(text: str) -> str:
    """Text as it stands between tags, spelled as nh3 spells it. In an attribute quotes need more."""
    return text.translate(ESCAPES) if SPECIAL.search(text) else text


def known(language: str) -> bool:
    """Whether there are colours for it."""
    return language.lower() in LEXERS


@cache
def _lexer(language: str) -> Any:
    """The lexer, imported when first used: up to 0.1 s for a large one."""
    module, name = LEXERS[language].split()
    return getattr(importlib.import_module(f"pygments.lexers.{module}"), f"{name}Lexer")(ensurenl=False, stripnl=False)


def _states(lexer: Any) -> Any:
    """The rules of a lexer whose loop can be ours, else None."""
    from pygments.lexer import ExtendedRegexLexer, RegexLexer

    ours = isinstance(lexer, RegexLexer) and not isinstance(lexer, ExtendedRegexLexer)
    return lexer._tokens if ours else None


_LOADED: set[str] = set()


def loaded(language: str) -> bool:
    """Whether its colours cost no import any more, or there are none."""
    return language.lower() in _LOADED or not known(language)


class Highlighter:
    """Colours the lines of one fence, in their order. `language`: what stands after the fence; others stay plain."""

    def __init__(self, language: str) -> None:
        name = language.lower()
        self._lexer = _lexer(name) if name in LEXERS else None
        if self._lexer is not None:
            _LOADED.add(name)
        self._states = _states(self._lexer) if self._lexer is not None else None
        self._stack = list(STARTS.get(name, ["root"]))
        self._open = ""  # how the comment ends that an earlier line began
        self._lines = 0

    def line(self, text: str) -> str:
        """A complete line, without its end, as HTML. The lexer goes on from here."""
        self._lines += 1
        if self._lexer is None or len(text) > LONG_LINE or self._lines > MANY_LINES:
            return escape(text)
        out: list[str] = []
        last, pending = "", ""
        for kind, value in self._tokens(text + "\n"):
            name = _class(kind)
            if name and value.isspace():
                name = ""
            if name != last:
                out.append(_span(last, pending))
                last, pending = name, ""
            pending += value
        out.append(_span(last, pending.removesuffix("\n")))
        drawn = "".join(out)
        return drawn.removesuffix("\n")

    def _tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        if self._open:
            from pygments.token import Comment

            end = text.find(self._open)
            if end < 0:
                yield Comment, text
                return
            end += len(self._open)
            yield Comment, text[:end]
            text, self._open = text[end:], ""
        if self._states is None:  # a lexer with its own loop: each line for itself
            for _, kind, value in self._lexer.get_tokens_unprocessed(text):
                yield kind, value
            return
        yield from self._regex_tokens(text)

    def _regex_tokens(self, text: str) -> Iterator[tuple[Any, str]]:
        """The loop of Pygments' RegexLexer, with a stack that outlives the line."""
        from pygments.lexer import _TokenType
        from pygments.token import Comment, Error, Whitespace

        pos, stack = 0, self._stack
        while pos < len(text):
            opener = next((opener for opener in CLOSERS if text.startswith(opener, pos)), "")
            if opener and CLOSERS[opener] not in text[pos + len(opener):] and self._is_comment(text, pos, opener):
                self._open = CLOSERS[opener]
                yield Comment, text[pos:]
                return
            rules = self._states[stack[-1]]
            found = next(((match, *rest) for match_at, *rest in rules if (match := match_at(text, pos))), None)
            if found is None:
                if text[pos] == "\n":  # as Pygments: an end of line that no rule takes goes back to the root
                    stack[:] = ["root"]
                    yield Whitespace, "\n"
                else:
                    yield Error, text[pos]
                pos += 1
                continue
            match, action, new_state = found
            if action is not None:
                if type(action) is _TokenType:
                    yield action, match.group()
                else:
                    for _, kind, value in action(self._lexer, match):
                        yield kind, value
            pos = match.end()
            if new_state is not None:
                _move(stack, new_state)

    def _is_comment(self, text: str, pos: int, opener: str) -> bool:
        from pygments.token import Comment

        closed = text[:pos] + opener + " " + CLOSERS[opener]
        for match_at, action, _ in self._states[self._stack[-1]]:
            if match := match_at(closed, pos):
                return action in Comment and match.end() == len(closed) if action is not None else False
        return False


def _move(stack: list[str], new_state: Any) -> None:
    """A transition of Pygments: names to push, '#pop', '#push', or a number of states to leave."""
    for step in new_state if isinstance(new_state, tuple) else (new_state,):
        if step == "#pop":
            if len(stack) > 1:
                stack.pop()
        elif step == "#push":
            stack.append(stack[-1])
        elif isinstance(step, int):
            del stack[max(1, len(stack) + step):]
        else:
            stack.append(step)
    del stack[60:]  # an endless `(((` must not grow it for ever


@cache
def _class(kind: Any) -> str:
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    if kind in Comment:
        return "c"
    if kind in Keyword or kind in Operator.Word or kind in Name.Tag:
        return "k"
    if kind in String.Interpol:
        return ""
    if kind in String:
        return "s"
    if kind in Number:
        return "m"
    return "f" if kind in Name.Function or kind in Name.Class or kind in Name.Decorator else ""


def _span(name: str, text: str) -> str:
    return f'<span class="{name}">{escape(text)}</span>' if name and text else escape(text)


def between(line: int) -> str:
    """What stands before line number `line` of a text, from 0: lines are kept together in parts."""
    if line % PART:
        return "\n"
    return '</span>\n<span class="part">' if line else '<span class="part">'


def highlight(language: str, code: str) -> str:
    """A whole text as HTML: its lines, in parts."""
    lexer = Highlighter(language)
    return "".join(between(at) + lexer.line(line) for at, line in enumerate(code.split("\n"))) + "</span>"
