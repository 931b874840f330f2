"""What is read of a Dockerfile, and what is refused with its line."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.images.dockerfile import Copy, Folders, Pip, Recipe, Runnable, read
from tidegate.local.nodes.images.variables import expand


def recipe(*lines: str, **arguments: str) -> Recipe:
    return read("\n".join(["FROM python:3.12", *lines]), "Dockerfile", arguments)


def test_an_ordinary_one_is_read_whole() -> None:
    text = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.12
FROM --platform=linux/amd64 python:${VERSION}-slim AS base
ENV A=1 B="two words" \\
    # a comment in between
    C=[$A]
ENV OLD form of it
WORKDIR /srv
WORKDIR app
COPY --chown=1000:1000 requirements.txt ./
RUN --mount=type=cache,target=/root/.cache pip install --no-cache-dir -r requirements.txt \\
    && python3 -m pip install "click>=8"
COPY ["a file", "other", "/data/"]
COPY . .
LABEL x=y
EXPOSE 8080
ENTRYPOINT ["python", "-m", "acme"]
CMD ["--verbose"]
"""
    found = read(text, "Dockerfile")
    assert found.base == "python:3.12-slim"
    assert found.env == {"A": "1", "B": "two words", "C": "[]", "OLD": "form of it"}
    assert found.working_dir == "/srv/app"
    # As Docker has it: one ENV sees what stood before it, not its own values.
    assert found.steps == [
        Copy(10, ("requirements.txt",), "/srv/app/"),
        Pip(11, ("--no-cache-dir", "-r", "requirements.txt"), "/srv/app"),
        Pip(11, ("click>=8",), "/srv/app"),
        Copy(13, ("a file", "other"), "/data/"),
        Copy(14, (".",), "/srv/app/"),
    ]
    assert (found.entrypoint, found.command) == (("python", "-m", "acme"), ("--verbose",))
    assert found.notices == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("RUN apt update && make all", "RUN apt update && make all: only"),
        ("RUN apt install -y curl > /dev/null", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN mkdir -m 700 /srv", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN chmod -R +x /srv", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN rm -rf /srv", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ('RUN pip install "$(cat list)"', "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip install (x)", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip install x &&", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip install x; rm -rf /", "line 2: RUN pip install x; rm -rf /: only"),
        ("RUN pip install $(cat list)", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip install x > log", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip install x & sleep 1", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ("RUN pip installer", "only `pip install …`, `mkdir` and `chmod +x` are run"),
        ('RUN ["make", "all"]', "RUN make all: only"),
        ("RUN pip install -e .", "-e would install elsewhere"),
        ("RUN pip install --target=/x y", "--target=/x would install elsewhere"),
        ("RUN <<EOF", "RUN <<EOF: only"),
        ("COPY --from=base /a /b", "COPY --from=base is not read: nothing is built; name what runs"),
        ("COPY ../secret /b", "only files beside the Dockerfile"),
        ("COPY a/../../secret /b", "only files beside the Dockerfile"),
        ("COPY one", "COPY needs a source and a target"),
        ("ADD https://example.com/x /x", "only files beside the Dockerfile"),
        ("ADD x.tar.gz /x", "ADD of an archive"),
        ("SHELL [\"bash\"]", "SHELL is not read"),
        ("ONBUILD RUN x", "ONBUILD is not read"),
        ("WHATEVER x", "WHATEVER is not read"),
        ("TAKE x", "TAKE is not read"),
        ("__CLASS__ x", "__CLASS__ is not read"),
        ("CMD", "CMD says nothing"),
        ("ENV A=1 B", "ENV: B has no value"),
        ("ENV A='1", "ENV cannot be read: No closing quotation"),
        ("ENV A=${B%x}", "ENV cannot be read: ${B%… is not read"),
        ("ENV A=${B:?who}", "ENV cannot be read: B: who"),
        ("ENV A=${B", "ENV cannot be read: ${B… is not read"),
        ("ENV =x", "ENV: =x has no name"),
        ("ARG TOKEN", "give one by --build-arg TOKEN="),
        ("FROM $NOBODY", "FROM names no image"),
        ("FROM --platform=linux/amd64", "FROM names no image"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_its_line(line: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        recipe(line)
    assert told in str(caught.value)
    assert "line 2: " in str(caught.value)
    assert "leave such lines out of a copy" in str(caught.value)


def test_all_that_is_not_read_is_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        recipe("RUN make", "SHELL x", "COPY --from=a b c", "ENV X=1 Y")
    assert all(f"line {number}: " in str(caught.value) for number in (2, 3, 4, 5))
    with pytest.raises(Misconfigured, match=r"line 1: COPY before FROM; no FROM"):
        read("COPY a b", "Dockerfile")


def test_what_has_no_effect_is_told() -> None:
    found = recipe("USER 1000", "VOLUME /data", "HEALTHCHECK CMD true", "STOPSIGNAL SIGINT")
    assert [one.partition(" has ")[0] for one in found.notices] == [
        "line 2: USER", "line 3: VOLUME", "line 4: HEALTHCHECK", "line 5: STOPSIGNAL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD a b c", ("/bin/sh", "-c", "a b c")),
        ("CMD []", ()),
        ('CMD [a, "b"]', ("/bin/sh", "-c", '[a, "b"]')),
    ],
)
def test_a_command_has_two_forms(line: str, words: tuple[str, ...]) -> None:
    assert recipe(line).command == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}", "1-1"),
        ("${A:-x}${E:-x}${N:-x}", "1xx"),
        ("${A-x}[${E-x}]${N-x}", "1[]x"),
        ("${A:+x}[${E:+x}][${N:+x}]", "x[][]"),
        ("$N\\$A", "$A"),
        ("${N:-${A}}${N:-${E:-y}}", "1y"),
        ("${A:-${N}}", "1"),
        ("${A:?no}", "1"),
        ("$ 1$", "$ 1$"),
    ],
)
def test_variables_are_put_in(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "E": ""}) == expected


