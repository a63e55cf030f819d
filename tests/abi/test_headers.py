# SPDX-License-Identifier: BSD-3-Clause
"""Our own declarations of the ABI against the installed <pcap/pcap.h>: the compiler is the judge.
What is compared is read from our headers, so that a new field or constant is compared as well."""

import re

import pytest

REAL = "#include <pcap/pcap.h>\n#include <pcap/namedb.h>\n#include <pcap/dlt.h>\n"
OURS = '#include "core/pcap_abi.h"\n#include "api/pcap_codes.h"\n'
COMMON = "#include <stdio.h>\n#include <stddef.h>\n#include <stdint.h>\n"

# Declared by us, in no installed header: with the reason.
NOT_IN_HEADERS = {
    "eproto": "exported as a variable, never declared; test_exports.py compares its content",
    "PCAP_ERROR_CAPTURE_NOTSUP": "since libpcap 1.10.5",
}


@pytest.fixture(scope="module")
def include(repo, run):
    if run("gcc", "-E", "-xc", "-", check=False, input=REAL).returncode != 0:
        pytest.skip("libpcap's headers are not installed (libpcap0.8-dev)")
    return f"-I{repo}/libpcap-accel/src"


@pytest.fixture(scope="module")
def text(repo):
    src = repo / "libpcap-accel/src"
    whole = (src / "core/pcap_abi.h").read_text() + (src / "api/pcap_codes.h").read_text()
    return re.sub(r"/\*.*?\*/", "", whole, flags=re.S)


def structs(text):
    """{struct: [fields]} of the definitions in our header."""
    found = {}
    for name, body in re.findall(r"struct (\w+) \{(.*?)\n\};", text, re.S):
        found[name] = re.findall(r"(\w+)(?:\[\d+\])?;", body)
    return found


def constants(text):
    """Names of all our enumerators and numeric macros."""
    names = re.findall(r"#define ((?:PCAP|DLT)_\w+)\s", text)
    for body in re.findall(r"enum \{(.*?)\}", text, re.S):
        names += re.findall(r"\b((?:PCAP|DLT)_\w+)\b", body)
    return names


def facts(lines, headers):
    body = "\n".join(lines)
    return f"{COMMON}{headers}int main(void) {{\n{body}\nreturn 0; }}\n"


def test_struct_layouts(run, cc, include, text):
    """Every struct of ours has the size, and every field the offset and size, that the installed
    header gives it."""
    lines = []
    for name, fields in structs(text).items():
        if name in NOT_IN_HEADERS:
            continue
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for f in fields:
            lines.append(
                f'printf("{name}.{f} %zu %zu\\n", offsetof(struct {name}, {f}), '
                f"sizeof(((struct {name} *)0)->{f}));"
            )
    assert len(lines) > 30
    real, ours = (run(cc(facts(lines, h), include)).stdout for h in (REAL, OURS))
    assert ours == real


def test_instruction_layout(run, cc, include):
    """One instruction of libpcap's is a struct sock_filter of the kernel's: programs are cast from
    one to the other."""
    answers = []
    for name, headers in [("bpf_insn", REAL), ("sock_filter", "#include <linux/filter.h>\n")]:
        lines = [f'printf("%zu\\n", sizeof(struct {name}));'] + [
            f'printf("%zu %zu\\n", offsetof(struct {name}, {f}), '
            f"sizeof(((struct {name} *)0)->{f}));"
            for f in ("code", "jt", "jf", "k")
        ]
        answers.append(run(cc(facts(lines, headers))).stdout)
    assert answers[0] == answers[1]


def test_constants(run, cc, include, text):
    """Every constant of ours has the installed header's value."""
    names = constants(text)
    assert len(names) > 45
    lines = [
        f'printf("{name} %lld\\n", (long long){name});'
        for name in names
        if name not in NOT_IN_HEADERS
    ]
    real, ours = (run(cc(facts(lines, h), include)).stdout for h in (REAL, OURS))
    assert ours == real


def redeclare(extra=""):
    """Our rows as prototypes behind libpcap's own; the guard keeps our types out."""
    return (
        COMMON
        + REAL
        + "#define ACCEL_PCAP_ABI_H\n"
        + '#include "core/real_functions.h"\n'
        + "#define X(class, ret, name, params, args, missing) extern ret name params;\n"
        + "ACCEL_REAL_FUNCTIONS(X)\n"
        + extra
        + "int main(void) { return 0; }\n"
    )


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_prototypes(cc, include, compiler):
    """Each row of the table of real functions can be declared beside libpcap's prototype: the same
    parameters, the same result."""
    cc(redeclare(), include, "-Wno-deprecated-declarations", compiler=compiler)


def test_a_wrong_prototype_is_noticed(cc, include):
    """The comparison bites: one row with another type does not compile."""
    with pytest.raises(AssertionError, match=r"conflicting types for .pcap_snapshot"):
        cc(redeclare("extern long pcap_snapshot(pcap_t *p);\n"), include)


def test_every_function_of_the_header_is_in_the_table(run, include, exports):
    """No function that <pcap/pcap.h> declares is unknown to us (Windows' own are not for here)."""
    whole = run("gcc", "-E", "-P", "-xc", "-", input=REAL).stdout
    declared = set(re.findall(r"\b((?:pcap|bpf)_\w+)\s*\([^()]*\)\s*(?:__attribute__|;)", whole))
    declared -= {n for n in declared if n.startswith("bpf_u_")}
    assert len(declared) > 100
    assert declared <= set(exports)


def test_layout_table_is_complete(repo):
    """pcap_accel_get_layout() knows every structure of the public header."""
    header = (repo / "libpcap-accel/include/pcap-accel.h").read_text()
    table = (repo / "libpcap-accel/src/api/layout.c").read_text()
    public = set(re.findall(r"^struct (pcap_accel_\w+) \{", header, re.M))
    assert public <= set(re.findall(r"\bS\((\w+)\)", table))
