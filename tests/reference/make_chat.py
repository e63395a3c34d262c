r"""Stores what Transformers makes of conversations, for tests/unit/text_chat.c.

    pip install transformers tokenizers jinja2
    python tests/reference/make_chat.py

Writes tests/reference/chat.json: for every family a template, conversations, and the text
(or null where the template raises an error). The templates are written for this test: they
write what the families' own templates write, with the tokens and literals by which those are
recognised, and leave out tools.
"""

import json
import pathlib

import transformers
from tokenizers import Tokenizer, models

OUT = pathlib.Path(__file__).parent / "chat.json"

ALTERNATE = ("{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
             "{{ raise_exception('roles must alternate') }}{% endif %}")
TAKE_SYSTEM = ("{% if messages[0]['role'] == 'system' %}{% set sys = messages[0]['content'] %}"
               "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}")
IM = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
      "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def default_system(words):
    return ("{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n" + words
            + "<|im_end|>\\n' }}{% endif %}" + IM)


LLAMA3 = ("{% for m in messages %}{% set text = '<|start_header_id|>' + m['role'] + "
          "'<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' %}"
          "{% if loop.index0 == 0 %}{% set text = bos_token + text %}{% endif %}{{ text }}"
          "{% endfor %}{% if add_generation_prompt %}"
          "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA31 = (TAKE_SYSTEM + "{{ bos_token + '<|start_header_id|>system<|end_header_id|>\\n\\n'"
           " + 'Cutting Knowledge Date: December 2023\\nToday Date: 26 Jul 2024\\n\\n' + "
           "(sys | default('')) | trim + '<|eot_id|>' }}{% for m in rest %}"
           "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + "
           "m['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
           "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA2 = (TAKE_SYSTEM + ALTERNATE +
          "{% set text = m['content'] %}{% if loop.first and sys is defined %}"
          "{% set text = '<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + text %}{% endif %}"
          "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}"
          "{% else %}{{ ' ' + text.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
MISTRAL = ("{% set rest = messages %}{{ bos_token }}" + ALTERNATE +
           "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
           "{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}"
           "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}")


def mistral_later(opening, closing, before_answer, when, trim):
    """The system's words join the user's message that is `when`: loop.first, loop.last."""
    lead = f'{{% if {when} and sys is defined %}}{{% set lead = sys + "\\n\\n" %}}{{% else %}}'
    return (TAKE_SYSTEM + "{{ bos_token }}" + ALTERNATE + lead + "{% set lead = '' %}{% endif %}"
            "{% if m['role'] == 'user' %}"
            f'{{{{ "{opening}" + lead + m["content"] + "{closing}" }}}}'
            f'{{% else %}}{{{{ {before_answer} m["content"]{trim} + eos_token }}}}'
            "{% endif %}{% endfor %}")


ZEPHYR = ("{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
          "{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
          "{% elif message['role'] == 'system' %}\n"
          "{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
          "{% elif message['role'] == 'assistant' %}\n"
          "{{ '<|assistant|>\\n' + message['content'] + eos_token }}\n{% endif %}\n"
          "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n"
          "{% endfor %}")
GEMMA_TURNS = ("{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
               "{{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else '')"
               " + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}")
GEMMA = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
         "{{ raise_exception('no system') }}{% endif %}{% set rest = messages %}" + ALTERNATE +
         GEMMA_TURNS.replace("(first_user_prefix if loop.first else '') + ", "").replace(
             " + (first_user_prefix if loop.first else '')", ""))
GEMMA3 = (TAKE_SYSTEM + "{{ bos_token }}{% set first_user_prefix = sys + '\\n\\n' "
          "if sys is defined else '' %}" + ALTERNATE + GEMMA_TURNS)
QWEN3 = ("{% for m in messages %}{% set text = m['content'] %}{% if m['role'] == 'assistant' "
         "and '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\\n') %}"
         "{% endif %}{{ '<|im_start|>' + m['role'] + '\\n' + text + '<|im_end|>\\n' }}"
         "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")

S, EOT = ("<s>", "</s>"), ("<|begin_of_text|>", "<|eot_id|>")
IM_END, BOS = ("<|im_start|>", "<|im_end|>"), ("<bos>", "<eos>")
FAMILIES = [
    ("chatml", IM, *IM_END),
    ("chatml", "{{ bos_token }}" + IM, "<s>", "<|im_end|>"),
    ("smollm2", default_system(
        "You are a helpful AI assistant named SmolLM, trained by Hugging Face"), *IM_END),
    ("qwen2", default_system("You are a helpful assistant."), *IM_END),
    ("qwen2.5", default_system(
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."), *IM_END),
    ("qwen3", QWEN3, *IM_END),
    ("llama2", LLAMA2, *S),
    ("llama3", LLAMA3, *EOT),
    ("llama3.1", LLAMA31, *EOT),
    ("mistral", MISTRAL, *S),
    ("mistral-v0.2", mistral_later(" [INST] ", " [/INST]", '" " +', "loop.first", ""), *S),
    ("mistral-v0.3", mistral_later("[INST] ", "[/INST]", '" " +', "loop.last", ""), *S),
    ("mistral-nemo", mistral_later("[INST]", "[/INST]", "", "loop.last", ""), *S),
    ("zephyr", ZEPHYR, *S),
    ("gemma", GEMMA, *BOS),
    ("gemma3", GEMMA3, *BOS),
]

UNKNOWN = [
    "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    "{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + '<|im_end|>' }}",
    "{{ '<|user|>' + m['content'] + '<|end|>' + '<|assistant|>' + '<|system|>' + eos_token }}",
    "{{ '[SYSTEM_PROMPT]' + sys + '[/SYSTEM_PROMPT][INST]' + m['content'] + '[/INST]' }}",
    "{{ '<\uff5cUser\uff5c>' + m['content'] + '<\uff5cAssistant\uff5c>' }}",
    "", " ",
]


def message(role, content):
    return {"role": role, "content": content}


def conversations():
    system, user = message("system", " Be brief.\n"), message("user", "  Hello,\n<b>'you'</b>! \n")
    answer = message("assistant", "\nHi\u00a0there \U0001f600 ")
    thought = message("assistant", "<think>\nhm\n</think>\n\nAn answer.")
    again = message("user", "And?")
    yield [user]
    yield [message("user", "")]
    yield [system, user]
    yield [message("system", ""), user]
    yield [user, answer, again]
    yield [system, user, answer, again]
    yield [system, user, thought, again, answer, message("user", "x </s> y")]
    yield [user, user]
    yield [answer, user]
    yield [message("user", "The caf\u00e9 {{ bos_token }} {bos} {eos} {date} %s \\n")]


def render(template, bos, eos, messages, answer):
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), bos_token=bos, eos_token=eos)
    tokenizer.chat_template = template
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=answer)
    except Exception as error:
        print(type(error).__name__, error)
        return None


def main():
    families = []
    for name, template, bos, eos in FAMILIES:
        cases = [{"messages": messages, "answer": answer,
                  "text": render(template, bos, eos, messages, answer)}
                 for messages in conversations() for answer in (True, False)]
        families.append({"name": name, "bos": bos, "eos": eos, "template": template,
                         "cases": cases})
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in families)
    OUT.write_text(f'{{"made_with": "transformers {transformers.__version__}",\n'
                   f'"unknown": {json.dumps(UNKNOWN, ensure_ascii=False)},\n'
                   f'"families": [\n{rows}\n]}}\n', encoding="utf-8")
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
