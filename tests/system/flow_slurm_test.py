# SPDX-License-Identifier: Apache-2.0
"""Commands of flows as jobs of a real Slurm (tests/system/slurm.py): the tests RealSlurm.* of the module flow, run
where there is one."""

import os
import subprocess
import sys
import unittest

import slurm
import system


class CommandsInSlurm(unittest.TestCase):
    def test_the_executor_runs_cancels_and_finds_commands_again(self):
        with system.Scratch() as place, slurm.Cluster(place.root / "slurm", nodes=2) as cluster:
            done = subprocess.run([os.environ["WHERRY_FLOW_TEST"], "--gtest_filter=RealSlurm.*"], timeout=600,
                                  env={**cluster.environment, "WHERRY_REAL_SLURM": "1"}, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}{cluster.logs()}")
            self.assertNotIn("SKIPPED", done.stdout)
            self.assertNotIn("PENDING", str(cluster.jobs()))


if __name__ == "__main__":
    if slurm.missing():
        print(f"skipped: not installed: {', '.join(slurm.missing())}; scripts/install-dependencies test")
        sys.exit(77)
    unittest.main()
