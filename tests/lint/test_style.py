# SPDX-License-Identifier: BSD-3-Clause
"""What a C file of the library may not hold, and what it must begin with. The rules are tables, and
each has a line that breaks it and one that does not."""

import re
from typing import NamedTuple

import pytest
from csource import LIBRARY, REPO, code_of, line_of, name_of, sources, without_directives

MAX_COLUMNS = 100
TAB = 8


class Rule(NamedTuple):
    """A pattern that must not occur."""

    pattern: str  # in code without comments; strings are empty unless `strings` is set
    reason: str
    bad: str
    good: str
    allowed: tuple = ()  # files, from src/
    strings: bool = False
    comments: bool = False


RULES = {
    "alloca": Rule(r"\b(?:alloca|strdupa|strndupa)\s*\(", "the stack is the program's", "p = alloca(n);", "p = malloc(n);"),
    "strstr": Rule(r"\bstr(?:case)?str\s*\(", "parse once, strictly", "if (strstr(s, t))", "if (starts_with(s, t))"),
    "atoi": Rule(r"\b(?:ato[ilf]|atoll|sscanf|strto[a-z]+)\s*\(", "numbers are read by base/num.h", "n = atoi(s);", "r = accel_parse_number(s, len, &n);"),
    "sprintf": Rule(r"\bv?sprintf\s*\(", "write with a size", "sprintf(out, f);", "snprintf(out, len, f);"),
    "strcpy": Rule(r"\b(?:strcpy|strcat)\s*\((?![^;]*,\s*\"[^\"]*\"\s*\)\s*;)", "copy with a size (a constant text may be copied)", "strcpy(to, name);", 'strcpy(to, "any");', strings=True),
    "strncpy": Rule(r"\b(?:strncpy|strncat|strtok|gets)\s*\(", "forgets the NUL or its place", "strncpy(a, b, n);", "memcpy(a, b, n);"),
    "assert": Rule(r"(?<!_Static_)(?<!\w)assert\s*\(", "a guest does not abort", "assert(p);", '_Static_assert(sizeof(int) == 4, "");'),
    "abort": Rule(r"(?<!\w)(?:abort|_?exit|_Exit|quick_exit|raise|kill)\s*\(", "a guest does not end the program", "exit(1);", "return on_exit_asked(1);"),
    "spawn": Rule(r"(?<!\w)(?:fork|vfork|system|popen|posix_spawnp?|exec[lv][pe]*|pthread_create)\s*\(", "a guest does not spawn", "popen(s, t);", "accel_handle_fork_seen(h);"),
    "handlers": Rule(r"(?<!\w)(?:signal|sigaction|setrlimit|atexit|pthread_atfork|setenv|putenv|setlocale|chdir|umask)\s*\(", "the process's state is the program's", "signal(n, f);", "wait_for_signal(n, f);"),
    "stdout": Rule(r"(?<!\w)(?:printf|puts|putchar|vprintf)\s*\(|\bstdout\b", "a guest does not print", 'printf("x");', "snprintf(out, len, fmt);"),
    "stderr": Rule(r"\bstderr\b|(?<!\w)perror\s*\(", "only pcap_perror() prints", 'fprintf(stderr, "x");', "write(STDERR_FILENO, line, n);", ("api/info.c",)),
    "constructor": Rule(r"\b(?:constructor|destructor)\b|\.(?:init|fini)_array", "no code runs in a program that never calls us", "__attribute__((constructor)) static void f(void)", "static void construct(void)", strings=True),
    "getenv": Rule(r"(?<!secure_)\bgetenv\s*\(", "secure_getenv() only", "getenv(name);", "secure_getenv(name);"),
    "setjmp": Rule(r"\b(?:sig)?(?:set|long)jmp\s*\(", "a program's handler may use it: we do not", "longjmp(b, 1);", "jump(b, 1);"),
    "debts": Rule(r"\b(?:TO[D]O|FIXM[E]|XX[X]|HAC[K])\b", "do it, or write it down where it is planned", "/* TODO: later */", "/* done */", comments=True),
    "names of men": Rule(r"@author|\bCreated (?:by|on)\b|[\w.]+@[\w-]+\.(?:com|org|net)\b", "git knows who and when", "/* Created by a b */", "/* made by accel_handle_new() */", comments=True),
    "banners": Rule(r"/\*\s*[-=*#]{10,}|(?<![:/\"'\w])//", "comments are of the five kinds, in /* */", "/* ------------ */", "/* ---- states ---- */", comments=True),
    "typedef of a struct": Rule(r"\btypedef\s+(?:struct|union|enum)\b", "a struct is called one", "typedef struct a b;", "typedef int parse_fn(const char *s);"),
    "asm of a version": Rule(r"\bLINUX_VERSION_CODE\b|\buname\s*\(", "ask the kernel, not the version", "uname(&u);", "setsockopt(fd, 1, 2, p, n);"),
}  # fmt: skip

