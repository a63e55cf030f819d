# SPDX-License-Identifier: BSD-3-Clause
"""Configurations: both formats into one model and back without loss; every mistake at its place, all at
once; hostile files cost nothing."""

import functools
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypcapaccel import ConfigError, config
from pypcapaccel.config import editors, mistakes, model, options

REPO = Path(__file__).resolve().parents[2]

GROUPS = """\
version: 1
groups:
  - group: 42
    engine: pfq
    devices: [no, eth1@q0-3]
    members: 4
    computation: ip >-> steer_flow
    vlan: [10, 20]
    promisc: yes
    ring: {buffer: 64MiB, slots: 010}
map:
  eth0: pfq:eth0
default: afpacket
"""


def sentences(error):
    return [mistake.sentence for mistake in error.value.mistakes]


def refused(read, *arguments):
    with pytest.raises(ConfigError) as error:
        read(*arguments)
    return error


# ---- what is read ----


def test_yaml_is_read():
    with pytest.raises(ConfigError, match=r"ring.slots: '010' is not a number"):
        config.loads_yaml(GROUPS)
    read = config.loads_yaml(GROUPS.replace("010", "10"))
    group = read.groups[0]
    assert (group.group, group.number, group.engine, group.members) == ("42", 42, "pfq", 4)
    assert group.devices == ("no", "eth1@q0-3")  # YAML 1.1 makes a bool of the first
    assert group.promisc == "yes"
    assert group.vlan == ("10", "20")
    assert group.computation == "ip >-> steer_flow"
    assert group.ring == config.Ring(buffer="64MiB", slots="10")
    assert read.map == (("eth0", "pfq:eth0"),) and read.default == "afpacket"


def test_texts_stay_texts():
    """What YAML 1.1 makes booleans, numbers and times of."""
    text = 'version: 1\nsettings: {computation: "", fanout: {program: 1:20}}\nmap: {on: pfq:no}\n'
    read = config.loads_yaml(text)
    assert read.settings.fanout.program == "1:20"
    assert read.settings.computation == ""
    assert read.map == (("on", "pfq:no"),)
    error = refused(config.loads_yaml, "version: 1\ngroups: [{group: 1, devices: 1:20}]\n")
    assert "'1:20' is no interface's name" in str(error.value)


def test_conf_is_read():
    text = "# PFQ\nGROUP = 0x2A\nlang = ip >-> \\\n  steer_flow # both ways\nvlan = 10 , 20\n"
    text += "map.eth0 = pfq:eth0\n"
    read = config.loads_conf(text)
    assert read.groups[0].number == 42 and read.groups[0].group == "0x2A"
    assert read.groups[0].computation == "ip >-> steer_flow"
    assert read.groups[0].vlan == ("10", "20")
    assert read.map == (("eth0", "pfq:eth0"),)
    assert config.loads_conf("buffer = 1MiB\n").settings.ring.buffer == "1MiB"


def test_every_option_has_one_place():
    """Each option of the C library's table is read from YAML and from key = value, and from nowhere else."""
    known = model.options_of(config.Group)
    assert known <= set(options.table())
    rest = set(options.table()) - known
    fields = [
        f.metadata["option"]
        for f in model.fields_of(config.Group).values()
        if "option" in f.metadata
    ]
    assert len(fields) == len(set(fields))
    for key in rest:
        row = options.table()[key]
        value = row.default if row.default and row.type != "text" else "1"
        text = f"version: 1\nsettings: {{options: {{{key}: {value}}}}}\n"
        assert config.loads_yaml(text) == config.loads_conf(f"{key} = {value}\n")


@pytest.mark.parametrize("path", sorted((REPO / "conf").glob("*.conf*")), ids=lambda p: p.name)
def test_shipped_files(path):
    read = config.load(path)
    assert config.loads_yaml(config.dumps_yaml(read)) == read
    assert config.loads_conf(config.dumps_conf(read)) == read


# ---- mistakes ----

WRONG = """\
version: 2
groups:
  - group: 42
    device: [eth0]
    ring: {buffer: 64MB, blok: 1MiB}
    computation: ip >-> steer_flo
    vlan: [10, 5000]
    promisc: yes
    promisc: no
  - group: 0x2a
    engine: pfq
    fanout: {mode: hash}
  - devices: [eth0, "a b", eth0, c:d]
    members: 0
map: {eth0: pfqeth0, "a b": pfq:x}
default: pqf
"""


SIZE = "'64MB' is not a size (4KiB to 512GiB, in bytes, KiB, MiB or GiB)"
FLOW = "unknown function 'steer_flo' (did you mean 'steer_flow'?)"


