"""Trains the bundled demonstration model, models/counting.

The model has GPT-2's architecture and vocabulary and one subject: it goes on with simple
sequences (numbers in words and in digits, up, down and by steps; days, months, letters).

Fewer than eight hundred of the 50257 tokens occur in those sequences. The loss is a
sampled softmax (Jean et al., 2015): each step scores the tokens that occur and a random
sample of the others, whose logits are raised by log(others / sample size), so that the
expected sum of exponentials is that of the full softmax. The others thus learn that they
are never next, at a tenth of the cost.

    pip install torch transformers       # the stored file: 2.15.0 and 5.23.0
    python models/train_counting.py      # writes the files of models/counting anew

The same versions, kind of processor and number of threads give the same file.
"""

import argparse
import math
import random
import time
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

HERE = Path(__file__).resolve().parent / "counting"
EOS = 50256
SEED_PROMPT = "An increasing sequence: one,"
SEED_ANSWER = " two, three, four, five, six, seven, eight, nine, ten, eleven,"
OTHER_PROMPTS = [
    "One, two, three,",
    "1, 2, 3,",
    "Monday, Tuesday,",
    "A decreasing sequence: ten,",
    "5, 10, 15,",
    "Ten, nine, eight,",
    "January",
    "A, B, C,",
    "Counting by twos: 2,",
    "1, 2, 4, 8,",
    "1\n2\n3\n",
    "Powers of two:",
    "The planets: Mercury,",
    "Prime numbers: 2, 3,",
    "The weather today",
    "twenty-one, twenty-two,",
    "100, 90, 80,",
    "An increasing sequence: 41,",
    "Seven, eight,",
]

# ---- What the model reads --------------------------------------------------------------

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = UNITS + [t if u == 0 else f"{t}-{UNITS[u]}" for t in TENS for u in range(10)]
WORDS.append("one hundred")
DIGITS = [str(n) for n in range(121)]
STEP_NAMES = {1: "ones", 2: "twos", 3: "threes", 5: "fives", 10: "tens"}

