"""The parser of Dockerfiles, the build context and the builder without Docker; unsupported syntax is rejected."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.context import Context
from tests.image.dockerfile import DockerfileError, Instruction, parse_dockerfile
from tests.image.stages import BASE_ENVIRONMENT, BUILDER, Builder, Image, StepError


def the_instruction(text: str) -> Instruction:
    (stage,) = parse_dockerfile(f"FROM base\n{text}\n")
    (instruction,) = stage.instructions
    return instruction


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, because the steps run as another user."""
    with tempfile.TemporaryDirectory(prefix="seatline-steps-") as name:
        made = Path(name)
        made.chmod(0o755)
        BUILDER.own(made)
        yield made


def make_empty_base(root: Path) -> None:
    root.mkdir()
    BUILDER.own(root)


def built(folder: Path, *lines: str) -> Image:
    """Build these lines on an empty base. The context has the file `app/main.py`."""
    (folder / "context" / "app").mkdir(parents=True)
    (folder / "context" / "app" / "main.py").write_text("print()\n")
    builder = Builder(folder, folder / "cache", Context(folder / "context", ""), make_empty_base)
    return builder.build(parse_dockerfile("\n".join(("FROM base AS first", *lines))))


def test_a_stage_can_copy_from_an_earlier_one(folder: Path) -> None:
    image = built(
        folder,
        "WORKDIR /src",
        "COPY app app",
        "RUN mkdir -p /opt && cp app/main.py /opt/made.py && ln -s /opt/made.py /opt/link.py",
        "FROM base",
        "COPY --from=first /opt /opt",
    )
    assert (image.root / "opt/link.py").read_text() == "print()\n"
    assert image.copied_bytes == len("print()\n")
    assert not (image.root / "src").exists()


def test_a_stage_starts_from_its_base_stage(folder: Path) -> None:
    image = built(
        folder, "ENV A=1 PATH=/opt/bin:${PATH}", "COPY app /app", "FROM first", 'RUN test "$A" = 1 && rm /app/main.py'
    )
    assert image.environment["PATH"].startswith("/opt/bin:/usr/local/bin:")
    assert not (image.root / "app/main.py").exists()


def test_a_steps_cache_survives_outside_the_image(folder: Path) -> None:
    image = built(folder, "RUN --mount=type=cache,target=/root/.cache/x echo kept > /root/.cache/x/file")
    assert not (image.root / "root/.cache/x").exists()
    assert [path.read_text() for path in (folder / "cache").rglob("file")] == ["kept\n"]


def test_a_failing_step_is_reported_with_its_line_and_output(folder: Path) -> None:
    with pytest.raises(StepError, match=r"line 3: exit 7\nwhy"):
        built(folder, "WORKDIR /src", "RUN echo why >&2; exit 7")


def test_a_file_outside_the_context_cannot_be_copied(folder: Path) -> None:
    with pytest.raises(StepError, match="COPY missing"):
        built(folder, "COPY missing /missing")


def test_stages_have_their_names_and_bases() -> None:
    stages = parse_dockerfile("FROM python:3 AS build\nRUN true\nFROM build\nUSER 1:1\n")
    assert [(stage.name, stage.base) for stage in stages] == [("build", "python:3"), ("1", "build")]
    assert [instruction.name for stage in stages for instruction in stage.instructions] == ["RUN", "USER"]


def test_an_instruction_continues_over_lines_and_comments() -> None:
    found = the_instruction("\n# why\nrun one \\\n  # and why not\n  && two \\\n  && three")
    assert found == Instruction(4, "RUN", "one && two && three")
    assert found.command() == ["/bin/sh", "-c", "one && two && three"]


def test_flags_are_separated_from_the_command() -> None:
    found = the_instruction("RUN --mount=type=cache,target=/a --mount=type=cache,target=/b pip install --quiet")
    assert found.flags == [("mount", "type=cache,target=/a"), ("mount", "type=cache,target=/b")]
    assert found.value == "pip install --quiet"


def test_the_exec_form_is_a_list_of_words() -> None:
    assert the_instruction('CMD ["serve", "a b"]').command() == ["serve", "a b"]


def test_quotes_are_removed_from_values() -> None:
    assert the_instruction('LABEL title="a = b" \\\n  short=c').pairs() == {"title": "a = b", "short": "c"}


@pytest.mark.parametrize(
    "text",
    [
        "RUN true",
        "# syntax=docker/dockerfile:1\nFROM base",
        "FROM base\nRUN <<END\ntrue\nEND",
        "FROM base\nRUN true \\",
        "FROM --platform=linux/amd64 base",
    ],
)
def test_unsupported_syntax_is_rejected(text: str) -> None:
    with pytest.raises(DockerfileError):
        parse_dockerfile(text)


@pytest.mark.parametrize("line", ["ADD app /app", "COPY --chmod=777 app /app", "RUN --network=none true", "VOLUME /data"])
def test_an_unsupported_instruction_stops_the_build(line: str, folder: Path) -> None:
    with pytest.raises(DockerfileError, match=r"line 2: .* is not supported here"):
        built(folder, line)


@pytest.mark.parametrize(
    ("command", "moved"),
    [
        ("python -m venv /opt/seatline", "python -m venv /r/opt/seatline"),
        ("rm /usr/local/bin/pip* && ls /", "rm /r/usr/local/bin/pip* && ls /r/"),
        ("cd '/opt/a' --to=/opt/b;ls /", "cd '/r/opt/a' --to=/r/opt/b;ls /r/"),
        ("/bin/sh x >/dev/null", "/bin/sh x >/dev/null"),
        ("get https://example.com/opt/x", "get https://example.com/opt/x"),
        ("ls app/opt ./opt wheels/*.whl ${HOME}/x", "ls app/opt ./opt wheels/*.whl ${HOME}/x"),
    ],
)
def test_only_paths_of_the_image_are_moved(command: str, moved: str) -> None:
    assert Image(Path("/r"), {}).moved(command) == moved


def test_the_images_programs_come_before_this_machines() -> None:
    environment = Image(Path("/r"), dict(BASE_ENVIRONMENT)).moved_environment()
    assert environment["PATH"] == "/r/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_a_network_address_is_not_moved() -> None:
    assert Image(Path("/r"), {"LISTEN": "0.0.0.0:50051"}).moved_environment() == {"LISTEN": "0.0.0.0:50051"}


IGNORED = "# only these\n*\n!app\n!LICENSE\n**/__pycache__\n"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("app/main.py", True),
        ("LICENSE", True),
        ("app/rpc/__pycache__/x.pyc", False),
        ("tests/app/x.py", False),
        ("LICENSE.txt", False),
        ("apple.py", False),
    ],
)
def test_the_last_matching_rule_decides_whether_a_file_is_sent(path: str, sent: bool) -> None:
    assert Context(Path("/"), IGNORED).holds(path) is sent