def test_all_mistakes_at_once():
    error = refused(config.loads_yaml, WRONG, "g.yaml")
    assert sentences(error) == [
        "g.yaml:1:10: version: '2' is not known here (version: 1)",
        "g.yaml:4:5: groups[0].device: unknown key (did you mean 'devices'?)",
        "g.yaml:5:20: groups[0].ring.buffer: " + SIZE,
        "g.yaml:5:26: groups[0].ring.blok: unknown key (did you mean 'block'?)",
        "g.yaml:6:18: groups[0].computation: at 1:8: " + FLOW,
        "g.yaml:7:16: groups[0].vlan[1]: '5000' is out of range (0 to 4095)",
        "g.yaml:9:5: groups[0].promisc: is there twice (first in line 8)",
        "g.yaml:10:5: groups[1]: group 42 is there twice (first in line 3)",
        "g.yaml:12:20: groups[1].fanout.mode: option 'fanout' is not for pfq (for: afpacket; PFQ's is computation)",
        "g.yaml:13:5: groups[2].group: is missing (a number, 0 to 65535)",
        "g.yaml:13:21: groups[2].devices[1]: " + error.value.mistakes[10].text.partition(": ")[2],
        "g.yaml:13:28: groups[2].devices[2]: 'eth0' is named twice (name it once)",
        "g.yaml:13:34: groups[2].devices[3]: 'c:d' is no interface's name (one an item: [eth0, eth1])",
        "g.yaml:14:14: groups[2].members: '0' is not a number in range (1 to 256)",
        "g.yaml:15:13: " + error.value.mistakes[14].text,
        "g.yaml:15:22: map.a b: 'a b' is no interface's name",
        "g.yaml:16:10: default: unknown engine 'pqf' (did you mean 'pfq'?)",
    ]
    assert "pfqeth0" in error.value.mistakes[14].text


def test_a_mistake_is_shown():
    error = refused(config.loads_yaml, WRONG, "g.yaml")
    assert str(error.value.mistakes[1]).splitlines()[1:] == ["        device: [eth0]", "        ^"]
    assert str(error.value).startswith("g.yaml:1:10: version: ")
    assert isinstance(error.value, ValueError)


def test_mistakes_of_conf_files():
    text = b"a = 1\n\xef group=3\nb\xc3\xa4ffer = 3\ngroup = 1\n\tcaplen =   seven\n"
    text += b'lang = ip >-> x\ngroup = 2\n"'
    error = refused(config.loads_conf, text, "x.conf")
    assert [s[: s.index(" (")] for s in sentences(error)] == [
        "x.conf:1:1: unknown option 'a'",
        "x.conf:2:1: not UTF-8",
        "x.conf:3:1: unknown option 'bäffer'",
        "x.conf:5:13: caplen: 'seven' is not a number",
        "x.conf:6:8: computation: at 1:8: unknown function 'x'",
        "x.conf:7:1: 'group' is there twice",
        "x.conf:8:1: no '=' in this line",
    ]
    assert str(error.value.mistakes[3]).endswith("\n     caplen =   seven\n                ^")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "t: is empty (version: 1)"),
        ("# nothing\n", "t: is empty (version: 1)"),
        ("version: 1\n---\nversion: 1\n", "t:2:1: a second document (one a file)"),
        ("groups: []\n", "t:1:1: version: is missing (version: 1)"),
        ("[1]\n", "t:1:1: a list is not a mapping (KEY: VALUE)"),
        ("version: 1\ngroups: 5\n", "t:2:9: groups: '5' is not a list (- KEY: VALUE)"),
        ("version: 1\ngroups: [5]\n", "t:2:10: groups[0]: '5' is not a mapping (KEY: VALUE)"),
        ("version: 1\n{a: b}: 1\n", "t:2:1: a mapping cannot be a key (text)"),
        ("version: 1\nsettings: {promisc: }\n", "t:2:21: settings.promisc: there is no value "),
        ("version: 1\nsettings: {promisc: [yes]}\n", "t:2:21: settings.promisc: is a list (text)"),
        (
            "version: 1\nsettings: {vlan: {a: 1}}\n",
            "t:2:18: settings.vlan: is a mapping (a list: [A, B])",
        ),
        ("version: 1\nsettings: {vlan: 1+2}\n", "t:2:18: settings.vlan: '1+2' is more than one"),
        (
            "version: 1\nsettings: &a {}\n",
            "t:2:11: anchors are not for here (write it out, without '&a')",
        ),
        (
            "version: 1\nsettings: *a\n",
            "t:2:11: aliases are not for here (write out what '*a' stands for)",
        ),
        ("version: !!int 1\n", "t:1:10: tags are not for here (leave 'tag:yaml.org,2002:int' out)"),
        (
            "version: 1\n<<: {a: 1}\n",
            "t:2:1: <<: unknown key (known: version, groups, settings, map, default)",
        ),
        ("version: 1\na: [\n", "t:3:1: not YAML: "),
        (
            "version: 1\n\tb: 1\n",
            "t:2:1: not YAML: found a tab character that violates indentation",
        ),
        ("version: 1\nx: \x01\n", "t: not YAML: "),
        ('version: 1\nsettings: {computation: "a\\0b"}\n', "there is a NUL character in it (text)"),
        (b"version: 1\nx\xff: 1\n", "t:2:2: not UTF-8 (is this a text file?)"),
        ("version: 1".encode("utf-16"), "t:1:1: not UTF-8 (is this a text file?)"),
    ],
)
def test_bad_yaml(text, sentence):
    error = refused(config.loads_yaml, text, "t")
    assert any(sentence in s for s in sentences(error)), sentences(error)


