"""Documents become LaTeX, to be taken into a text by `\\input`. It needs booktabs; pdfTeX reads it as UTF-8."""

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from tabulate import LATEX_ESCAPE_RULES

from repro.report.document import Document, Section
from repro.report.markdown import about

ESCAPES = str.maketrans(LATEX_ESCAPE_RULES)
# what pdfTeX does not know, or takes for something else: "[" and "*" after the end of a row, "|" in its oldest fonts
SYMBOLS = str.maketrans(
    {
        **{"[": "{[}", "*": "{*}", "|": r"\textbar{}", "—": r"\textemdash{}", "–": r"\textendash{}", "…": r"\ldots{}"},
        **{"“": "``", "”": "''", "‘": "`", "’": "'", "\u00a0": "~"},
        **{
            symbol: rf"\ensuremath{{{command}}}"
            for symbol, command in {
                **{"±": r"\pm", "×": r"\times", "·": r"\cdot", "−": "-", "≤": r"\leq", "≥": r"\geq", "≈": r"\approx"},
                **{"→": r"\to", "°": r"^\circ", "²": "^2", "³": "^3", "µ": r"\mu", "μ": r"\mu", "σ": r"\sigma"},
            }.items()
        },
    }
)
KNOWN = "\u017f"  # pdfTeX sets the letters of European languages, which end here
LONG = 32  # a cell of more characters is broken into lines
LINE = 110  # characters of a table's font in a line
LISTS = {"bullet_list": "itemize", "ordered_list": "enumerate"}
PARSER = MarkdownIt("commonmark", {"html": False})


def page(document: Document) -> str:
    """A document as a fragment: a heading, a tabular for each table, what stands under it in small type."""
    parts = [
        "% Rendered by `repro tables`; needs \\usepackage{booktabs}. The wide tables want a page in landscape.",
        rf"\section*{{{_inline(document.title)}}}",
        _small([about(document), *document.introduction]),
    ]
    for section in document.sections:
        parts.append(rf"\subsection*{{{_inline(section.title)}}}")
        parts += [_table(section)] if section.columns else []
        parts += [_small(section.notes)] if section.notes else []
    return "\n\n".join(parts) + "\n"


def _table(section: Section) -> str:
    head = [_inline(column.heading) for column in section.columns]
    # a claim stands as printed, whatever it would mean in Markdown
    rows = [[_text(cell.text) if cell.claim else _inline(cell.text) for cell in row] for row in section.rows]
    lines = [" & ".join(cells) + r" \\" for cells in (head, *rows)]
    table = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}\par}"]
    return "\n".join([rf"{{\footnotesize\begin{{tabular}}{{{_columns(section)}}}", *table])


def _columns(section: Section) -> str:
    """The columns' letters; those that hold a long cell share the width that the others leave."""
    lengths = [
        max(len(text) for text in (column.heading, *(row[n].text for row in section.rows)))
        for n, column in enumerate(section.columns)
    ]
    short = sum(length for length in lengths if length <= LONG)
    width = max(0.3, 0.9 - short / LINE) / max(1, sum(length > LONG for length in lengths))
    return "".join(
        rf"p{{{width:.2f}\linewidth}}" if length > LONG else column.align[0]
        for length, column in zip(lengths, section.columns, strict=True)
    )


def _small(notes: Iterable[str]) -> str:
    """Paragraphs of Markdown, in small type."""
    paragraphs = [_node(SyntaxTreeNode(PARSER.parse(note))) for note in notes]
    return "{\\small\\setlength{\\parindent}{0pt}\n" + "\n\n".join(paragraphs) + "\\par}"


def _inline(markdown: str) -> str:
    return _node(SyntaxTreeNode(PARSER.parseInline(markdown)))


def _node(node: SyntaxTreeNode) -> str:
    inner = "".join(map(_node, node.children))
    match node.type:
        case "root":
            return inner.strip()
        case "text":
            return _text(node.content)
        case "code_inline":
            return _code(node.content)
        case "softbreak":
            return "\n"
        case "em":
            return rf"\emph{{{inner}}}"
        case "strong":
            return rf"\textbf{{{inner}}}"
        case "link":
            address = str(node.attrs["href"])
            return f"{inner} ({_code(address)})" if "://" in address else inner
        case "paragraph" | "inline":
            return f"{inner}\n\n" if node.type == "paragraph" else inner
        case "list_item":
            return f"\\item {inner.strip()}\n"
        case "bullet_list" | "ordered_list":
            name = LISTS[node.type]
            return f"\\begin{{{name}}}\n{inner}\\end{{{name}}}\n\n"
    raise ValueError(f"a note of a table holds Markdown of the type {node.type}, which has no LaTeX here")


def _text(text: str) -> str:
    """Plain text, escaped; a character that pdfTeX cannot set as its number."""
    latex = text.translate(ESCAPES).replace("--", "-{}-").translate(SYMBOLS)
    return "".join(c if c <= KNOWN else f"U+{ord(c):04X}" for c in latex)


def _code(text: str) -> str:
    """Typewriter type that may break where a path or an id has a joint."""
    joints = re.sub("(?<=[./_])(?=.)", r"\\allowbreak{}", _text(text))
    return rf"\texttt{{{joints}}}"
