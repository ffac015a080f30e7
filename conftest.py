"""What every test of this repository is given: the fixture `run`, and the tests in the files of plugins."""

pytest_plugins = ["treadle.testing"]
