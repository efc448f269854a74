"""The LaTeX of documents: every cell in its column, nothing that pdfTeX misreads; compiled where pdflatex is there."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from repro.report import latex, render
from repro.report.document import Cell, Column, Document, Section

NASTY = r"a & b_c 100% $5 #1 {x} ~y^2 \n <z> | `q` -- [1, 2] * “quoted” ± 0.1 — × ≤ ² µ café"
PLAIN = re.compile(r"[\x09\x0a\x20-\x7e]|[À-ſ]")  # what pdfTeX reads without any package


def document(*sections, introduction=()):
    return Document("x", "Title", "Summary", "repro x", sections, pd.DataFrame(), 0, 0, introduction)


def table(*rows):
    columns = tuple(Column(f"c{n}", "left" if n == 0 else "right") for n in range(len(rows[0])))
    return Section("Section", columns, tuple(tuple(map(Cell, row)) for row in rows))


def bodies(text):
    """The rows of each tabular, as lists of cells, and the letters of its columns."""
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{((?:[^{}]|\{[^}]*\})*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL
    ):
        lines = [line for line in body.splitlines() if not line.startswith((r"\toprule", r"\midrule", r"\bottomrule"))]
        assert all(line.endswith(r" \\") for line in lines)
        rows = [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]
        yield re.sub(r"p\{[^}]*\}", "p", columns), [[cell.strip() for cell in row] for row in rows]


def check(text):
    """What any LaTeX must keep to: braces and environments closed, special characters escaped, known characters."""
    assert PLAIN.sub("", text) == ""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text.replace(r"\\", "  ")):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    open_ones = []
    for what, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if what == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    outside = re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[&#$_^]", outside.replace(r"^\circ", "").replace("^2", "").replace("^3", ""))
    assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1])  # a comment, which the first line is
    assert not re.search(r"(\\\\|\\item)\s*[\[*]", text)  # would be an option
    for columns, rows in bodies(text):
        assert rows and {len(row) for row in rows} == {len(columns)}


def read(latex_text):
    """A cell as its reader sees it."""
    for command, letter in (
        *((rf"\ensuremath{{{name}}}", letter) for name, letter in ((r"\pm", "±"), (r"\times", "×"), (r"\leq", "≤"))),
        *((rf"\ensuremath{{{name}}}", letter) for name, letter in (("^2", "²"), (r"\mu", "µ"), ("<", "<"), (">", ">"))),
        *((r"\textemdash{}", "—"), (r"\textasciitilde{}", "~"), (r"\textbar{}", "|"), (r"\^{}", "^"), ("``", "“")),
        *((r"\textbackslash{}", "\\"), ("{[}", "["), ("{*}", "*"), ("-{}-", "--"), ("''", "”")),
    ):
        latex_text = latex_text.replace(command, letter)
    return re.sub(r"\\([&%$#_{}])", r"\1", latex_text)


def test_every_character_survives():
    claimed = Section("S", (Column("c0"), Column("c1")), ((Cell(NASTY, claim="a/b/c"), Cell("1")),))
    text = latex.page(document(claimed))
    check(text)
    ((_, rows),) = bodies(text)
    assert [[read(cell) for cell in row] for row in rows] == [["c0", "c1"], [NASTY, "1"]]


def test_a_character_without_a_glyph_becomes_its_number():
    text = latex.page(document(table(["β 中"])))
    check(text)
    assert "U+03B2 U+4E2D" in text


def test_a_row_that_begins_with_a_bracket_or_a_star_is_no_option():
    check(latex.page(document(table(["x", "y"], ["[1, 2]", "[3]"], ["*", "*"]))))


def test_notes_are_markdown():
    note = "A *word*, a **loud** one, `code_1.json --check`, a [page](errata.md) and a [site](https://a.org/b_c) at 5%."
    text = latex.page(document(Section("S", notes=(note, "- one\n- [two](x.md) *2*"))))
    check(text)
    assert r"A \emph{word}, a \textbf{loud} one" in text
    plain = text.replace(r"\allowbreak{}", "")
    assert r"\texttt{code\_1.json -{}-check}, a page and a site (\texttt{https://a.org/b\_c}) at 5\%." in plain
    assert "\\begin{itemize}\n\\item one\n\\item two \\emph{2}\n\\end{itemize}" in text


def test_cells_are_markdown_but_claims_stand_as_printed():
    section = Section("S", (Column("c"),), ((Cell("see `a_b`"),), (Cell("`a` *b*", claim="x/y/z"),)))
    ((_, rows),) = bodies(latex.page(document(section)))
    assert rows[1:] == [[r"see \texttt{a\_\allowbreak{}b}"], ["`a` {*}b{*}"]]


def test_columns_keep_their_side_and_long_cells_break():
    short, long = table(["net", "1.0"]), table(["net " * 20, "1.0"])
    letters = [columns for columns, _ in bodies(latex.page(document(short, long)))]
    assert letters == ["lr", "pr"]


def test_markdown_that_has_no_latex_is_refused():
    with pytest.raises(ValueError, match="fence"):
        latex.page(document(Section("S", notes=("```\ncode\n```",))))


@pytest.fixture(scope="module")
def rendered():
    return [latex.page(document) for group in render.documents().values() for document in group]


def test_the_tables_are_whole(rendered):
    for text in rendered:
        check(text)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_pdflatex_compiles_the_tables(rendered, tmp_path):
    nasty = [latex.page(document(table([NASTY, "[1]"], ["*", "β"]), introduction=[NASTY.replace("`", "")]))]
    for number, text in enumerate([*rendered, *nasty]):
        (tmp_path / f"{number}.tex").write_text(text, encoding="utf-8")
    inputs = "\n".join(rf"\input{{{number}.tex}}\clearpage" for number in range(len(rendered) + 1))
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{booktabs}\n"
        f"\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout
