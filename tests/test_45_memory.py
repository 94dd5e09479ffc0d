"""Peak memory of a chunked run does not grow with the number of dates."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

RUN = textwrap.dedent(
    """
    import resource, sys
    import dask
    import kararaster as kr

    dates, road = int(sys.argv[1]), sys.argv[2]
    stack = kr.simulate.stack(shape=(1024, 1024), dates_pre=dates // 2 - 3, dates_post=3, chunks=256)
    assert stack.sizes["time"] == dates
    if road == "by hand":
        stack = stack.assign(vv=stack.vv * 1.0, vh=stack.vh * 1.0)
        for band in stack.data_vars.values():
            band.attrs["units"] = "1"
    with dask.config.set(scheduler="threads", num_workers=2):
        result = stack.kara.change(event="2023-09-19", pre="9999D", post="999D")
        means = [float(v.astype("float64").mean()) for v in dask.compute(result)[0].data_vars.values()]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
)

FILTERED = textwrap.dedent(
    """
    import resource, sys
    import dask
    import kararaster as kr

    stack = kr.simulate.stack(shape=(512, 512), dates_pre=int(sys.argv[1]), dates_post=3, chunks=256)
    with dask.config.set(scheduler="threads", num_workers=2):
        float(stack.vv.kara.despeckle(sys.argv[2]).max())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
)


def peak(dates: int, what: str, program: str = RUN) -> int:
    run = subprocess.run([sys.executable, "-c", program, str(dates), what], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.parametrize("road", ["source", "by hand"])
def test_peak_memory_is_flat_in_time(road: str) -> None:
    few, many = peak(30, road), peak(120, road)
    assert many < 1.15 * few, (few, many)


def test_peak_memory_of_the_filter_over_time_is_flat_in_time() -> None:
    few, many = (peak(dates, "quegan", FILTERED) for dates in (30, 90))
    assert many < 1.15 * few, (few, many)
