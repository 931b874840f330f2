import pytest

from tidegate.auth.files import FILE_BYTES, file_reader
from tidegate.base.errors import Denied, Malformed, Misconfigured


def test_a_file_below_the_root_yields_its_parameters(tmp_path):
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "creds.json").write_text('{"authMode": "bearer", "token": "t"}')
    assert file_reader(str(tmp_path))("team/creds.json") == {"authMode": "bearer", "token": "t"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../creds.json", "a/../../b", ""])
def test_a_path_that_leaves_the_root_is_refused(path, tmp_path):
    with pytest.raises(Misconfigured, match="must be relative"):
        file_reader(str(tmp_path))(path)


def test_a_missing_file_is_denied(tmp_path):
    with pytest.raises(Denied, match="No such file"):
        file_reader(str(tmp_path))("gone.json")


@pytest.mark.parametrize("text", ["s3cret", '{"a": 5}', '["s3cret"]', '{"s3cret": null}', "{"])
def test_what_is_no_object_of_texts_is_malformed_and_not_quoted(text, tmp_path):
    (tmp_path / "x").write_text(text)
    with pytest.raises(Malformed) as caught:
        file_reader(str(tmp_path))("x")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_file_has_a_limit(tmp_path):
    (tmp_path / "x").write_bytes(b" " * (FILE_BYTES + 1))
    with pytest.raises(Malformed, match="1 MiB"):
        file_reader(str(tmp_path))("x")