BOMBS = {
    "anchors": "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a,*a,*a]\n" for i in range(64)),
    "depth": "version: 1\na: " + "[" * 50000,
    "depth of mappings": "version: 1\na: " + "{a: " * 20000,
    "depth by indentation": "".join("-" * 1 + " " for _ in range(60000)),
    "many": "version: 1\na: [" + "a," * 60000 + "]\n",
    "a long key": "version: 1\n" + "k" * 200000 + ": 1\n",
    "many mistakes": "version: 1\n" + "".join(f"k{i}: 1\n" for i in range(9000)),
}


def test_mistakes_without_end():
    error = refused(config.loads_yaml, BOMBS["many mistakes"], "t")
    assert len(error.value.mistakes) == mistakes.MAX_MISTAKES + 1
    assert sentences(error)[-1] == "t: there may be more mistakes (these are 100)"


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs(text):
    """They are refused; what they cost is bounded by their length."""
    tracemalloc.start()
    try:
        refused(config.loads_yaml, text)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_100_megabytes(tmp_path):
    """Not even read."""
    for name in ("x.yaml", "x.conf"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(100 << 20)
        tracemalloc.start()
        with pytest.raises(
            ConfigError, match=r"too large for a configuration file \(at most 256KiB\)"
        ):
            config.load(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
    with pytest.raises(ConfigError, match=r"too large for a configuration file \(at most 64KiB\)"):
        config.loads_conf("# " + "x" * 70000)
    with pytest.raises(ConfigError, match=r"too large for a configuration file \(at most 256KiB\)"):
        config.loads_yaml("# " + "x" * 300000)


def test_unreadable_files(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere.yaml: No such file or directory"):
        config.load(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"is not a file \(a regular file\)"):
        config.load(tmp_path)
    with pytest.raises(ConfigError, match=r"is not a file"):
        config.load("/dev/zero")
    with pytest.raises(ValueError, match=r"no format 'toml' \(known: yaml, conf\)"):
        config.loads("", "toml")


# ---- both ways ----


TEXTS = {
    "bool": ["yes", "no", "true", "0", "off"],
    "size": ["1MiB", "65536", "4KiB", "0x10000", "1m", "0"],
    "time": ["0", "1ms", "10ms", "1s", "500us"],
    "number": [str(n) for n in (*range(500), *(1 << bit for bit in range(9, 17)))],
}
TRICKY = ["1:20", "no", " x ", '"', "\\", "# a", "a # b", "a\tb", "~", "-", "[a]", "é"]
COMPUTATIONS = ["", "ip", "ip >-> steer_flow", 'filter "tcp port 80" >-> steer_flow', "port 53"]


@functools.cache
def texts_for(key):
    """Values that the option takes, whatever rules its row has."""
    row = options.table()[key]
    if key == "computation":
        return st.sampled_from(COMPUTATIONS)
    if row.type == "text":
        characters = st.characters(exclude_categories=["Cc", "Cs"])
        return st.text(characters, max_size=20) | st.sampled_from(TRICKY)
    texts = row.words or TEXTS[{"numbers": "number"}.get(row.type, row.type)]
    return st.sampled_from([text for text in texts if options.check_value(key, text) is None])


@st.composite
def option_sets(draw):
    found = {}
    for key in options.table():
        if key != "group" and draw(st.booleans()):
            value = texts_for(key)
            row = options.table()[key]
            in_a_list = row.is_list and key in model.options_of(config.Group)
            if not row.is_list:
                found[key] = draw(value)
            elif in_a_list:
                found[key] = tuple(draw(st.lists(value, max_size=3, unique=True)))
            else:
                found[key] = "+".join(draw(st.lists(value, max_size=3, unique=True)))
    return found


NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,9}", fullmatch=True).filter(lambda name: name != "any")
ENGINES = st.sampled_from([None, "afpacket", "pfq", "xdp"])
MAPS = st.lists(
    st.tuples(NAMES, NAMES.map("pfq:{}".format)), max_size=3, unique_by=lambda pair: pair[0]
)


@st.composite
def groups(draw, rich=True):
    engine = draw(ENGINES) if rich else None
    chosen = draw(option_sets())
    if engine:
        chosen = {k: v for k, v in chosen.items() if engine in options.table()[k].engines}
        if "group" not in chosen and engine == "xdp":
            engine = None
    chosen["group"] = draw(st.integers(0, 65535).map(str))
    more = {}
    if rich:
        more = {
            "engine": engine,
            "devices": tuple(
                draw(
                    st.lists(NAMES | st.sampled_from(["no", "on", "0x1"]), max_size=3, unique=True)
                )
            ),
            "members": draw(st.none() | st.integers(1, 256)),
        }
    return model.build(config.Group, chosen, **more)


@st.composite
def configs(draw):
    found = draw(st.lists(groups(), max_size=3, unique_by=lambda g: g.number))
    plain = model.build(config.Settings, draw(option_sets()))
    return config.Config(
        groups=tuple(found), settings=plain, map=tuple(draw(MAPS)), default=draw(ENGINES)
    )


@st.composite
def flat(draw):
    """What a key = value file can hold."""
    if draw(st.booleans()):
        what = {"groups": (draw(groups(rich=False)),)}
    else:
        what = {"settings": model.build(config.Settings, draw(option_sets()))}
    return config.Config(**what, map=tuple(draw(MAPS)), default=draw(ENGINES))


@given(configs())
def test_yaml_loses_nothing(what):
    assert config.loads_yaml(config.dumps_yaml(what)) == what


@given(flat())
def test_conversions_lose_nothing(what):
    """conf -> YAML -> conf: the same configuration, and from then on the same text."""
    conf = config.dumps_conf(what)
    assert config.loads_conf(conf) == what
    yaml = config.convert(conf, "conf", "yaml")
    assert config.loads_yaml(yaml) == what
    assert config.convert(yaml, "yaml", "conf") == conf


@given(configs())
def test_what_conf_cannot_hold_is_refused(what):
    """Never silently: either the same comes back, or the loss is named."""
    try:
        conf = config.dumps_conf(what)
    except ConfigError as error:
        assert (
            len(what.groups) > 1
            or (what.groups and what.settings != config.Settings())
            or any(g.devices or g.engine or g.members for g in what.groups)
        )
        assert all("(" in m.text for m in error.mistakes)
    else:
        assert config.loads_conf(conf) == what


def test_losses_are_named_and_allowed():
    what = config.loads_yaml(GROUPS.replace("010", "10"))
    error = refused(config.dumps_conf, what, "g.yaml")
    assert sentences(error) == [
        "g.yaml: groups[0].devices: goes on the device (pfq/FILE:no:eth1@q0-3; --lossy leaves it out)",
        "g.yaml: groups[0].engine: goes on the device (pfq/FILE:eth0; --lossy leaves it out)",
        "g.yaml: groups[0].members: goes on the command line (run -n 4; --lossy leaves it out)",
    ]
    assert "group = 42\n" in config.dumps_conf(what, lossy=True)
    lines = config.Config(settings=config.Settings(computation="ip\n>-> steer_flow"))
    with pytest.raises(ConfigError, match="line break"):
        config.dumps_conf(lines, lossy=True)
    assert config.loads_yaml(config.dumps_yaml(lines)) == lines


# ---- the schema ----


def test_schema_has_the_keys_of_the_dataclasses():
    made = config.schema()
    kinds = {"Group": config.Group, "Settings": config.Settings, "Ring": config.Ring}
    kinds |= {"Transmit": config.Transmit, "Fanout": config.Fanout}
    assert set(made["$defs"]) == set(kinds)
    for name, kind in kinds.items():
        assert list(made["$defs"][name]["properties"]) == list(model.fields_of(kind))
        assert made["$defs"][name]["additionalProperties"] is False
    assert list(made["properties"]) == ["version", *model.fields_of(config.Config)]
    for definition in made["$defs"].values():
        for name, prop in definition["properties"].items():
            assert "$ref" in prop or prop.get("description"), name


def test_schema_has_the_options_of_the_library():
    """Types, ranges, words and texts come from the option table."""
    made = config.schema()["$defs"]
    ring, fanout = made["Ring"]["properties"], made["Fanout"]["properties"]
    assert fanout["mode"]["enum"] == list(options.table()["fanout"].words)
    assert ring["buffer"]["description"].startswith(options.table()["buffer"].help)
    assert (
        made["Settings"]["properties"]["caplen"]["anyOf"][0]["maximum"]
        == options.table()["caplen"].max
    )
    assert made["Group"]["required"] == ["group"]
    assert json.loads(editors.schema_text()) == config.schema()


def test_suggestions():
    assert (
        mistakes.suggestion("computaton", ["group", "computation"])
        == "(did you mean 'computation'?)"
    )
    assert mistakes.suggestion("xyz", ["group", "ring"]) == "(known: group, ring)"
    assert mistakes.suggestion("r", ["ring"]) == "(known: ring)"
