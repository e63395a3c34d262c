"""Stores what Hugging Face tokenizers makes of nasty strings, for tests/unit/text_*.c.

    pip install tokenizers
    python tests/reference/make_tokenizer.py

Writes tests/reference/tokenizer/: gpt2.json (GPT-2's vocabulary, from models/counting) and
small trained tokenizers with added tokens of every kind, a BOS rule, and a prefix space.
What is in the files is said in README.md beside this script.
"""

import json
import pathlib
import random

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers import trainers

HERE = pathlib.Path(__file__).parent
OUT = HERE / "tokenizer"
VOCAB = HERE.parent.parent / "models" / "counting"
GPT2_PATTERN = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)
END = "<|endoftext|>"

WHITE_SPACE = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
               0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
LIKE_SPACE = [0x0, 0x8, 0xE, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x7F, 0xAD, 0x180E, 0x200B,
              0x200C, 0x200D, 0x200E, 0x2060, 0x2800, 0x3164, 0xFEFF, 0xFFA0]

# A sentence in every script that comes to mind, and a few scripts that hardly anyone has.
SCRIPTS = """
The quick brown fox jumps over the lazy dog.
Zażółć gęślą jaźń; příliš žluťoučký kůň úpěl ďábelské ódy.
Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. ẞ ß ſ ﬁ ﬄ
Voix ambiguë d'un cœur qui au zéphyr préfère les jattes de kiwis.
Pijamalı hasta yağız şoföre çabucak güvendi. İıIi
Do bạch kim rất quý nên sẽ dùng để lắp vô xương.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. ἀρετή ᾳ ᾼ
Съешь же ещё этих мягких французских булок, да выпей чаю. Ѣ ѳ
Բել դղյակի ձախ ժամն օֆ ազգությանը ցպահանջ չճշտած վնաս էր։
აბრაკადაბრა ᲐᲑᲒ ჟოლო
דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. مُحَمَّدٌ ﷺ
ܐܒܓܕ ܗܘܙ ܚܛܝ
ހަޤީޤަތް ދިވެހި
ߒߞߏ ߞߊ߲
ऋषियों को सताने वाले दुष्ट राक्षसों क्षत्रिय ज्ञान श्री
আমি কাঁচ খেতে পারি, ক্ষমতা
ਮੈਂ ਗਲਾਸ ਖਾ ਸਕਦਾ ਹਾਂ
હું કાચ ખાઈ શકું છું
ମୁଁ କାଚ ଖାଇପାରେ
நான் கண்ணாடி சாப்பிடுவேன் ஸ்ரீ
నేను గాజు తినగలను క్ష్మ
ನನಗೆ ಗಾಜು ತಿನ್ನಬಹುದು
എനിക്ക് ഗ്ലാസ് തിന്നാം
මට වීදුරු කෑමට හැකියි ශ්‍රී
ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ เก้าอี้
ຂອ້ຍກິນແກ້ວໄດ້
ཤེལ་སྒོ་ཟ་ནས་ང་ན་གི་མ་རེད།
ကျွန်တော် ကျွန်မ မှန်စားနိုင်တယ်
ខ្ញុំអាចញុំកញ្ចក់បាន
ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ
እኔ መስታወት መብላት እችላለሁ።
ᏣᎳᎩ ꭰꭱ ᏦᎢ
ᐃᓄᒃᑎᑐᑦ ᓱᕈᓯᖅ
ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ ᚛ᚑᚄᚂᚐᚋ᚜
𐌼𐌰𐌲 𐌲𐌻𐌴𐍃 𐌹̈𐍄𐌰𐌽
いろはにほへど　ちりぬるを。わがよたれぞ　つねならむ
カタカナ ｶﾀｶﾅ ﾊﾟﾋﾟ ゛゜ ヽヾ
天地玄黃，宇宙洪荒。日月盈昃，辰宿列張。
简体中文：我能吞下玻璃而不伤身体。「引号」
다람쥐 헌 쳇바퀴에 타고파. 한글 ㅎㅏㄴㄱㅡㄹ 한글
ꆈꌠꁱꂷ ꀕ
ᥖᥭᥰᥖᥬᥳ ᨠᩣᩴᨾᩮᩬᩥᨦ ᮘᮞ ᮞᮥᮔ᮪ᮓ ᯅᯖᯂ᯲
ꦧꦱꦗꦮ ᬩᬲᬩᬮᬶ ꤊꤢꤛꤢꤪ ꩀꩄ ꯃꯩꯇꯩ
ⲘⲈⲦⲢⲈⲘⲚⲬⲎⲘⲒ ⴰⴱⵓ ⵜⵉⴼⵉⵏⴰⵖ Ⰳⰾⰰⰳⱁⰾⰻⱌⰰ
𒀭𒂗𒆤 𓂀𓃒𓆣𓋹 𐎠𐎡𐎢 𐤀𐤁𐤂 𐡀𐡁 𐬀𐬁 𐭀 𐰀𐰁 𞤀𞤣𞤤𞤢𞤥 𞄀𞄁
𝓗𝕖𝔩𝔩𝔬 𝐰𝑜𝒓𝗅𝚍 Ｈｅｌｌｏ Ⓗⓔⓛⓛⓞ 🄷🅴🅻🅻🅾 ʜᴇʟʟᴏ ⁿᵉˣᵗ ₓₐ
𠀀𠮷𡈽 𪚥 𫝀 𬺰 𰀀 丽 ⼀⿰ 㐀 ﬀ
ᜊᜌ᜔ᜊᜌᜒᜈ᜔ ꗏꗒ ꚠꚡ ꘋꘌ 𖠀 𖬌 𑀅𑀆 𑄌𑄋𑄴 𑈀 𑐀𑐁 𑒀 𑖀 𑘀 𑜀𑜁 𑪀 𑰀 𑴀
""".strip().split("\n")

