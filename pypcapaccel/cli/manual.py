# SPDX-License-Identifier: BSD-3-Clause
"""The manual page and the completions of ``pcap-accel``, made from its parser:

    python -m pypcapaccel.cli.manual man >libpcap-accel/man/pcap-accel.1
    python -m pypcapaccel.cli.manual bash >libpcap-accel/completions/pcap-accel
    python -m pypcapaccel.cli.manual zsh >libpcap-accel/completions/_pcap-accel

Threads: none of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator

from . import COMMANDS, make_parser

__all__ = ["FILES", "bash", "man", "zsh"]

DATE = "November 21, 2026"
FILES = {
    "man": "man/pcap-accel.1",
    "bash": "completions/pcap-accel",
    "zsh": "completions/_pcap-accel",
}
"""Where each lies, from libpcap-accel/."""


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if a.option_strings and a.help is not argparse.SUPPRESS]


def _words(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Positional arguments that are no subcommand."""
    return [
        a
        for a in parser._actions
        if not a.option_strings and not isinstance(a, argparse._SubParsersAction)
    ]


# ---- mdoc ----


def _escape(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _argument(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return " | ".join(map(str, action.choices))
    shown = action.metavar if isinstance(action.metavar, str) else action.dest
    return shown.lower().replace("-- ", "")


def _flag(option: str) -> str:
    return _escape(option[1:])


def _item(action: argparse.Action) -> Iterator[str]:
    argument = _argument(action)
    if action.option_strings:
        names = " , ".join(f"Fl {_flag(option)}" for option in action.option_strings)
        yield f".It {names}" + (f" Ar {_escape(argument)}" if argument else "")
    else:
        yield f".It Ar {_escape(argument)}"
    yield from _text(action.help or "")


def _text(text: str) -> Iterator[str]:
    """Prose: a sentence begins a line; a paragraph of its own after an empty line."""
    for i, paragraph in enumerate(text.strip().split("\n\n")):
        if i:
            yield ".Pp"
        for sentence in re.split(r"(?<=[.;:]) (?=[A-Z])", " ".join(paragraph.split())):
            yield _escape(
                sentence[:1].upper() + sentence[1:]
                if i == 0 and not sentence[:1].isupper()
                else sentence
            )


def _list(actions: list[argparse.Action]) -> Iterator[str]:
    if actions:
        yield ".Bl -tag -width Ds"
        for action in actions:
            yield from _item(action)
        yield ".El"


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f".Ss {name}"
    yield from _text(parser.description or "")
    own = [a for a in _options(parser) if "--help" not in a.option_strings]
    yield from _list([*_words(parser), *own])
    for action, sub in _subparsers(parser).items():
        yield ".Pp"
        yield f".Cm {name} {action} :"
        yield from _text((sub.description or "").partition("\n\nexample")[0])
        rest = [a for a in _options(sub) if not set(a.option_strings) & {"--help", "--json"}]
        yield from _list([*_words(sub), *rest])


def _synopsis(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield ".Nm"
    yield f".Cm {name}"
    if _subparsers(parser):
        yield ".Op Ar action"
    yield ".Op Ar options"
    for action in _words(parser):
        if str(action.metavar).startswith("-- "):
            yield ".Fl \\-"
        kind = "Op Ar" if action.nargs in ("?", "*") else "Ar"
        yield f".{kind} {_escape(_argument(action))}"


def man() -> str:
    """The manual page, in mdoc."""
    parser = make_parser()
    commands = _subparsers(parser)
    lines = [
        '.\\" SPDX-License-Identifier: BSD-3-Clause',
        '.\\" Made from the parser: python -m pypcapaccel.cli.manual man',
        f".Dd {DATE}",
        ".Dt PCAP-ACCEL 1",
        ".Os",
        ".Sh NAME",
        ".Nm pcap-accel",
        ".Nd packet capture without losing packets, for the programs you already have",
        ".Sh SYNOPSIS",
    ]
    for name, sub in commands.items():
        lines += _synopsis(name, sub)
    lines += [".Sh DESCRIPTION", ".Nm", "has these commands:", ".Bl -tag -width compile"]
    for name in commands:
        lines += [f".It Cm {name}", *_text(COMMANDS[name])]
    lines += [
        ".El",
        ".Pp",
        "With",
        ".Fl \\-json",
        "each prints one object, whose",
        ".Va schema",
        "names what it is.",
    ]
    for name, sub in commands.items():
        lines += _command(name, sub)
    lines += [
        ".Sh EXIT STATUS",
        ".Bl -tag -width Ds",
        ".It 0", "It was done.",
        ".It 1", "It could not be done, or something was found wrong.",
        ".It 2", "The command line is wrong (of", ".Cm run :", "125).",
        ".It 125 , 126 , 127", "Of", ".Cm run :",
        "it could not be done; the program cannot be executed; there is none.",
        "Else the program's own.",
        ".El",
        ".Sh EXAMPLES",
        ".Bd -literal",
    ]  # fmt: skip
    lines += [_escape(line.strip()) for line in (parser.epilog or "").splitlines()[1:]]
    lines += [
        ".Ed",
        ".Sh SEE ALSO",
        ".Xr pcap-accel.conf 5 ,",
        ".Xr pcap-accel 7 ,",
        ".Xr pcap-accel-device 7 ,",
    ]
    lines += [".Xr pcap-accel-lang 7"]
    return "\n".join(lines) + "\n"


# ---- shells ----


_Each = tuple[str, argparse.ArgumentParser, list[str]]


def _each(parser: argparse.ArgumentParser) -> list[_Each]:
    """("groups define", its parser, its actions) of each command and action, actions first."""
    found: list[_Each] = []
    for name, sub in _subparsers(parser).items():
        actions = _subparsers(sub)
        found += [(f"{name} {action}", inner, []) for action, inner in actions.items()]
        found.append((name, sub, list(actions)))
    return sorted(found, key=lambda row: -row[0].count(" "))


def _pattern(name: str, more: str = "") -> str:
    """Of a command, the word behind it, which is an action's name or any, and more."""
    if " " in name:
        return f'"{name}{more}"'
    return f'"{name} "*"{more}"' if more else f'"{name} "*'


def bash() -> str:
    """Completion for bash."""
    parser = make_parser()
    lines = [
        "# SPDX-License-Identifier: BSD-3-Clause",
        "# Made from the parser: python -m pypcapaccel.cli.manual bash",
        "_pcap_accel() {",
        "\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words",
        "\tlocal command=${COMP_WORDS[1]} action=${COMP_WORDS[2]} i",
        "\tfor ((i = 1; i < COMP_CWORD; i++)); do",
        "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then",
        '\t\t\tCOMPREPLY=($(compgen -c -f -- "$current"))',
        "\t\t\treturn",
        "\t\tfi",
        "\tdone",
        "\tif ((COMP_CWORD == 1)); then",
        f"\t\tCOMPREPLY=($(compgen -W '{' '.join(_subparsers(parser))} --help --version' -- \"$current\"))",
        "\t\treturn",
        "\tfi",
        '\tcase "$command $action $previous" in',
    ]
    for name, each, _ in _each(parser):
        for option in _options(each):
            if option.choices:
                patterns = "|".join(_pattern(name, f" {o}") for o in option.option_strings)
                words = " ".join(map(str, option.choices))
                lines.append(
                    f"\t{patterns}) COMPREPLY=($(compgen -W '{words}' -- \"$current\")); return ;;"
                )
    lines += [
        '\t*" -i"|*" --interface") COMPREPLY=($(compgen -W "$(ls /sys/class/net)" -- "$current")); return ;;',
        "\tesac",
        '\tcase "$command $action" in',
    ]
    for name, each, actions in _each(parser):
        options = [o for a in _options(each) for o in a.option_strings]
        lines.append(f"\t{_pattern(name)}) words='{' '.join([*actions, *options])}' ;;")
    lines += [
        "\tesac",
        '\tCOMPREPLY=($(compgen -W "$words" -f -- "$current"))',
        "}",
        "complete -F _pcap_accel pcap-accel",
    ]
    return "\n".join(lines) + "\n"


def _zsh_quote(text: str) -> str:
    return (
        text.replace("'", "'\\''")
        .replace("[", "(")
        .replace("]", ")")
        .replace(":", ";")
        .replace("`", "")
    )


def zsh() -> str:
    """Completion for zsh."""
    parser = make_parser()
    lines = [
        "#compdef pcap-accel",
        "# SPDX-License-Identifier: BSD-3-Clause",
        "# Made from the parser: python -m pypcapaccel.cli.manual zsh",
        "_pcap_accel() {",
        "\tlocal -a commands",
        "\tcommands=(",
        *(f"\t\t'{name}:{_zsh_quote(line)}'" for name, line in COMMANDS.items()),
        "\t)",
        "\tif ((CURRENT == 2)); then",
        "\t\t_describe command commands",
        "\t\treturn",
        "\tfi",
        "\tlocal command=$words[2]",
        "\tshift words",
        "\t((CURRENT--))",
        "\tcase $command in",
    ]
    for name, sub in _subparsers(parser).items():
        specs = []
        for action in _options(sub):
            argument = _argument(action)
            values = (
                f":{_zsh_quote(argument)}:({' '.join(map(str, action.choices))})"
                if action.choices
                else ""
            )
            values = values or (f":{_zsh_quote(argument)}:_files" if argument else "")
            specs += [
                f"'{option}[{_zsh_quote(action.help or '')}]{values}'"
                for option in action.option_strings
            ]
        actions = " ".join(_subparsers(sub))
        rest = f"'1:action:({actions})' '*:file:_files'" if actions else "'*:file:_files'"
        rest = "'*::program:_normal'" if name == "run" else rest
        lines.append(f"\t{name}) _arguments {' '.join([*specs, rest])} ;;")
    lines += ["\tesac", "}", '_pcap_accel "$@"']
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print({"man": man, "bash": bash, "zsh": zsh}[sys.argv[1]](), end="")
