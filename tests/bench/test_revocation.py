"""How long revocations take: a run of two."""

import pytest
from bench.revocation import main

pytestmark = pytest.mark.full


@pytest.mark.timeout(300)
def test_what_is_revoked_is_refused_by_both_gates(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--times", "2"])
    said = capsys.readouterr().out
    assert said.count("2 revocations, two gates") == 2
    assert said.count("sent after the answer was let through: 0") == 2
