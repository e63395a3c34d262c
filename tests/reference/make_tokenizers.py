"""Stores what others make of nasty strings, for every kind of tokenizer that models have.

    pip install tokenizers sentencepiece gguf
    python tests/reference/make_tokenizers.py LLAMA_TOKENS

Trains small tokenizers whose tokenizer.json is set up as the models' own are, and writes
beside each its GGUF form (the vocabulary only) and the ids: of Hugging Face tokenizers, of
llama.cpp (LLAMA_TOKENS is llama_tokens.c, compiled against it) and of SentencePiece.
What is in the files is said in README.md beside this script.
"""

import io
import json
import pathlib
import subprocess
import sys
import unicodedata

import gguf
import sentencepiece
import tokenizers
from make_tokenizer import (CODE, COMBINING, CONTRACTIONS, EMOJI, GPT2_PATTERN, NUMBERS, ODD,
                            SCRIPTS, nasty, pack)
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).parent / "tokenizer"
MARK = "▁"

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
LINES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{CASES}|{WORD}|\p{{N}}{{1,3}}|{SIGNS}|{LINES}"
QWEN2 = rf"{CASES}|{WORD}|\p{{N}}|{SIGNS}|{LINES}"
UPPER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
TEKKEN = rf"{UPPER}*{LOWER}+|{UPPER}+{LOWER}*|\p{{N}}|{SLASH}|{LINES}"
GPT4O = rf"{UPPER}*{LOWER}+{CASES}?|{UPPER}+{LOWER}*{CASES}?|\p{{N}}{{1,3}}|{SLASH}|{LINES}"
# The letters with case that DeepSeek's pattern spells out, as ranges.
CASED = (
    "A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
    "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba"
    "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45"
    "\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe"
    "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134"
    "\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee"
    "\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943")
DEEPSEEK_LLM = ["[\r\n]", rf"\s?[{CASED}]+",
                "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                r"\s+$", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"]
DEEPSEEK_CODER = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"]
DEEPSEEK_V3 = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
               r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
               r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + LINES]

TRAINING = [*SCRIPTS, *CODE, *NUMBERS, *CONTRACTIONS, *EMOJI, *COMBINING,
            " ".join(SCRIPTS[:6])] * 2
