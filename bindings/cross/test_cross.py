"""Every language of bindings/ on one directory, under kills: see README.md beside this file.

Takes from the environment: PURO_AGENTS, a JSON object of languages and their command lines;
PURO_PROGRAM, the program `puro`; PURO_KILLS, how many kills (24); PURO_SEED.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time
import unittest

AGENTS = json.loads(os.environ["PURO_AGENTS"])
PROGRAM = os.environ["PURO_PROGRAM"]
KILLS = int(os.environ.get("PURO_KILLS", "24"))
SEED = int(os.environ.get("PURO_SEED", "7"))


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stderr}")
    return done.stdout


def agent(language, *arguments):
    return [*AGENTS[language], *map(str, arguments)]


class Records:
    """What `read` printed."""

    def __init__(self, printed):
        self.lines = printed.splitlines()
        self.rows = [line.split("\t") for line in self.lines]

    def values(self, topic):
        return [bytes.fromhex(row[4][1:]).decode() for row in self.rows if row[2] == topic]

    def languages(self, topic):
        by = [row[5] for row in self.rows if row[2] == topic]
        return {bytes.fromhex(it.removeprefix("by=x")).decode() for it in by}


class Cross(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.stream = pathlib.Path(scratch.name) / "events"

    def read_by_all(self):
        """What is there, of which every language says the same."""
        printed = {language: run(agent(language, "read", self.stream)) for language in AGENTS}
        first, *others = printed
        for other in others:
            self.assertEqual(printed[first], printed[other], f"{first} and {other} differ")
        return Records(printed[first])

    def check_inputs(self, records, identities, count):
        """Each batch once, whole, in the order of its identity."""
        of = collections.defaultdict(list)
        for value in records.values("in"):
            identity, sequence, half = value.split(":")
            of[identity].append((int(sequence), half))
        wanted = [(sequence, half) for sequence in range(1, count + 1) for half in "ab"]
        self.assertEqual(set(of), set(identities))
        for identity in identities:
            self.assertEqual(of[identity], wanted, identity)

    def test_every_language_writes_and_every_language_reads(self):
        for language in AGENTS:
            run(agent(language, "write", self.stream, f"shop-{language}", 50))
        records = self.read_by_all()
        self.check_inputs(records, [f"shop-{language}" for language in AGENTS], 50)
        self.assertEqual(records.languages("in"), set(AGENTS))

    def test_a_name_is_taken_over_from_each_language_by_each_other(self):
        run([PROGRAM, "create", str(self.stream)])
        expected = []
        for language in [*AGENTS, *reversed(AGENTS)]:
            relay = subprocess.Popen(agent(language, "relay", self.stream, "relay"))
            for value in ("apple", "pear"):
                subprocess.run(
                    [PROGRAM, "produce", str(self.stream), "-t", "in"],
                    input=f"{value} for {language}\n", text=True, check=True, capture_output=True,
                )
                expected.append(f"{value} for {language}")
            self.wait_for_output(len(expected))
            relay.kill()
            relay.wait()
        self.assertEqual(self.read_by_all().values("out"), expected)

    def wait_for_output(self, count):
        deadline = time.monotonic() + 60
        command = [PROGRAM, "consume", str(self.stream), "-t", "out", "-e"]
        while len(run(command).splitlines()) < count:
            self.assertLess(time.monotonic(), deadline, "the relay does not relay")

    def test_kills_lose_and_repeat_nothing(self):
        """Writers and relays of all languages die at any moment; another language goes on."""
        choose = random.Random(SEED)
        print(f"PURO_SEED={SEED}, {KILLS} kills", flush=True)
        run([PROGRAM, "create", str(self.stream), "--segment-bytes", "65536"])
        identities = [f"shop-{number}" for number in range(2)]
        count = 10_000_000  # more than they get to
        languages = list(AGENTS)

        def command_of(role):
            language = choose.choice(languages)
            begun[language, role.split("-")[0]] += 1
            if role == "relay":
                return agent(language, "relay", self.stream, "relay")
            return agent(language, "write", self.stream, role, count)

        begun = collections.Counter()
        roles = [*identities, "relay"]
        running = {role: subprocess.Popen(command_of(role)) for role in roles}
        self.addCleanup(lambda: [process.kill() or process.wait() for process in running.values()])
        for _ in range(KILLS):
            time.sleep(choose.uniform(0.05, 0.5))
            role = choose.choice(roles)
            self.assertIsNone(running[role].poll(), f"{running[role].args} ended by itself")
            running[role].kill()
            running[role].wait()
            running[role] = subprocess.Popen(command_of(role))
        for role in identities:
            running[role].kill()
            running[role].wait()
        subprocess.run(
            [PROGRAM, "produce", str(self.stream), "-t", "stop"],
            input="stop\n", text=True, check=True, capture_output=True,
        )
        self.assertEqual(running["relay"].wait(timeout=120), 0)

        run([PROGRAM, "verify", "--deep", str(self.stream)])
        records = self.read_by_all()
        made = collections.Counter(value.split(":")[0] for value in records.values("in"))
        for identity in identities:
            self.check_one(records, identity, made[identity] // 2)
        self.assertEqual(records.values("out"), records.values("in"))
        print(f"{dict(made)} records; begun: {dict(begun)}", flush=True)

    def check_one(self, records, identity, count):
        own = [value for value in records.values("in") if value.startswith(f"{identity}:")]
        wanted = [f"{identity}:{number}:{half}" for number in range(1, count + 1) for half in "ab"]
        self.assertEqual(own, wanted)


if __name__ == "__main__":
    unittest.main()
