import hashlib
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_packaged_data_is_what_the_script_makes(root):
    """Downloads two pinned wheels with pip."""
    command = [sys.executable, "scripts/vendor_data.py", "--check"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_wheel_is_refused(root, tmp_path):
    (tmp_path / "bayesn-0.4.0-py3-none-any.whl").write_bytes(b"not it")
    command = [sys.executable, "scripts/vendor_data.py", "--check", "--wheels", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("bayesn-0.4.0-py3-none-any.whl: sha256 ")
    assert hashlib.sha256(b"not it").hexdigest() in done.stderr
