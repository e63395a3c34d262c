#!/usr/bin/env python3
"""The report of bench/peers.sh from invented figures: medians, bars, what is left out."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "bench"))
sys.dont_write_bytecode = True

import peers_report as report  # noqa: E402
from peers_report import LLAMA, OURS, TRANSFORMERS, Samples  # noqa: E402


def bars(samples, workload, dtype="f32"):
    return dict(report.bars(samples, workload, dtype))


def row(samples, title, dtypes=("f32",)):
    rows = [*report.time_rows(samples, dtypes), *report.share_rows(samples, dtypes)]
    return next(r for r in rows if r[0].startswith(title))


class Case(unittest.TestCase):
    def setUp(self):
        self.samples = Samples()

    def keep(self, workload, program, *values, dtype="f32"):
        for ms in values:
            self.samples.keep(workload, dtype, program, ms)


class Figures(Case):
    def test_a_figure_is_the_median_of_its_rounds(self):
        self.keep("step", OURS, 9.0, 1.0, 2.0)
        self.assertEqual(self.samples.median("step", "f32", OURS), 2.0)
        self.assertIsNone(self.samples.median("step", "f16", OURS))

    def test_the_table_shows_both_ratios(self):
        self.keep("step", OURS, 2.0)
        self.keep("step", LLAMA, 5.0)
        self.keep("step", TRANSFORMERS, 30.0)
        cells = row(self.samples, "decode step")
        self.assertEqual(cells[2:7], ["2.00", "5.00", "30.00", "2.50×", "15.00×"])

    def test_what_was_not_measured_is_left_out(self):
        self.assertEqual(list(report.time_rows(self.samples, ["f32"])), [])
        self.keep("step", OURS, 2.0)
        self.assertEqual(row(self.samples, "decode step")[3:], ["–"] * 5)

    def test_prefill_is_shown_as_speed_too(self):
        self.keep("prefill", OURS, 256.0)
        self.assertEqual(row(self.samples, "prefill")[2], "256.0 (2,000 tokens/s)")

    def test_a_step_as_long_as_theirs_meets_the_bar(self):
        self.keep("step", LLAMA, 5.0)
        self.keep("step", OURS, 5.0)
        self.assertIn("met", row(self.samples, "decode step")[-1])
        self.keep("step", OURS, 5.3, 5.3)
        self.assertIn("MISSED", row(self.samples, "decode step")[-1])


class Bars(Case):
    def test_cold_is_held_to_an_eighth_of_llama(self):
        self.keep("cold", LLAMA, 400.0)
        self.keep("floor", report.TOUCH, 30.0)
        self.assertEqual(list(bars(self.samples, "cold").values()), [50.0])

    def test_cold_is_held_to_the_floor_where_that_is_more(self):
        self.keep("cold", LLAMA, 80.0)
        self.keep("floor", report.TOUCH, 30.0)
        self.assertEqual(list(bars(self.samples, "cold").values()), [39.0])

    def test_cold_is_held_to_a_hundredth_of_transformers(self):
        self.keep("cold", TRANSFORMERS, 6400.0)
        self.assertEqual(list(bars(self.samples, "cold").values()), [64.0])

    def test_other_types_have_no_cold_bar(self):
        self.samples.keep("cold", "bf16", LLAMA, 80.0)
        self.samples.keep("floor", "bf16", report.TOUCH, 30.0)
        self.assertEqual(bars(self.samples, "cold", "bf16"), {})

    def test_ttft_is_held_to_the_own_step(self):
        self.keep("step", OURS, 4.0)
        self.assertEqual(list(bars(self.samples, "ttft").values()), [5.0])


class Shares(Case):
    def test_the_faster_pages_are_the_yardstick(self):
        self.keep("floor", report.SMALL, 6.0)
        self.keep("floor", report.HUGE, 4.0)
        self.keep("step", OURS, 5.0)
        cells = row(self.samples, "decode, share of read bandwidth by bare pass")
        self.assertEqual(cells[2], "80%")
        self.assertIn("MISSED", cells[-1])

    def test_the_own_probe_stands_beside_it(self):
        self.samples.probe["f32"] = [0.9, 0.8, 0.95]
        cells = row(self.samples, "decode, share of read bandwidth by own probe")
        self.assertEqual(cells[2], "90%")
        self.assertIn("met", cells[-1])


class Work(Case):
    def test_the_same_tokens_are_counted_from_the_first_on(self):
        self.samples.tokens = {
            ("f32", OURS): [1, 2, 9, 4],
            ("f32", LLAMA): [1, 2, 3, 4],
            ("f32", TRANSFORMERS): [1, 2, 3, 4],
        }
        good, sentence = report.same_work(self.samples)
        self.assertTrue(good)
        self.assertIn("f32, llama.cpp as Transformers: 4 of 4", sentence)
        self.assertIn("f32, Inferometer as Transformers: 2 of 4", sentence)

    def test_another_first_token_is_other_work(self):
        self.samples.tokens = {("f32", OURS): [1, 2], ("f32", LLAMA): [7, 2]}
        self.assertFalse(report.same_work(self.samples)[0])

    def test_a_busy_machine_is_named(self):
        self.samples.other_cores = [0.0, 1.5]
        self.assertIn("0.00, 1.50. **Not quiet**", report.quietness(self.samples))
        self.samples.other_cores = [0.0, 0.01]
        self.assertNotIn("quiet", report.quietness(self.samples))


class Whole(Case):
    def test_every_line_of_a_table_has_as_many_cells(self):
        for workload in report.TITLES:
            self.keep(workload, OURS, 1.0)
            self.keep(workload, LLAMA, 2.0)
        for name in (report.TOUCH, report.POPULATE, report.SMALL, report.HUGE):
            self.keep("floor", name, 1.0)
        self.samples.decode_bytes["f32"] = 1000
        lines = report.render(self.samples, ["f32", "f16"], "a host").split("\n")
        self.assertEqual(lines[0], "a host")
        tables = [[]]
        for line in lines:
            if line.startswith("|"):
                tables[-1].append(line.count(" | "))
            elif tables[-1]:
                tables.append([])
        self.assertEqual([len(set(table)) for table in tables if table], [1, 1, 1])


if __name__ == "__main__":
    unittest.main()
