import pytest

from tidegate.base.bytetext import to_bytes, to_text


@pytest.mark.parametrize("text", ["Z29vZA==", "Z29vZA==\n", "Z29v\nZA==\n", "Z29v\r\nZA\n=\n=", "\nZ29vZA=="])
def test_line_breaks_are_no_part_of_base64(text):
    assert to_bytes(text) == b"good"
    assert to_text(to_bytes(text)) == "Z29vZA=="


@pytest.mark.parametrize("text", ["no base64!", "Z29v ZA==", "Z29vZA", "Z29vZA==Z29v", "\u00e9"])
def test_other_texts_are_none(text):
    with pytest.raises(ValueError, match="is not base64"):
        to_bytes(text)
