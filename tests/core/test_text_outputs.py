"""Plain text, colours in terminals, HTML and notebooks."""

import io
import math
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.console import Console
from rich.text import Text

from trulens_core.visualizations import HTML, IPython, PlainText
from trulens_core.visualizations.text_colors import INK, LOWERS, MISSING, RAISES, css
from trulens_core.visualizations.text_lines import Column, TextLine, Token
from trulens_core.visualizations.text_outputs import Output, default_output


def line(*tokens, label="", **options):
    return TextLine((Column(tuple(Token(*t) for t in tokens), **options),), label)


GOOD = line(("good", 0.5), ("film", -0.25), ("the", 0.0), label="positive")
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e\n"
EVIL = TextLine((Column((Token(HOSTILE, 1.0),), name=HOSTILE),) * 2, HOSTILE)


class Spans(HTMLParser):
    """The tokens of a page: text, title and style."""

    def __init__(self, page):
        super().__init__()
        self.tokens, self.tags, self.text, self._inside = [], [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        given = dict(attributes)
        self._inside = given.get("class") == "trulens-token"
        if self._inside:
            style = dict(s.split(":") for s in given["style"].split(";"))
            self.tokens.append(["", given["title"], style])

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        self.text += data
        if self._inside:
            self.tokens[-1][0] += data


# -- plain ---------------------------------------------------------------------------------------


def test_plain_text_has_numbers():
    shown = PlainText(color=False).render([GOOD, line(("un", 1e-9), ("like", -2e-9, False))])
    assert (
        shown == "positive: good(+0.5) film(-0.25) the  [±0.5]\nun(+1e-09)like(-2e-09)  [±2e-09]\n"
    )


def test_plain_text_has_a_line_per_quantity():
    both = TextLine((Column((Token("a", 1.0),), "bad"), Column((Token("a", 3.0),), "good")), "good")
    shown = PlainText(color=False).render([both])
    assert shown == "good / bad: a(+1)  [±3]\ngood / good: a(+3)  [±3]\n"


@pytest.mark.parametrize("color", [False, True])
def test_terminals_get_no_control_but_colours(color):
    shown = PlainText(color=color).render([EVIL])
    without = re.sub(r"\x1b\[[0-9;]*m", "", shown) if color else shown
    assert without.count("\n") == 2 + color
    assert without.replace("\n", "").isprintable()
    assert r"\x1b[31m\u202e\n" in without


def test_what_is_hidden_is_told():
    assert "[±0.5, hidden -0.2]" in PlainText(False).render([line(("a", 0.5), hidden=-0.2)])


# -- colours -------------------------------------------------------------------------------------


def spans(shown):
    text = Text.from_ansi(shown)
    return {text.plain[s.start : s.end]: str(s.style) for s in text.spans}


def test_colours_are_strong_weak_or_none_and_lowering_is_underlined():
    tokens = ("strong", 1.0), ("weak", 0.4), ("none", 0.1), ("less", -0.4), ("least", -1.0)
    found = spans(PlainText(color=True).render([line(*tokens)]))
    assert found["strong"] == "#ffffff on #cc4c0c"
    assert found["weak"] == "#cc4c0c"
    assert found["less"] == "underline #1f77d0"
    assert found["least"] == "underline #ffffff on #1f77d0"
    assert "none" not in found
    assert {"raises", "raises a little", "lowers a little", "lowers"} <= set(found)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on(monkeypatch):
    """What is rendered where standard output is a stream of one's own."""

    def render(stream, color=None, **environment):
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        given = {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | environment
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with monkeypatch.context() as during:
            during.setattr(sys, "stdout", stream)
            return PlainText(color).render([GOOD])

    return render


def test_a_terminal_gets_colours_by_itself(on):
    assert "\x1b[38;2;255;255;255;48;2;204;76;12mgood" in on(Terminal())
    assert "\x1b" not in on(Terminal(), color=False)


def test_a_terminal_of_sixteen_colours_gets_those(on):
    shown = on(Terminal(), COLORTERM="", TERM="xterm")
    assert "\x1b[97;41mgood" in shown
    assert "\x1b[4;97;44mfilm" in shown


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_none_gets_none(on, environment):
    assert on(Terminal(), **environment) == PlainText(color=False).render([GOOD])


def test_a_file_gets_none_unless_asked_for(on):
    assert "\x1b" not in on(io.StringIO())
    assert "\x1b" in on(io.StringIO(), color=True)


def test_colours_break_no_line():
    shown = PlainText(color=True).render([line(*[("word", 1.0)] * 200)])
    assert shown.count("\n") == 2


WITHOUT_RICH = """
import sys
sys.modules["rich"] = None
from trulens_core.visualizations import PlainText
from trulens_core.visualizations.text_lines import Column, TextLine, Token
print(PlainText({}).render([TextLine((Column((Token("a", 1.0),)),))]))
"""


def run(code):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_rich_it_is_plain():
    assert run(WITHOUT_RICH.format("")).stdout == "a(+1)  [±1]\n\n"


def test_colours_asked_for_without_rich_name_the_pip_line():
    done = run(WITHOUT_RICH.format("color=True"))
    assert "ImportError: rich is needed here and not installed" in done.stderr
    assert "pip install 'trulens-nn[text]'" in done.stderr


def test_rich_waits_until_colours_are_wanted():
    done = run("import sys, trulens_core.visualizations; print('rich' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


# -- HTML ----------------------------------------------------------------------------------------


def test_html_has_a_coloured_token_with_its_number():
    tokens = Spans(HTML().render([GOOD])).tokens
    assert [(t[0], t[1]) for t in tokens] == [("good", "+0.5"), ("film", "-0.25"), ("the", "0")]
    grounds = [t[2]["background"] for t in tokens]
    assert grounds == [css(RAISES), "#b7d8ff", "#ffffff"]
    assert {t[2]["color"] for t in tokens} == {css(INK)}
    edges = [t[2].get("border-bottom", "").split(" ")[1:2] for t in tokens]
    assert edges == [["solid"], ["dashed"], []]


def test_each_text_has_its_own_scale():
    page = HTML().render([line(("a", 1e-6)), line(("b", -100.0)), line(("c", 0.0))])
    assert [t[2]["background"] for t in Spans(page).tokens] == [
        css(RAISES),
        css(LOWERS),
        "#ffffff",
    ]


def test_the_columns_of_a_text_share_a_scale():
    both = TextLine((Column((Token("a", 1.0),), "bad"), Column((Token("a", 4.0),), "good")), "good")
    page = Spans(HTML().render([both]))
    weak, strong = (t[2]["background"] for t in page.tokens)
    assert (weak, strong) == ("#ffe4d5", css(RAISES))
    assert page.text.index("bad") < page.text.rindex("good")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_grey_and_takes_no_part_in_the_scale(value):
    bad, good = Spans(HTML().render([line(("a", value), ("b", 1.0))])).tokens
    assert bad[2]["background"] == css(MISSING)
    assert good[2]["background"] == css(RAISES)


def test_html_is_escaped_everywhere():
    page = HTML().render([EVIL])
    assert page.isascii()
    assert "<script" not in page
    found = Spans(page)
    assert set(found.tags) == {"div", "span", "b", "bdi"}
    escaped = r"""<script>alert(1)</script>"'&\x1b[31m\u202e\n"""
    assert [t[0] for t in found.tokens] == [escaped] * 2
    assert found.text.count(escaped) == 5  # label, two names, two tokens


def test_html_has_a_legend():
    text = Spans(HTML().render([GOOD])).text
    assert "±0.5" in text
    assert "lowers" in text
    assert "raises" in text


def test_blank_tokens_are_seen():
    assert [t[0] for t in Spans(HTML().render([line(("  ", 1.0), ("a  b", 1.0))])).tokens] == [
        "␣␣",
        "a  b",
    ]


# -- notebooks -----------------------------------------------------------------------------------


def test_a_notebook_shows_html_and_a_console_plain_text():
    picture = IPython().render([GOOD])
    assert picture._repr_html_() == HTML().render([GOOD])
    assert repr(picture) == str(picture) == PlainText(color=False).render([GOOD])


def test_the_default_is_the_notebook_s_where_there_is_one(monkeypatch):
    class Module:
        def __init__(self, shell):
            self.get_ipython = lambda: shell

    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert default_output() == PlainText()
    monkeypatch.setitem(sys.modules, "IPython", Module(None))
    assert default_output() == PlainText()
    monkeypatch.setitem(sys.modules, "IPython", Module(object()))  # a terminal's shell
    assert default_output() == PlainText()
    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setitem(sys.modules, "IPython", Module(shell))
    assert default_output() == IPython()


def test_outputs_of_users_fit():
    class Count(Output):
        def render(self, lines):
            return len(lines)

    assert Count().render([GOOD]) == 1


def test_rich_finds_nothing_to_interpret():
    console = Console(file=io.StringIO(), color_system=None)
    shown = PlainText(color=True).render([line(("[red]x[/red]", 1.0), (":smile:", 0.9))])
    console.print(Text.from_ansi(shown))
    assert "[red]x[/red] :smile:" in console.file.getvalue()