NUMBERS = """
0 1 12 123 1234 12345 1234567890 00 007 3.14159 1,000,000 -17 +4 1e-9 0x1F 1/2
٠١٢٣٤٥ ۰۱۲۳ ߀߁ ०१२ ০১২ ੦੧ ૦૧ ୦୧ ௦௧௲ ౦౧ ೦೧ ൦൧൰ ๐๑๒ ໐໑ ༠༡༳ ၀၁ ០១ ᠐᠑
½ ¼ ⅓ ↉ ² ³ ¹ ⁴ ₅ ① ⑳ ⑴ ⒈ ⓪ ❶ ➓ 〇 〡〢 ㉑ ㊀ ㋀ 一二三 壹 Ⅷ ⅻ ↂ ᛮ ፩፻ ௰
𝟎𝟏𝟘𝟙𝟢 𐄇 𐅀 𐌠 𒐀 𞣇 𞥐 𑁒 🄀 🄁 🯰🯱 ꘠꘡ ꣐ ꤀ ꧐ ꩐ ꯰ ０１２
x1 1x a1b2c3 1st 2nd v2.0.1 10km 5% $9.99 №5 1's 'd1 20'll
""".strip().split("\n")

CONTRACTIONS = """
I'm you're he's she'd we'll they've don't can't it's o'clock
I'M YOU'RE HE'S SHE'D WE'LL THEY'VE DON'T
I’m you’re he’s don’t ‘quoted’ “quoted” ʼs ＇s
's 't 're 've 'm 'll 'd ' s 'S 'LL 'x '' 'sa 'sss 's's 'l 'r 'v 'lll 'ree
's's't're 've'm'll'd x's  's 's 's'
rock'n'roll 'tis 'twas y'all'd've '90s dogs' 's. 't, don't't
""".strip().split("\n")

EMOJI = """
😀 😀😀 😀😀😀 a😀b 😀a 1😀2 😀  😀
👍🏽 👨‍👩‍👧‍👦 👩🏿‍🚀 🏳️‍🌈 🏴‍☠️ 🇩🇪🇫🇷🇯🇵 🇦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ☺ ☺️ ☺︎ ❤️‍🔥 1️⃣ #️⃣ *️⃣ ©️ ™ 🧑🏻‍❤️‍💋‍🧑🏼
👨‍ ‍👩 ‍ ‍‍ 👩‍👩‍ 🏽 ️ ⃣ 🫠 🪿 🫨 🛜 🫩 🧌
""".strip().split("\n")

COMBINING = [
    "é é", "e\u0301", "\u0301", " \u0301", "a\u0301\u0302\u0303\u0304 b", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "한글", "ᄒ ᅡ ᆫ", "한글", "가", "ㄱㅏ", "〮〯", "क\u094dष", "क\u094d\u200dष", "क\u094d\u200cष",
    "ก็้", "\u0e33", "ạ̈", "ạ̈", "\u1100\u1161\u11a8\u11a8", "i\u0307", "ẛ̣", "Å Å Å",
    "\u20e3", "1\u20e3", "a\u20dd", "\ufe0f", "a\ufe00", "葛\U000e0100", "\u034f", "\u0483",
    "ـــ", "ﻻ", "\u202eabc\u202c", "\u2066abc\u2069", "\u061cabc",
]

