"""Statistics as numpy and scipy compute them, for tests/unit/measure_statistics.c.

    python make_statistics.py > statistics.json      (needs numpy and scipy)
"""

import json

import numpy
import scipy
from scipy import stats


def median_rank95(n):
    """Largest 1-based rank k with P(k ≤ ranks around the median ≤ n+1−k) ≥ 95%."""
    best = 0
    for k in range(1, n // 2 + 1):
        if 2 * stats.binom.cdf(k - 1, n, 0.5) <= 0.05:
            best = k
    return best


def sample_case(name, values):
    x = numpy.asarray(values, dtype=float)
    mean = x.mean()
    case = {"name": name, "x": x.tolist(), "mean": mean, "min": x.min(), "max": x.max()}
    if len(x) > 1:
        case["sd"] = x.std(ddof=1)
        case["mean_ci95"] = (
            list(stats.t.interval(0.95, len(x) - 1, mean, stats.sem(x)))
            if x.std() > 0
            else [mean, mean]
        )
    for p in (25, 50, 75, 90, 95, 99):
        case[f"p{p}"] = float(numpy.percentile(x, p, method="linear"))
    return case


def ratio_case(name, base, x):
    """Median ÷ median, and the percentile bootstrap's interval."""
    base, x = numpy.asarray(base, dtype=float), numpy.asarray(x, dtype=float)

    def ratio(a, b, axis=-1):
        return numpy.median(b, axis=axis) / numpy.median(a, axis=axis)

    result = stats.bootstrap((base, x), ratio, n_resamples=99999, method="percentile",
                             vectorized=True, rng=numpy.random.default_rng(3))
    return {"name": name, "base": base.tolist(), "x": x.tolist(), "ratio": float(ratio(base, x)),
            "ci95": [float(result.confidence_interval.low), float(result.confidence_interval.high)]}


def main():
    rng = numpy.random.default_rng(20261124)
    cases = [
        sample_case("one", [5.0]),
        sample_case("two", [3.0, 1.0]),
        sample_case("ties", [2.0] * 9),
        sample_case("six", [6, 5, 4, 3, 2, 1]),
        sample_case("normal 30", rng.normal(100, 7, 30)),
        sample_case("lognormal 299", rng.lognormal(15, 1, 299)),
        sample_case("hours in ns", 3.6e12 + rng.normal(0, 1e3, 61)),
        sample_case("heavy tail", numpy.abs(rng.standard_cauchy(120)) * 1e6),
    ]
    ratios = [
        ratio_case("normal", rng.normal(10, 0.5, 30), rng.normal(25, 2, 31)),
        ratio_case("few", rng.normal(100, 3, 11), rng.normal(90, 3, 12)),
        ratio_case("lognormal", rng.lognormal(2, 0.6, 60), rng.lognormal(1, 0.4, 80)),
        ratio_case("large", rng.normal(5, 1, 1001), rng.normal(5, 1, 1000)),
    ]
    ranks = {str(n): median_rank95(n) for n in (1, 5, 6, 7, 8, 9, 10, 15, 20, 50, 99, 300, 1001)}
    student = {str(v): float(stats.t.ppf(0.975, v)) for v in (1, 2, 3, 5, 9, 29, 100, 1000, 100000)}
    print(
        json.dumps(
            {
                "made_with": {"numpy": numpy.__version__, "scipy": scipy.__version__},
                "samples": cases,
                "ratios": ratios,
                "median_rank95": ranks,
                "student_t975": student,
            },
            indent=1,
        )
    )


main()