# A call that makes a descriptor and what its arguments must hold.
MAKES_FD = {
    "socket": r"\bSOCK_CLOEXEC\b",
    "socketpair": r"\bSOCK_CLOEXEC\b",
    "accept4": r"\bSOCK_CLOEXEC\b",
    "open": r"\bO_CLOEXEC\b",
    "openat": r"\bO_CLOEXEC\b",
    "eventfd": r"\bEFD_CLOEXEC\b",
    "timerfd_create": r"\bTFD_CLOEXEC\b",
    "signalfd": r"\bSFD_CLOEXEC\b",
    "epoll_create1": r"\bEPOLL_CLOEXEC\b",
    "inotify_init1": r"\bIN_CLOEXEC\b",
    "memfd_create": r"\bMFD_CLOEXEC\b",
    "pipe2": r"\bO_CLOEXEC\b",
    "fopen": r'"\w*e\w*"',
}
# Calls that cannot be told so.
NEVER = ("accept", "creat", "dup", "dup2", "epoll_create", "inotify_init", "pipe", "tmpfile")


def view(rule, text):
    """What of a file a rule looks at."""
    return text if rule.comments else code_of(text, keep_strings=rule.strings)


def breaches(rule, text):
    """[(line, what)] that the rule finds."""
    code = view(rule, text)
    return [
        (line_of(code, m.start() + len(m[0]) - len(m[0].lstrip())), m[0].strip())
        for m in re.finditer(rule.pattern, code, re.M)
    ]


def calls(code, name):
    """(position, arguments) of each call of exactly this function: not of a method or a longer name,
    and not its declaration as a slot or a field."""
    for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
        depth, end = 1, m.end()
        while depth and end < len(code):
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        yield m.start(), code[m.end() : end - 1]


def leaky_calls(text):
    """[(line, call)] of calls whose descriptor an exec would inherit."""
    code = without_directives(code_of(text, keep_strings=True))
    found = [
        (line_of(code, at), f"{name}({arguments})")
        for name, flag in MAKES_FD.items()
        for at, arguments in calls(code, name)
        if not re.search(flag, arguments)
    ]
    return found + [
        (line_of(code, at), f"{name}()") for name in NEVER for at, _ in calls(code, name)
    ]


def columns(line):
    return len(line.expandtabs(TAB))


def file_comment(text):
    """The comment behind the licence's line, or None."""
    m = re.match(r"/\* SPDX-License-Identifier: BSD-3-Clause \*/\n(/\*.*?\*/)", text, re.S)
    return m[1] if m else None


