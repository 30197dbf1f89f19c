from lesionmap.app.map_image import pins

LOCK = """\
one==1.0 \\
    --hash=sha256:11 \\
    --hash=sha256:12
    # via two
one-more==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:21
    # via
    #   one
three==3.0 \\
    --hash=sha256:31
"""


def test_a_dropped_package_takes_its_hashes_along():
    assert pins.drop(LOCK, {"one", "three"}) == "".join(LOCK.splitlines(keepends=True)[4:8])


def test_nothing_replaced_is_nothing_changed():
    assert pins.replace(LOCK, {}) == LOCK


def test_another_build_has_the_same_version_and_markers_stay():
    assert pins.replace(LOCK, {"one": "one-gpu"}).splitlines() == [
        "one-gpu==1.0",
        "one-more==2.0 ; python_full_version < '3.12'",
        "three==3.0",
    ]