CODE = [
    "int main(void)\n{\n    return 0;\n}\n",
    "def f(x):\n\treturn x ** 2  # squared\n\n\nprint(f(3))\n",
    "for (size_t i = 0; i < n; i++) a[i] += b[i]*c;",
    "if (a&&b||!c) { x->y = &z; }",
    "<html>\r\n  <body class=\"x\">&nbsp;</body>\r\n</html>\r\n",
    "SELECT * FROM t WHERE a='b' AND c<>1;",
    "{\"key\": [1, 2.5, null, true], \"ключ\": \"значение\"}",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org",
    "C:\\Users\\x\\AppData\\Local\\Temp",
    "#!/bin/sh\nset -eu\ncat <<'EOF' | sed 's/a/b/g' > /dev/null\nEOF\n",
    "\\frac{1}{2}\\sum_{i=1}^{n} x_i^2 $E=mc^2$",
    "a_b_c __init__ snake_case camelCase PascalCase kebab-case SCREAMING_CASE",
    "--------========________++++++++********////////\\\\\\\\\\\\\\\\",
    "((((((([[[[[[[{{{{{{{<<<<<<<>>>>>>>}}}}}}}]]]]]]])))))))",
    "!!!???...,,,;;;:::", "....", "…", "—–-‐‑‒", "«»‹›„‟", "%%%s%d%n", "0.1.2.3:80",
    "\x1b[31mred\x1b[0m", "a\u00a0b", "a\u2009b\u202fc", "<0x0A>", "<0xF0><0x9F>", "▁▁a▁b",
    "Ġ Ċ ĠĠ âĢĶ ĉ", "Ãł Â Ċ", "�", "�� �", "\ufffd\ufffe", "##ing ##", "</w> a</w>",
]

SPECIAL = [
    END, f" {END}", f"{END} ", f"{END}{END}", f"a{END}b", f"a {END} b", f"\n{END}\n",
    "<|endoftext|", "|endoftext|>", "<|endoftext |>", "<|ENDOFTEXT|>", "<<|endoftext|>>",
    f"<|endoftext|{END}", f"{END[:-1]}{END}", "<|im_start|>user\nhi<|im_end|>",
    f"é{END}é", f"😀{END}😀", f"  {END}  x", f"'s{END}'s", f"1{END}2", "<s></s><pad><unk>",
    "[INST] x [/INST]", "<|endoftext|>" * 5, "endoftext", "<|", "|>", "<", ">", "<||>",
]

ODD = [
    *(chr(c) for c in (0xE000, 0xF8FF, 0xF0000, 0xFFFFD, 0x100000, 0x10FFFD)),  # private
    *(chr(c) for c in (0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF)),  # noncharacters
    *(chr(c) for c in (0x378, 0x2FE0, 0x1FFFD, 0x3FFFD, 0x50000, 0xE0080)),  # unassigned
    *(chr(c) for c in (0x1C89, 0xA7CB, 0x105C0, 0x10D40, 0x11380, 0x116D0, 0x16D70, 0x1E5F1,
                       0x2EBF0, 0x31350, 0x323AF, 0x1E4D0, 0x11F50)),  # Unicode 15 and 16
    "\x00", "\x00\x00", "a\x00b", " \x00 ", "\x00" * 20, "\x01\x02\x03", "\x7f\x80\x81\x9f",
    "a\u0085b", "\u2028\u2029", "a\u180eb", "a \u180e b", "\ufeffabc", "a\u200bb", "\u00ad",
    "\u0000\n", "".join(map(chr, range(256))), "".join(map(chr, range(256)))[::-1],
    "ªº", "ʰˢ", "々〆〻", "ゝゞ", "ᵃ", "ℵℶ", "№℡™", "ƀɐ", "ǅǈǋ", "ꟲꟳ", "𞻰", "ﷺ﷽", "￼",
]


def spaces():
    """Runs of white space of every kind, in front, between, behind."""
    for c in WHITE_SPACE + LIKE_SPACE:
        s = chr(c)
        yield f"a{s}b"
        yield f"{s}{s}1{s}{s}{s}!{s}"
    for s in ["", " ", "  ", "   ", " " * 17, " " * 64, "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n",
              "\n\r", "\r", "\t", "\t\t\t", " \t ", " \n", "\n ", " \n ", "  \n  ", "\n\n  \n",
              " \r\n ", "\u3000", " \u3000", "\u3000 ", "\u00a0 ", " \u00a0", "\u2003\u2003 "]:
        yield s
        yield f"{s}x"
        yield f"x{s}"
        yield f"x{s}y"
        yield f"x{s}'s"
        yield f"1{s}2"
        yield f"!{s}?"


