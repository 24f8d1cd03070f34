"""The driver by which the kit judges this port (spec/kit.md). What it must answer is the kit's affair:
`puro-kit check -- python3 -m puro.kit`."""

import json
import subprocess
import sys
import unittest

from .support import HERE, InDirectory


class Driver(InDirectory):
    def ask(self, *requests):
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        command = [sys.executable, "-m", "puro.kit"]
        done = subprocess.run(command, input=lines, capture_output=True, text=True,
                              cwd=HERE.parent, timeout=50)  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_it_answers_each_line_and_tells_what_it_lacks(self):
        """Whoever wrote a driver left an answer out, and all behind it were one line late."""
        hello, crc, none, bad = self.ask(
            {"do": "hello"}, {"do": "crc", "bytes": "313233343536373839"}, {"do": "steward"},
            {"do": "varint", "bytes": "8000"},
        )  # fmt: skip
        self.assertIn("append", hello["requests"])
        self.assertEqual(crc, {"crc": 0xE3069283})
        self.assertEqual((none["error"], bad["error"]), ("unsupported", "damaged"))

    def test_a_block_may_be_taken_in_parts(self):
        """A consumer took two of five, then the rest: the third was given again, the last never."""
        def consume(take):
            return {"do": "consume", "dir": str(self.path), "name": "a", "take": take, "handle": "c"}

        values = ["%02x" % number for number in range(5)]
        batch = [{"topic": "74", "value": value} for value in values]
        create = {"do": "create", "dir": str(self.path), "settings": {}}
        append = {"do": "append", "dir": str(self.path), "records": batch}
        *_, two, more = self.ask(create, append, consume(2), consume(9))
        taken = [record["value"] for record in two["records"] + more["records"]]
        self.assertEqual((taken, len(two["records"])), (values, 2))


if __name__ == "__main__":
    unittest.main()