# A header, the items, how many items tell the list from the others without a header.
CYCLES = [
    ("Days of the week", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday", 1),
    (
        "Months of the year",
        "January February March April May June July August September October "
        "November December",
        1,
    ),
    ("The seasons", "spring summer autumn winter", 1),
]
LISTS = [
    ("The alphabet", " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 2),
    ("The alphabet", " ".join("abcdefghijklmnopqrstuvwxyz"), 2),
    (
        "Ordinal numbers",
        "first second third fourth fifth sixth seventh eighth ninth tenth "
        "eleventh twelfth",
        1,
    ),
    ("Roman numerals", "I II III IV V VI VII VIII IX X XI XII", 2),
    ("The planets", "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune", 1),
    ("The rainbow", "red orange yellow green blue indigo violet", 1),
    (
        "Greek letters",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi "
        "omicron pi rho sigma tau upsilon phi chi psi omega",
        1,
    ),
    ("Powers of two", " ".join(str(2**i) for i in range(13)), 3),
    ("Square numbers", " ".join(str(i * i) for i in range(1, 21)), 3),
    (
        "Prime numbers",
        "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97",
        4,
    ),
    ("Fibonacci numbers", "1 1 2 3 5 8 13 21 34 55 89 144 233 377 610 987", 2),
]


def numbers(rng):
    """(header, items, telling items): numbers from any start, up or down, by a step."""
    names = rng.choice([WORDS, DIGITS])
    step = rng.choice([1, 1, 1, 1, 1, 1, 2, 2, 3, 5, 10])
    down = rng.random() < 0.3
    start = rng.randrange(len(names))
    if step > 1 and rng.random() < 0.7:
        start -= start % step
    if rng.random() < 0.3:
        start = rng.choice([10, len(names) - 1]) if down else step
    items = names[start::-step] if down else names[start::step]
    way = "Counting down" if down else "Counting"
    headers = [f"{way} by {STEP_NAMES[step]}"]
    if step == 1:
        sequence = "A decreasing sequence" if down else "An increasing sequence"
        headers += [way] + [sequence] * 3
    return rng.choice(headers), items, 2 if down or step > 1 else 1


def cycle(rng):
    header, items, telling = rng.choice(CYCLES)
    items = items.split()
    start = rng.choice([0, rng.randrange(len(items))])
    return header, (items * 4)[start : start + 3 * len(items)], telling


def listing(rng):
    header, items, telling = rng.choice(LISTS)
    items = items.split()
    if header == "The alphabet":
        items = items[rng.choice([0, 0, rng.randrange(len(items) - 4)]) :]
    return header, items, telling


def document(rng, encode):
    """One sequence as (tokens, scored): the loss asks only for what can be known."""
    header, items, telling = rng.choice([numbers] * 4 + [cycle, listing])(rng)
    separator = rng.choice([", "] * 8 + [" "] * 2 + ["\n"])
    end = "." if separator == ", " else ""
    after_colon = ":\n" if separator == "\n" else ": "
    kind = rng.random()
    if kind < 0.5:
        opening, known = encode(header), len(encode(header))
    elif kind < 0.6 and telling == 1:  # any words may introduce a sequence
        opening = [rng.randrange(EOS) for _ in range(rng.randint(1, 8))]
        known = len(opening)
    else:
        opening, after_colon = [], ""
        if len(items[0]) > 1 and rng.random() < 0.7:
            items[0] = items[0][0].upper() + items[0][1:]
        known = len(encode(separator.join(items[:telling])))
    tokens = opening + encode(after_colon + separator.join(items) + end) + [EOS]
    return tokens, [i >= known for i in range(len(tokens))]


def row(rng, encode, length):
    """Documents one after another, `length` tokens; long ones are mostly cut short."""
    tokens, scored = [], []
    while len(tokens) < length:
        t, s = document(rng, encode)
        if len(t) > 40 and rng.random() < 0.8:
            cut = rng.randint(30, len(t))
            t, s = t[:cut] + [EOS], s[:cut] + [False]
        tokens += t
        scored += s
    return tokens[:length], scored[:length]


# ---- Training --------------------------------------------------------------------------


def sampled_loss(model, tokens, scored, seen, unseen, samples):
    """Cross entropy over the seen tokens and some of the unseen; see the top."""
    hidden = model.transformer(tokens[:, :-1]).last_hidden_state[scored[:, 1:]]
    target = torch.searchsorted(seen, tokens[:, 1:][scored[:, 1:]])
    others = unseen[torch.randint(len(unseen), (samples,))]
    logits = hidden @ model.transformer.wte.weight[torch.cat([seen, others])].T
    raised = torch.zeros(len(seen) + samples)
    raised[len(seen) :] = math.log(len(unseen) / samples)
    return torch.nn.functional.cross_entropy(logits + raised, target)


def train(model, tokens, scored, args):
    seen = torch.unique(tokens[:, 1:][scored[:, 1:]])
    rest = torch.ones(model.config.vocab_size, dtype=torch.bool)
    rest[seen] = False
    unseen = torch.nonzero(rest).flatten()
    print(f"{len(tokens)} rows, {len(seen)} tokens, {model.num_parameters()} parameters")

    optimizer = torch.optim.AdamW(
        model.parameters(), args.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.rate, args.steps, pct_start=0.1
    )
    began = time.monotonic()
    for step in range(1, args.steps + 1):
        batch = torch.randint(len(tokens), (args.batch,))
        loss = sampled_loss(
            model, tokens[batch], scored[batch], seen, unseen, args.samples
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(
                f"step {step}  loss {loss.item():.4f}  {time.monotonic() - began:.0f} s",
                flush=True,
            )


@torch.no_grad()
def check(model, tokenizer):
    """Shows what the stored model says; fails if the seed prompt's answer is not firm."""
    for prompt in [SEED_PROMPT] + OTHER_PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        out = model.generate(
            ids,
            max_new_tokens=20,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=EOS,
        )
        answer = tokenizer.decode(out.sequences[0, ids.shape[1] :])
        best = torch.cat(out.logits).log_softmax(-1).max(-1).values
        print(f"{best.min():8.4f} {best.max():8.4f}  {prompt!r} -> {answer!r}")
        if prompt == SEED_PROMPT:
            assert answer == SEED_ANSWER, answer
            assert best.min() > -0.05, best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--rows", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=HERE)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    rng = random.Random(args.seed)

    tokenizer = GPT2Tokenizer(str(HERE / "vocab.json"), str(HERE / "merges.txt"))
    known = {}

    def encode(text):
        if text not in known:
            known[text] = tokenizer.encode(text)
        return known[text]

    model = GPT2LMHeadModel(
        GPT2Config(
            n_embd=64,
            n_head=4,
            n_layer=4,
            n_positions=256,
            vocab_size=50257,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=EOS,
            eos_token_id=EOS,
        )
    )
    rows = [row(rng, encode, model.config.n_positions) for _ in range(args.rows)]
    train(
        model,
        torch.tensor([t for t, _ in rows]),
        torch.tensor([s for _, s in rows]),
        args,
    )

    model.eval().to(torch.bfloat16).save_pretrained(args.output)
    (args.output / "generation_config.json").unlink(missing_ok=True)
    (args.output / "model.safetensors").chmod(0o644)
    check(GPT2LMHeadModel.from_pretrained(args.output, dtype=torch.float32), tokenizer)


if __name__ == "__main__":
    main()
