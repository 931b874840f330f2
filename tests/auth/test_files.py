import os

import pytest

from tidegate.auth.files import FILE_BYTES, ParameterFiles
from tidegate.base.errors import Denied, Malformed, Misconfigured


@pytest.fixture
def files(tmp_path):
    return ParameterFiles(tmp_path)


def test_a_file_below_the_root_yields_its_parameters(files, tmp_path):
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "creds.json").write_text('{"authMode": "bearer", "token": "t"}')
    assert files.read("team/creds.json") == {"authMode": "bearer", "token": "t"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../creds.json", "a/../../b", ""])
def test_a_path_that_leaves_the_root_is_refused(path, files):
    with pytest.raises(Misconfigured, match="must be relative"):
        files.read(path)
    assert files.stamp(path) is None


@pytest.mark.parametrize(
    ("path", "words"), [("gone.json", "No such file"), ("a\0b", "ValueError"), ("x" * 300, "name too long")]
)
def test_a_file_that_is_not_there_is_denied(path, words, files):
    with pytest.raises(Denied, match=words):
        files.read(path)
    assert files.stamp(path) == files.stamp(path)


@pytest.mark.parametrize("text", ["s3cret", '{"a": 5}', '["s3cret"]', '{"s3cret": null}', "{"])
def test_what_is_no_object_of_texts_is_malformed_and_not_quoted(text, files, tmp_path):
    (tmp_path / "x").write_text(text)
    with pytest.raises(Malformed) as caught:
        files.read("x")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_file_has_a_limit(files, tmp_path):
    (tmp_path / "x").write_bytes(b" " * (FILE_BYTES + 1))
    with pytest.raises(Malformed, match="1 MiB"):
        files.read("x")


def test_nobody_waits_for_the_other_end_of_a_pipe(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises((Malformed, Denied)):
            files.read(path)


def test_links_are_followed_as_the_mounts_of_secrets_need_it(files, tmp_path):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "creds.json").write_text(f'{{"token": "{version}"}}')
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "creds.json").symlink_to("data/creds.json")
    before = files.stamp("creds.json")
    assert files.read("creds.json") == {"token": "1"}
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(tmp_path / "data")
    assert files.read("creds.json") == {"token": "2"}
    assert files.stamp("creds.json") != before


def test_a_stamp_differs_when_a_file_comes_is_written_and_goes(files, tmp_path):
    place = tmp_path / "creds.json"
    seen = [files.stamp("creds.json")]
    place.write_text("{}")
    seen.append(files.stamp("creds.json"))
    assert files.stamp("creds.json") == seen[-1]
    place.write_text('{"a": "b"}')
    seen.append(files.stamp("creds.json"))
    os.utime(place, ns=(1, 1))
    seen.append(files.stamp("creds.json"))
    assert len(set(seen)) == len(seen)
    place.unlink()
    assert files.stamp("creds.json") == seen[0]
