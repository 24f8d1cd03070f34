"""A test among your other tests: here for Python's unittest."""
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent / "example"


class Crash(unittest.TestCase):
    def crash(self, *options):
        with tempfile.TemporaryDirectory() as place:
            command = ["puro-crash", "run", "--quiet", "--dir", "work", "--check", HERE / "check"]
            return subprocess.run(
                [*command, *options, "--", HERE / "save"], cwd=place, capture_output=True, text=True
            )

    def test_settings_survive(self):
        done = self.crash("--profile", "posix")
        if done.returncode == 77:
            self.skipTest(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_second_crash_while_we_recover(self):
        done = self.crash("--twice", "10")
        self.assertIn(done.returncode, (0, 77), done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
