#!/usr/bin/env python3
"""The report of bench/peers.sh from invented figures: medians, targets, what is left out."""

import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "bench"))
sys.dont_write_bytecode = True

import peers_report as report  # noqa: E402
import peers_rows as rows  # noqa: E402
from peers_report import FLASH, HUGE, NO_FLASH, SMALL, Samples  # noqa: E402
from peers_rows import LLAMA, OPENVINO, OURS, TOUCH, TRANSFORMERS  # noqa: E402


def find(name):
    return next(row for row in rows.ROWS if row.name == name)


class Case(unittest.TestCase):
    def setUp(self):
        self.samples = Samples()

    def keep(self, name, program, *values):
        row = find(name)
        for ms in values:
            self.samples.keep(row.model, row.work, program, ms)

    def limits(self, name):
        return [most for _, most, _ in report.judge(self.samples, find(name))]

    def cells(self, name):
        return next(iter(report.time_rows(self.samples, [find(name)])))


class Figures(Case):
    def test_a_figure_is_the_median_of_its_rounds(self):
        self.keep("decode-f32", OURS, 9.0, 1.0, 2.0)
        self.assertEqual(self.samples.median("distilgpt2-f32", "decode", OURS), 2.0)
        self.assertIsNone(self.samples.median("distilgpt2-f16", "decode", OURS))

    def test_the_better_setting_of_a_program_stands_for_it(self):
        self.keep("smollm2-decode-4096", FLASH, 50.0, 51.0)
        self.keep("smollm2-decode-4096", NO_FLASH, 20.0, 90.0, 21.0)
        self.assertEqual(self.samples.median("smollm2", "decode 4096", LLAMA), 21.0)

    def test_a_ratio_stands_with_those_of_its_rounds(self):
        self.keep("decode-f32", OURS, 2.0, 2.0, 4.0)
        self.keep("decode-f32", FLASH, 5.0, 6.0, 6.0)
        self.assertEqual(self.samples.ratio("distilgpt2-f32", "decode", LLAMA), (3.0, 1.5, 3.0))
        self.assertEqual(self.cells("decode-f32")[5], "3.00× (1.50–3.00)")

    def test_what_was_not_measured_is_left_out(self):
        self.assertEqual(list(report.time_rows(self.samples, rows.ROWS)), [])
        self.keep("decode-f32", OURS, 2.0)
        self.assertEqual(self.cells("decode-f32")[2:], ["–"] * 6)

    def test_without_ours_the_row_says_what_is_to_be_reached(self):
        self.keep("smollm2-ttft", FLASH, 8.0)
        self.assertEqual(self.cells("smollm2-ttft")[-1], "4× llama.cpp; 2× the best peer")

    def test_prefill_is_shown_as_speed_too(self):
        self.keep("prefill-f32", OURS, 256.0)
        self.assertEqual(self.cells("prefill-f32")[1], "256.0 (2,000 tokens/s)")


class Targets(Case):
    def test_decoding_is_held_to_the_bare_pass_and_to_llama(self):
        self.samples.keep("distilgpt2-q4_0", "bare", SMALL, 9.0)
        self.samples.keep("distilgpt2-q4_0", "bare", HUGE, 0.7)
        self.keep("decode-q4_0", FLASH, 0.9)
        self.keep("decode-q4_0", OURS, 0.95)
        words = report.target_cell(self.samples, find("decode-q4_0"))
        self.assertEqual(
            words,
            "the bare pass ÷ 0.7: 0.95 of 1.00, reached; llama.cpp: 0.95 of 0.90, **missed**",
        )

    def test_the_best_peer_is_the_fastest_one(self):
        self.keep("smollm2-prefill-512", FLASH, 1000.0)
        self.keep("smollm2-prefill-512", OPENVINO, 130.0)
        self.keep("smollm2-prefill-512", OURS, 90.0)
        self.assertEqual([round(ms) for ms in self.limits("smollm2-prefill-512")], [100, 100])

    def test_a_first_token_is_held_to_own_steps(self):
        self.keep("ttft-q8_0", OURS, 5.0)
        self.assertEqual(self.limits("ttft-q8_0"), [])
        self.keep("decode-q8_0", OURS, 4.0)
        self.assertEqual(self.limits("ttft-q8_0"), [5.2])

    def test_a_prompt_is_held_to_the_peak_of_its_type(self):
        self.samples.peaks = {"f32": 62.1e9, "bf16": 1e15}
        self.keep("prefill-f32", OURS, 999.0)
        most = 512 * 2 * 6 * 12 * 768 * 768 / (0.7 * 62.1e9) * 1e3
        self.assertAlmostEqual(self.limits("prefill-f32")[0], most)

    def test_cold_is_held_to_the_floor_where_that_is_more(self):
        for llama, most in ((400.0, 50.0), (80.0, 39.0)):
            self.samples = Samples()
            self.keep("cold-f32", OURS, 20.0)
            self.keep("cold-f32", FLASH, llama)
            self.samples.keep("distilgpt2-f32", "touch", TOUCH, 30.0)
            self.assertEqual(self.limits("cold-f32"), [most])

    def test_the_summary_counts(self):
        self.keep("smollm2-cold", OURS, 30.0)
        self.keep("smollm2-cold", FLASH, 200.0)
        self.assertEqual(report.summary(self.samples, rows.ROWS), "Targets reached: 0 of 1.")


