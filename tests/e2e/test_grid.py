# SPDX-License-Identifier: Apache-2.0
"""Three nodes whose own clocks are wrong by seconds and drift apart follow one ptp4l. A task moves
twice: its releases stay on r + kT, by the nodes' own records and by what arrives on the network."""
import pytest

from skewed import Skewed

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

SKEWS = {"n1": "5000000000:50000", "n2": "-5000000000:-50000", "n3": "2500000000:-50000"}
JOBS = 100


@pytest.fixture(name="bench")
def fixture_bench(tmp_path):
    bench = Skewed(tmp_path, SKEWS)
    yield bench
    bench.close()


def test_releases_stay_on_the_grid_across_nodes_with_skewed_clocks(bench, images):
    bench.wait_locked(*SKEWS)
    bench.ok("deploy", images("counter"), "--name", "counter", "--node", "n1")
    for name in ["n2", "n3"]:
        bench.wait_jobs("counter", JOBS)
        bench.ok("migrate", "counter", "--to", name)
    addresses = {name: bench.network.address(name) for name in SKEWS}
    bench.wait_arrivals(addresses["n3"], JOBS)
    bench.judge_lags(addresses, JOBS, 10_000_000)
