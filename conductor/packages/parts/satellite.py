"""Starts the satellite of an installation. What its Python needs of the environment is not for its jobs."""

import os
import sys

here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
os.environ.pop("PYTHONPATH", None)
os.environ.pop("LD_LIBRARY_PATH", None)
for name in [name for name in os.environ if name.startswith("OPSORBIT_")]:
    del os.environ[name]  # of the installer, or of somebody's command line
before = os.environ.pop("XYOPS_LIBRARY_PATH", "")
if before:
    os.environ["LD_LIBRARY_PATH"] = before
sys.path[0] = os.path.join(here, "lib")
sys.executable = os.path.join(here, "bin", "python")

from satellite.main import main  # noqa: E402 - found only now

main()