class Shares(Case):
    def test_the_faster_pages_are_the_yardstick(self):
        self.samples.keep("distilgpt2-f32", "bare", SMALL, 6.0)
        self.samples.keep("distilgpt2-f32", "bare", HUGE, 4.0)
        self.samples.decode_bytes["distilgpt2-f32"] = 4_000_000
        self.keep("decode-f32", OURS, 5.0)
        shares = list(report.share_rows(self.samples, [find("decode-f32")]))
        self.assertEqual(shares[0][1:], ["80%", "of the bare pass, 1.0 GB/s"])


class Choice(unittest.TestCase):
    def names(self, *words):
        return [row.name for row in rows.choose(words)]

    def test_a_word_chooses_every_row_with_its_parts(self):
        deep = ["smollm2-decode-0", "smollm2-decode-1024", "smollm2-decode-4096"]
        self.assertEqual(self.names("smollm2-decode"), deep)
        self.assertEqual(self.names("q8_0"), ["decode-q8_0", "ttft-q8_0", "prefill-q8_0"])

    def test_extras_are_measured_only_when_named(self):
        self.assertNotIn("whole-f32", self.names())
        self.assertIn("whole-f32", self.names("whole"))
        self.assertEqual(len(self.names("all")), len(rows.ROWS))

    def test_a_word_that_chooses_nothing_is_refused(self):
        with self.assertRaisesRegex(ValueError, '"nonsense" chooses no row'):
            rows.choose(["nonsense"])

    def test_names_are_names(self):
        self.assertEqual(len({row.name for row in rows.ROWS}), len(rows.ROWS))


class Work(Case):
    def test_the_same_tokens_are_counted_from_the_first_on(self):
        self.samples.tokens = {
            ("smollm2", OURS): [1, 2, 9, 4],
            ("smollm2", LLAMA): [1, 2, 3, 4],
            ("smollm2", OPENVINO): [1, 2, 3, 4],
        }
        good, sentence = report.same_work(self.samples)
        self.assertTrue(good)
        self.assertIn("smollm2, Inferometer as llama.cpp: 2 of 4", sentence)
        self.assertIn("smollm2, OpenVINO as llama.cpp: 4 of 4", sentence)

    def test_another_first_token_is_other_work(self):
        self.samples.tokens = {("smollm2", OURS): [1, 2], ("smollm2", LLAMA): [7, 2]}
        self.assertFalse(report.same_work(self.samples)[0])

    def test_random_quantized_weights_may_decide_otherwise(self):
        model = "distilgpt2-q8_0"
        self.samples.tokens = {(model, OURS): [1, 2], (model, LLAMA): [7, 2]}
        self.assertTrue(report.same_work(self.samples)[0])

    def test_a_busy_machine_is_named(self):
        self.samples.other_cores = [0.0, 1.5]
        self.assertIn("0.00, 1.50. **Not quiet**", report.quietness(self.samples))
        self.samples.other_cores = [0.0, 0.01]
        self.assertNotIn("quiet", report.quietness(self.samples))

    def test_targets_reached_on_a_busy_machine_are_not_trusted(self):
        self.keep("smollm2-cold", OURS, 10.0)
        self.keep("smollm2-cold", FLASH, 200.0)
        self.samples.other_cores = [0.0, 1.5, 1.5]
        self.assertIn("1 of 1. **Not trustworthy**", report.summary(self.samples, rows.ROWS))
        self.samples.other_cores = [0.0, 0.1, 1.5]
        self.assertTrue(report.trustworthy(self.samples))


class Whole(Case):
    def test_every_line_of_a_table_has_as_many_cells(self):
        for row in rows.ROWS:
            for program in (OURS, FLASH, OPENVINO, TRANSFORMERS):
                self.samples.keep(row.model, row.work, program, 1.0)
            self.samples.decode_bytes[row.model] = 1000
            for name in (SMALL, HUGE):
                self.samples.keep(row.model, "bare", name, 1.0)
        self.samples.peaks = {"f32": 1e9, "bf16": 1e9, "int8": 1e9}
        lines = report.render(self.samples, rows.ROWS, "a host").split("\n")
        self.assertEqual(lines[0], "a host")
        tables = [[]]
        for line in lines:
            if line.startswith("|"):
                tables[-1].append(line.count(" | "))
            elif tables[-1]:
                tables.append([])
        self.assertEqual([len(set(table)) for table in tables if table], [1] * 4)


if __name__ == "__main__":
    unittest.main()
