import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base import names

OWNERS = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,80}[a-z0-9])?", fullmatch=True)


def test_normalizing_replaces_six_characters_and_keeps_the_rest():
    assert names.normalize("a/b.c:d%e(f)g_H-ü") == "a-b-c-d-e-f-g_H-ü"
    assert names.normalize("/.:%()input/.:%()") == "------input------"


@given(OWNERS, st.text(max_size=40), st.integers(0, 2**40), st.integers(0, 10_000))
def test_a_job_name_is_a_dns_label(name, uid, round, ordinal):
    assert names.is_dns_label(names.job_name(name, uid, round, ordinal))


def test_a_job_name_keeps_up_to_52_characters_of_its_owner():
    name = names.job_name("a" * 60, "uid", 1, 0)
    assert name.startswith("a" * 52 + "-")
    assert len(name) == 63


def test_a_cut_that_ends_in_a_dash_leaves_no_double_dash():
    assert "--" not in names.job_name("a" * 51 + "-" + "b" * 10, "uid", 1, 0)


def test_a_dot_in_the_owner_becomes_a_dash():
    assert names.job_name("nightly.v2", "uid", 1, 0).startswith("nightly-v2-")


def test_the_same_round_and_ordinal_get_the_same_name_and_others_another():
    pairs = [(uid, r, o) for uid in ("u1", "u2") for r in range(30) for o in range(30)]
    assert names.job_name("job", "u1", 3, 4) == names.job_name("job", "u1", 3, 4)
    assert len({names.job_name("job", *pair) for pair in pairs}) == len(pairs)


def test_round_and_ordinal_are_told_apart():
    assert names.job_name("job", "u", 1, 11) != names.job_name("job", "u", 11, 1)


@pytest.mark.parametrize(
    ("text", "is_label", "is_subdomain"),
    [
        ("web", True, True),
        ("a" * 63, True, True),
        ("a" * 64, False, True),
        ("a.b", False, True),
        ("a..b", False, False),
        ("-a", False, False),
        ("a-", False, False),
        ("A", False, False),
        ("", False, False),
        ("a\n", False, False),
        ("a" * 254, False, False),
        ("ä", False, False),
    ],
)
def test_dns_names(text, is_label, is_subdomain):
    assert (names.is_dns_label(text), names.is_dns_subdomain(text)) == (is_label, is_subdomain)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("app", True),
        ("keda.sh/name", True),
        ("Keda.sh/name", False),
        ("a/b/c", False),
        ("/a", False),
        ("a/", False),
        ("", False),
        ("x" * 64, False),
        ("example.com/" + "x" * 63, True),
    ],
)
def test_label_keys(key, expected):
    assert names.is_label_key(key) is expected


@pytest.mark.parametrize(
    ("value", "expected"), [("", True), ("A_b.c-1", True), ("-a", False), ("a b", False), ("x" * 64, False)]
)
def test_label_values(value, expected):
    assert names.is_label_value(value) is expected