SPECIAL = ["<|bos|>", "<|eos|>", "<|im_start|>", "<|im_end|>"]


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(use_regex=False, add_prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def chain(*parts):
    return pre_tokenizers.Sequence(list(parts))


def template(tokenizer, single):
    ids = [(name, tokenizer.token_to_id(name)) for name in single.split() if name != "$A"]
    return processors.TemplateProcessing(single=single, pair=f"{single} $B",
                                         special_tokens=ids)


def train_bytes(pre, normalizer=None, single=None, **model):
    """Byte-level BPE with the pre-tokenizer `pre`."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=900, show_progress=False, special_tokens=[],
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    if single is not None:
        tokenizer.post_processor = processors.Sequence(
            [processors.ByteLevel(trim_offsets=False), template(tokenizer, single)])
    return finish(tokenizer, model)


def train_characters(pre=None, normalizer=None, decoder=None, single="<s> $A", bytes_too=True,
                     added=(), **model):
    """BPE of characters with byte fallback, trained as if spaces were "▁"."""
    special = ["<unk>", "<s>", "</s>"]
    if bytes_too:
        special += [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=len(special) + 850, show_progress=False,
                                  special_tokens=special, limit_alphabet=300)
    trained.train_from_iterator(TRAINING, trainer)
    value = json.loads(trained.to_str())
    value["added_tokens"] = [t for t in value["added_tokens"] if t["id"] < 3]
    value["model"] |= {"byte_fallback": bytes_too, "fuse_unk": True} | model
    value["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_str(json.dumps(value))
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoder if decoder is not None else decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)])
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = template(tokenizer, single)
    return finish(tokenizer, {})


def finish(tokenizer, model):
    value = json.loads(tokenizer.to_str())
    value["model"].update(model)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def llama2_normalizer():
    return normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])


def kinds():
    """name → (tokenizer.json, tokenizer.ggml.pre or None where llama.cpp has no such kind)"""
    digits = pre_tokenizers.Digits(individual_digits=True)
    yield "gpt2_kind", train_bytes(byte_level(use_regex=True)), "gpt-2"
    yield "llama3", train_bytes(chain(split(LLAMA3), byte_level()), single="<|bos|> $A",
                                ignore_merges=True), "llama-bpe"
    yield "qwen2", train_bytes(chain(split(QWEN2), byte_level()), normalizers.NFC()), "qwen2"
    yield "smollm", train_bytes(chain(digits, byte_level(use_regex=True))), "smollm"
    yield "deepseek_llm", train_bytes(
        chain(*map(split, DEEPSEEK_LLM), digits, byte_level()), normalizers.Sequence([]),
        single="<|bos|> $A"), "deepseek-llm"
    yield "deepseek_coder", train_bytes(
        chain(*map(split, DEEPSEEK_CODER), digits, byte_level()), normalizers.Sequence([]),
        single="<|bos|> $A"), "deepseek-coder"
    yield "deepseek_v3", train_bytes(chain(*map(split, DEEPSEEK_V3), byte_level()),
                                     normalizers.Sequence([]), single="<|bos|> $A"), "deepseek-v3"
    yield "tekken", train_bytes(chain(split(TEKKEN), byte_level()), single="<|bos|> $A",
                                ignore_merges=True), "tekken"
    yield "gpt4o", train_bytes(chain(split(GPT4O), byte_level())), "gpt-4o"
    yield "by_default", train_bytes(chain(byte_level(use_regex=True))), "default"
    yield "llama2", train_characters(normalizer=llama2_normalizer()), None
    yield "metaspace", train_characters(
        pre=pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="first", split=False)), None
    yield "metaspace_split", train_characters(
        pre=pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always", split=True),
        decoder=decoders.Metaspace(replacement=MARK, prepend_scheme="always")), None
    yield "gemma", train_characters(
        normalizer=normalizers.Replace(" ", MARK),
        pre=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(),
                                   decoders.Fuse()]),
        added=[AddedToken("\n\n", normalized=False), AddedToken(MARK * 2, normalized=False),
               AddedToken("Norm al", normalized=True), AddedToken("Ångström", normalized=True)],
    ), None
    yield "no_bytes", train_characters(normalizer=normalizers.NFKC(), bytes_too=False,
                                       single="<s> $A </s>"), None
    yield "behaviors", train_bytes(
        chain(split(r"\p{Lu}", "merged_with_next"), split(r"[.!?]", "merged_with_previous"),
              split(r"\d", "contiguous"), split(r"\w+", "isolated", True),
              split(r"[\t\x0b\f]+", "removed"), pre_tokenizers.Punctuation(),
              pre_tokenizers.Split("0", "removed"), byte_level(add_prefix_space=True)),
        normalizers.Sequence([normalizers.NFD(), normalizers.Replace(Regex(" {2,}"), " ")]),
        single="<|bos|> $A <|eos|>"), None
    yield "lookaheads", train_bytes(
        chain(split(r"(?=\d{3}(?!\d))", "isolated"), split(r"(?<=[,;])(?!$)", "removed"),
              split(r"$", "merged_with_next"), byte_level()), normalizers.NFKD()), None


def write_gguf(path, value, pre):
    """The vocabulary of a byte-level tokenizer.json, as llama.cpp's converter writes it."""
    vocab = value["model"]["vocab"]
    added = {t["id"]: t for t in value["added_tokens"]}
    size = max([*vocab.values(), *added]) + 1
    tokens, types = [""] * size, [gguf.TokenType.NORMAL] * size
    for token, i in vocab.items():
        tokens[i] = token
    for i, token in added.items():
        tokens[i] = token["content"]
        types[i] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    writer = start_gguf(path)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in value["model"]["merges"]])
    writer.add_bos_token_id(tokens.index("<|bos|>"))
    writer.add_eos_token_id(tokens.index("<|eos|>"))
    writer.add_add_bos_token(value["post_processor"] is not None)
    end_gguf(writer)