def judge_opening(name, text):
    """What is wrong with a file's beginning, or None. `FILE.c - see FILE.h.` refers to the header
    for everything, its threads too."""
    comment = file_comment(text)
    if comment is None:
        return "does not open with the SPDX line and a file comment"
    if not comment.startswith(f"/* {name} - "):
        return f"the file comment does not begin with '{name} - '"
    said = " ".join(comment.replace("\n *", " ").split())
    refers = name.endswith(".c") and re.search(rf"\bsee {re.escape(name[:-1])}h\b", said, re.I)
    if not re.search(r"\bThreads: ", said) and not refers:
        return "the file comment does not say which threads"
    return None


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_nothing_forbidden(rule):
    """No file of the library holds what the rule forbids."""
    wrong = [
        f"{name_of(path)}:{line}: {what}: {rule.reason}"
        for path in sources()
        if not name_of(path).endswith(rule.allowed or ("/",))
        for line, what in breaches(rule, path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_the_rule_catches(rule):
    """Each rule finds the line that breaks it and passes over its neighbour."""
    assert breaches(rule, rule.bad + "\n"), rule.bad
    assert breaches(rule, rule.good + "\n") == [], rule.good


def test_descriptors_are_cloexec():
    """Each call that makes a descriptor asks for close-on-exec: the program's children must not
    inherit captures."""
    wrong = [
        f"{name_of(path)}:{line}: {call}"
        for path in sources()
        for line, call in leaky_calls(path.read_text())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "leaks"),
    [
        ("fd = open(path, O_RDONLY);", True),
        ("fd = open(path, O_RDONLY |\n\t O_CLOEXEC);", False),
        ("fd = socket(AF_PACKET, type, htons(3));", True),
        ("fd = socket(AF_PACKET, type | SOCK_CLOEXEC, htons(3));", False),
        ("fd = eventfd(0, EFD_NONBLOCK);", True),
        ("fd = dup(fd);", True),
        ('f = fopen(path, "r");', True),
        ('f = fopen(path, "re");', False),
        ("r = h->be->open(h->st, rq, &h->err);", False),
        ("real->pcap_open(source);", False),
    ],
)
def test_the_descriptor_rule_catches(line, leaks):
    """It reads calls over several lines and leaves an engine's own open() alone."""
    assert bool(leaky_calls(line + "\n")) == leaks


def test_files_open_with_a_promise():
    """Each file opens with its licence and a comment that says what it is and which threads may use
    it; FILE.c may refer to FILE.h."""
    judged = [(name_of(path), judge_opening(path.name, path.read_text())) for path in sources()]
    wrong = [f"{name}: {what}" for name, what in judged if what]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("/* SPDX-License-Identifier: BSD-3-Clause */\n/* a.c - does a.\n *\n * Threads: any. */\n", True),
        ("/* SPDX-License-Identifier: BSD-3-Clause */\n/* a.c - see a.h. */\n", True),
        ("/* SPDX-License-Identifier: BSD-3-Clause */\n/* a.c - does a. */\n", False),
        ("/* SPDX-License-Identifier: BSD-3-Clause */\n/* b.c - does a.\n * Threads: any. */\n", False),
        ("/* SPDX-License-Identifier: BSD-3-Clause */\n#include <a.h>\n/* Threads: any */\n", False),
        ("/* a.c - does a.\n * Threads: any. */\n", False),
    ],
)  # fmt: skip
def test_the_opening_rule_catches(text, is_right):
    """The rule wants licence, name and threads."""
    assert (judge_opening("a.c", text) is None) == is_right


def test_the_compiler_refuses_variable_arrays():
    """The build warns of arrays of variable length, and the builds of tests/run.sh make warnings
    errors: no pattern knows a constant from a variable better."""
    assert re.search(r"add_compile_options\([^)]*-Wvla\b", (LIBRARY / "CMakeLists.txt").read_text())
    assert "-DACCEL_WERROR=ON" in (REPO / "tests/run.sh").read_text()


def test_headers_have_guards():
    """A header's guard is there and names it, so that two headers never hide each other."""
    guards = {}
    for path in sources():
        if path.suffix != ".h":
            continue
        m = re.search(r"^#ifndef (ACCEL_\w+_H)\n#define \1\n", path.read_text(), re.M)
        assert m, f"{name_of(path)}: no guard ACCEL_..._H"
        assert path.stem.replace("-", "_").upper() in m[1], f"{name_of(path)}: guard {m[1]}"
        assert m[1] not in guards, f"{name_of(path)} and {guards[m[1]]} have one guard"
        guards[m[1]] = name_of(path)


def test_lines_fit():
    """No line is longer than 100 columns, a tab being 8; but for the rows of tables between
    clang-format off and on."""
    wrong, in_table = [], False
    for path in sources():
        for number, line in enumerate(path.read_text().split("\n"), 1):
            in_table = ("clang-format off" in line or in_table) and "clang-format on" not in line
            if columns(line) > MAX_COLUMNS and not in_table:
                wrong.append(f"{name_of(path)}:{number}: {columns(line)} columns")
        assert not in_table, f"{name_of(path)}: clang-format is off at the end"
    assert not wrong, "\n".join(wrong)


def test_columns_count_tabs():
    """A tab goes to the next multiple of 8."""
    assert columns("\t\tx") == 17
    assert columns("ab\tx") == 9


def test_no_blanks_at_line_ends():
    """No line ends in a blank; each file ends in one newline."""
    for path in sources():
        text = path.read_text()
        assert text.endswith("\n") and not text.endswith("\n\n"), name_of(path)
        assert re.search(r"[ \t]+$", text, re.M) is None, name_of(path)
