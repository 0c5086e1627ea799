"""One module per measured subject. Each has `measure(tools)`, which returns rows."""

import os
import statistics
from dataclasses import dataclass


@dataclass
class Tools:
    """The programs under test and those beside them; None where one is not there."""

    bench: str
    gateway_bench: str
    openagent: str
    iroh_python: str | None
    c_source: str | None
    here: str = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def alternating(rounds, **measurements):
    """Calls each measurement once a round, one after the other, so that what disturbs the machine disturbs all of them.
    Returns the median by name; measurements that are None are left out."""
    results = {name: [] for name, measurement in measurements.items() if measurement}
    for _ in range(rounds):
        for name, found in results.items():
            found.append(measurements[name]())
    return {name: statistics.median(found) for name, found in results.items()}