def start_gguf(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    return writer


def end_gguf(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_ids(program, path, strings):
    lines = "".join(text.encode().hex() + "\n" for text in strings)
    out = subprocess.run([program, path], input=lines, text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return [[int(i) for i in line.split()] for line in out.split("\n")[:-1]]


def write_reference(path, strings, lists):
    """`lists`: name → the ids of each string; of the others, only what differs is kept."""
    first = next(iter(lists))
    rows = []
    for i, ids in enumerate(lists[first]):
        others = {name: ids_of[i] for name, ids_of in lists.items() if ids_of[i] != ids}
        rows.append({"ids": ids} | others)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f'{{"compared":{json.dumps(list(lists))},"cases":[\n{lines}\n]}}\n')
    differ = {name: sum(name in row for row in rows) for name in lists if name != first}
    print(path.parent.name, path.stat().st_size, "bytes;", "other ids than", first, differ)


def is_newer(tokenizer, text):
    """Whether it has characters that tokenizers' normalization or Punctuation, which know an
    older Unicode than its patterns do, are too old for."""
    punctuation = pre_tokenizers.Punctuation()
    if "Punctuation" in tokenizer.to_str() and any(
            unicodedata.category(c)[0] == "P" and len(punctuation.pre_tokenize_str("a" + c)) < 2
            for c in text):
        return True
    kind = str(tokenizer.normalizer)
    form = "NFKC" if "NFKC" in kind else "NFKD" if "NFKD" in kind else None
    if form is None:
        return False
    return getattr(normalizers, form)().normalize_str(text) != unicodedata.normalize(form, text)


def make(name, text, pre, program, strings):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    tokenizer = Tokenizer.from_str(text)
    lists = {"ids": [None if is_newer(tokenizer, s) else tokenizer.encode(s).ids
                     for s in strings]}
    if pre is not None:
        path = folder / "vocab.gguf"
        write_gguf(path, json.loads(text), pre)
        lists["llama"] = llama_ids(program, path, strings)
    write_reference(folder / "reference.json", strings, lists)
    streams = []
    for ids in filter(None, lists["ids"][::7]):
        streams.append({"ids": ids, "hex": tokenizer.decode(ids).encode().hex()})
    (folder / "decoded.json").write_text(
        "[\n" + ",\n".join(json.dumps(s, separators=(",", ":")) for s in streams) + "\n]\n")


def make_sentencepiece(program, strings):
    """A real SentencePiece model: its ids, llama.cpp's of its GGUF form."""
    data = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING), model_writer=data, model_type="bpe", vocab_size=1400,
        byte_fallback=True, normalization_rule_name="identity", split_digits=True,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True,
        character_coverage=0.98, user_defined_symbols=["<|im_start|>", "<|im_end|>"],
        minloglevel=2)
    model = sentencepiece.SentencePieceProcessor(model_proto=data.getvalue())
    folder = OUT / "sentencepiece"
    folder.mkdir(parents=True, exist_ok=True)
    writer = start_gguf(folder / "vocab.gguf")
    tokens, scores, types = [], [], []
    for i in range(model.get_piece_size()):
        tokens.append(model.id_to_piece(i))
        scores.append(model.get_score(i))
        types.append(gguf.TokenType.UNKNOWN if model.is_unknown(i)
                     else gguf.TokenType.CONTROL if model.is_control(i)
                     else gguf.TokenType.BYTE if model.is_byte(i)
                     else gguf.TokenType.USER_DEFINED if tokens[-1].startswith("<|im")
                     else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    end_gguf(writer)
    write_reference(folder / "reference.json", strings, {
        "llama": llama_ids(program, folder / "vocab.gguf", strings),
        "sentencepiece": [[1, *model.encode(s)] for s in strings]})


def main():
    program = sys.argv[1]
    strings = [s.replace("<|endoftext|>", "<|im_start|>") for s in nasty()]
    strings += ["<s>a", "<s> a</s>b", "a<s>  b", "</s>", "<unk>x", "<0x41>", "ﬁ①Å ｶﾞ", "Å", "Ångström",
                "x Norm al", "a\n\nb", "▁▁▁a ▁ b", "a  0b0  c", "1234,567;8,", "AbcDEF ghI. J!",
                "The\tend.\x0b\x0cNext", "don'ſ DON'ſ 'ſ", "K's Ω'LL", "１２３４", "مـ١٢٣٤٥",
                "a" * 70, "ab " * 40, "漢字" * 40, "\t" * 40, "\n" * 33, "=" * 45, "🏴" * 9]
    strings = list(dict.fromkeys(strings))
    OUT.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(pack(s), ensure_ascii=False) for s in strings)
    (OUT / "strings.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    for name, text, pre in kinds():
        make(name, text, pre, program, strings)
    make_sentencepiece(program, strings)
    print("tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__,
          len(strings), "strings", len(ODD))


if __name__ == "__main__":
    main()