def random_strings(seed, count):
    """Code points from everywhere, with runs of the common kinds mixed in."""
    rng = random.Random(seed)
    blocks = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x80, 0x250), (0x300, 0x370),
              (0x370, 0x600), (0x600, 0x1100), (0x1100, 0x2000), (0x2000, 0x2100),
              (0x2100, 0x3000), (0x3000, 0xA000), (0xA000, 0xD800), (0xE000, 0x10000),
              (0x10000, 0x20000), (0x1F300, 0x1FB00), (0x20000, 0x32400), (0xE0000, 0x110000)]
    for _ in range(count):
        text = ""
        while len(text) < rng.randrange(4, 60):
            kind = rng.randrange(6)
            if kind == 0:
                text += chr(rng.choice(WHITE_SPACE)) * rng.randrange(1, 4)
            elif kind == 1:
                text += rng.choice(["'s", "'ll", "n't", "ing", " the", "1984", END, "\r\n"])
            else:
                low, high = rng.choice(blocks)
                text += "".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 5)))
        yield text


def nasty():
    strings = [*SCRIPTS, *NUMBERS, *CONTRACTIONS, *EMOJI, *COMBINING, *CODE, *SPECIAL, *ODD,
               *spaces(), *random_strings(4, 120)]
    return list(dict.fromkeys(strings))


def pack(text):
    """As text where a person can read it, else as the bytes' hex digits."""
    if text.isprintable() and "\ufffd" not in text:
        return {"text": text}
    return {"hex": text.encode().hex()}


def fnv(ids):
    """FNV-1a, 64 bits, of the ids as little-endian 32-bit numbers: for long lists."""
    h = 0xCBF29CE484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return f"{h:016x}"


def mixed(strings, seed, picks):
    """`picks` strings in the order of a linear congruential generator (Knuth's MMIX)."""
    state, out = seed, []
    for _ in range(picks):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(strings[(state >> 33) % len(strings)])
    return "".join(out)


def long_cases(encode, strings):
    for piece, times in [("a", 5000), ("ab", 2500), ("abcdefghijklmnopqrstuvwxyz", 193),
                         ("é", 5000), ("漢", 5000), ("字漢", 50000), ("😀", 5000), ("1", 5000),
                         ("12", 50000), (" ", 5000), (" ", 100000), ("\n", 5000), ("\r\n", 50000),
                         ("!", 5000), ("-", 100000), ("\0", 5000), ("'s", 5000), ("a ", 50000),
                         ("the ", 25000), ("e\u0301", 5000), ("\u3000", 5000), ("the", 40000),
                         (" \u00a0", 5000), (END, 1000), ("\U0010ffff", 5000), ("z", 1000000)]:
        ids = encode(piece * times)
        yield {**pack(piece), "times": times, "n_ids": len(ids), "fnv": fnv(ids)}
    for seed, picks in [(1, 100), (2, 1000), (3, 4000), (4, 30000)]:
        ids = encode(mixed(strings, seed, picks))
        yield {"mix_seed": seed, "picks": picks, "n_ids": len(ids), "fnv": fnv(ids)}


def streams(tokenizer, seed, count):
    """Random ids and what is decoded from them, half characters and all."""
    rng = random.Random(seed)
    size = tokenizer.get_vocab_size()
    for _ in range(count):
        few = rng.random() < 0.5
        ids = [rng.randrange(256 if few else size) for _ in range(rng.randrange(1, 40))]
        if rng.random() < 0.2:
            ids.insert(rng.randrange(len(ids)), tokenizer.token_to_id(END))
        text = tokenizer.decode(ids, skip_special_tokens=True)
        yield {"ids": ids, "hex": text.encode().hex()}


def classes():
    """How the pattern sees each code point, as [first code point, class] of each run."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    runs = []
    for c in range(0x110000):
        kind = "-"
        if not 0xD800 <= c < 0xE000:
            joined = (k for k, b in (("L", "a"), ("N", "1"), ("P", "!"), ("S", "\t"))
                      if len(split.pre_tokenize_str(b + chr(c))) == 1)
            kind = next(joined)
        if not runs or runs[-1][1] != kind:
            runs.append([c, kind])
    return runs


def words():
    """Which code points are part of a word, to a token that must stand alone: runs as above."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.add_tokens([AddedToken("word", single_word=True, normalized=False)])
    runs = []
    for c in range(0x110000):
        surrogate = 0xD800 <= c < 0xE000
        kind = "-" if surrogate or tokenizer.encode("word" + chr(c)).ids else "W"
        if not runs or runs[-1][1] != kind:
            runs.append([c, kind])
    return runs


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for key, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], dict):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in part)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(part, ensure_ascii=False)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(path.relative_to(HERE), path.stat().st_size, "bytes")


