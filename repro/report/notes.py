"""Notes become HTML: Markdown without HTML in it, its links those of the page."""

import re
from collections.abc import Collection, Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape


def notes(paragraphs: Sequence[str], pages: Collection[str] = (), records: Collection[str] = ()) -> Markup:
    """Paragraphs of Markdown as HTML.

    Args:
        pages: names of documents on the page; a link to `<name>.md` leads to them. A link to any other file, which a
            page by itself does not have, stays text.
        records: ids that the page has entries of; `id` in a note leads there.
    """
    markdown = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).disable("image")
    return Markup(markdown.render("\n\n".join(paragraphs), {"pages": pages, "records": records}))


def code_spans(text: str) -> Markup:
    """A cell's text, in which nothing but `code` is Markdown."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


class _Renderer(RendererHTML):
    """Its methods are named after the tokens that they render."""

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        code = super().code_inline(tokens, idx, options, env)
        name = tokens[idx].content
        return f'<a class="ours" href="#record-{name}">{code}</a>' if name in env["records"] else code

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        address = str(token.attrs.get("href", ""))
        if address.endswith(".md") and address.removesuffix(".md") in env["pages"]:
            token.attrs["href"] = f"#{address.removesuffix('.md')}"
        elif not address.startswith(("https://", "http://")):
            del token.attrs["href"]
        return self.renderToken(tokens, idx, options, env)