def test_arguments_come_from_outside_and_path_keeps_what_comes_first() -> None:
    found = recipe("ARG WHERE=/a", "ARG B", "ENV PATH=$WHERE/bin:$PATH", "WORKDIR $B", WHERE="/z", B="/b")
    assert found.env["PATH"].split(":")[0] == "/z/bin"
    assert found.working_dir == "/b"


def test_another_escape_character_continues_lines() -> None:
    assert read("# escape=`\nFROM x\nENV A=1 `\n B=2", "Dockerfile").env == {"A": "1", "B": "2"}


STAGES = """\
ARG VERSION=3.12
FROM python:$VERSION AS base
ENV A=1
WORKDIR /srv
COPY requirements.txt .
FROM golang AS builder
RUN go build ./...
FROM base AS dev
ENV A=2
CMD ["python", "dev.py"]
FROM Base AS final
COPY . .
CMD ["python", "app.py"]
"""


def test_the_last_stage_is_read_with_those_it_is_built_on_and_no_other() -> None:
    found = read(STAGES, "Dockerfile")
    assert (found.base, found.env, found.command) == ("python:3.12", {"A": "1"}, ("python", "app.py"))
    assert found.steps == [Copy(5, ("requirements.txt",), "/srv/"), Copy(12, (".",), "/srv/")]


def test_a_stage_that_is_named_is_read_alone() -> None:
    found = read(STAGES, "Dockerfile", target="Dev")
    assert (found.env, found.command, len(found.steps)) == ({"A": "2"}, ("python", "dev.py"), 1)
    with pytest.raises(Misconfigured, match=r"line 7: RUN go build"):
        read(STAGES, "Dockerfile", target="builder")
    with pytest.raises(Misconfigured, match="no stage is called other"):
        read(STAGES, "Dockerfile", target="other")


def test_system_packages_and_users_are_told_and_their_caches_are_not_missed() -> None:
    found = recipe(
        "RUN apt-get update && apt-get install -y --no-install-recommends -t stable curl jq"
        " && rm -rf /var/lib/apt/lists/*",
        "RUN apk add --no-cache --virtual .build gcc && set -eux && adduser -D acme",
        "RUN pip install x && rm -rf /root/.cache",
    )
    assert found.steps == [Pip(4, ("x",), "/")]
    assert [one.partition(" installs ")[2] or one for one in found.notices] == [
        "nothing here: see that this machine has curl jq",
        "nothing here: see that this machine has gcc",
        "line 3: RUN adduser -D acme has no effect: the container runs as its securityContext says, "
        "else as Tidegate does",
    ]


def test_folders_are_made_and_copied_files_made_runnable() -> None:
    found = recipe("WORKDIR /srv", "RUN mkdir -p logs /data/$X && chmod +x ./start.sh", "RUN mkdir a")
    assert found.steps == [
        Folders(3, ("/srv/logs", "/data")), Runnable(3, ("/srv/start.sh",)), Folders(4, ("/srv/a",))
    ]  # fmt: skip


def test_words_of_env_are_read_with_their_quotes() -> None:
    line = """ENV A='$B' C="$V;  \\"$V\\"" D=\\$V E=${V} F=a\\ b G="it's" """
    found = recipe("ENV V='a  b'", line, 'ENV OLD  "one word"', "ENV EMPTY=''").env
    assert found == {
        "V": "a  b", "A": "$B", "C": 'a  b;  "a  b"', "D": "$V", "E": "a  b", "F": "a b", "G": "it's",
        "OLD": "one word", "EMPTY": "",
    }  # fmt: skip


def test_an_argument_before_from_is_known_to_a_stage_that_names_it_again() -> None:
    text = "ARG V=3.11\nFROM python:$V\nARG V\nARG W=w$V\nENV A=$V B=$W\n"
    assert read(text, "x").env == {"A": "3.11", "B": "w3.11"}
    assert read(text, "x", {"V": "3.12"}).env == {"A": "3.12", "B": "w3.12"}


def test_an_empty_list_takes_back_what_the_base_runs() -> None:
    assert recipe("ENTRYPOINT []", "CMD []").entrypoint == ()
    assert recipe("ENV A=1").entrypoint is None
    assert recipe("ENV A=1").command is None


def test_the_mark_of_an_editor_before_the_first_word_is_no_part_of_it() -> None:
    assert read("\ufeffFROM a\r\nCMD b\r\n", "x").command == ("/bin/sh", "-c", "b")