def cases(tokenizer, plain, strings):
    for text in strings:
        row = {**pack(text), "ids": tokenizer.encode(text).ids}
        if (other := plain(text)) != row["ids"]:
            row["plain"] = other
        yield row


def make_gpt2():
    def load():
        model = models.BPE.from_file(str(VOCAB / "vocab.json"), str(VOCAB / "merges.txt"))
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer

    tokenizer, plain = load(), load()
    tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    strings = nasty()
    write(OUT / "gpt2.json", {
        "made_with": f"tokenizers {tokenizers.__version__}",
        "cases": list(cases(tokenizer, lambda text: plain.encode(text).ids, strings)),
        "long": list(long_cases(lambda text: tokenizer.encode(text).ids, strings)),
        "streams": list(streams(tokenizer, 5, 120)),
        "classes": classes(),
        "words": words(),
    })


TRAINING = [" ".join(SCRIPTS[:4]), *CODE, *NUMBERS, *CONTRACTIONS] * 3

ADDED = [
    AddedToken("<s>", special=True, normalized=False),
    AddedToken("</s>", special=True, normalized=False),
    AddedToken("<s>>", special=True, normalized=False),
    AddedToken("<normal>ly", normalized=True),
    AddedToken("<left>", lstrip=True, normalized=False),
    AddedToken("<right>", rstrip=True, normalized=False),
    AddedToken("<both>", lstrip=True, rstrip=True, special=True, normalized=False),
    AddedToken("word", single_word=True, normalized=False),
    AddedToken("слово", single_word=True, normalized=True),
    AddedToken("<norm>", normalized=True),
    AddedToken("<normal>", normalized=True),
    AddedToken("<n", normalized=False),
    AddedToken("  ", normalized=False),
    AddedToken("\n\n\n", normalized=True, rstrip=True),
    AddedToken("日本", normalized=False, lstrip=True, single_word=True),
    AddedToken("fox", normalized=True),
]

AROUND = ["{}", " {}", "{} ", "a{}b", "a {} b", "  {}  ", "\u3000{}\u00a0", "{}{}", "{} {}",
          "\n{}\n", "_{}_", "1{}1", "-{}-", "é{}é", "\u0301{}\u0301", "\u200d{}", "😀{}😀",
          "{}s", "'{}'", "ⓐ{}", "{}\u1c89"]


def added_strings():
    names = [token.content for token in ADDED]
    out = [shape.replace("{}", name) for name in names for shape in AROUND]
    rng = random.Random(6)
    for _ in range(150):
        out.append("".join(rng.choice([*names, " ", "  ", "a", "x ", "<", ">", "\n", "s"])
                           for _ in range(rng.randrange(2, 9))))
    return list(dict.fromkeys(out)) + ["", "the", " the", "I'm", "<nor>", "<", "wordword"]


def make_small(name, pre_tokenizer, post_processor=None, string_merges=False, **model):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=620, show_progress=False, special_tokens=[],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    for token in ADDED:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if post_processor is not None:
        tokenizer.post_processor = post_processor(tokenizer)
    value = json.loads(tokenizer.to_str())
    value["model"].update(model)
    if string_merges:
        value["model"]["merges"] = [" ".join(pair) for pair in value["model"]["merges"]]
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    path = OUT / name / "tokenizer.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    tokenizer = Tokenizer.from_str(text)
    write(OUT / name / "reference.json", {
        "made_with": f"tokenizers {tokenizers.__version__}",
        "cases": [{**pack(text), "ids": tokenizer.encode(text).ids}
                  for text in added_strings() + nasty()[::5]],
    })


def bos_template(tokenizer):
    bos = ("<s>", tokenizer.token_to_id("<s>"))
    return processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B",
                                         special_tokens=[bos])


if __name__ == "__main__":
    make_gpt2()
    split = pre_tokenizers.Split(tokenizers.Regex(GPT2_PATTERN), "isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    make_small("added", pre_tokenizers.ByteLevel(add_prefix_space=False), string_merges=True)
    make_small("prefix", pre_tokenizers.ByteLevel(add_prefix_space=True))
    make_small("split", pre_tokenizers.Sequence([split, bytes_only]), bos_template,
               ignore_merges=True)
