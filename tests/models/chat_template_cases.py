"""Chat templates in the form of published models, written anew and shortened to what makes each of them special.

A `_STRICT` template raises an error unless roles alternate. The tiny tokenizer has the markers as special tokens.
"""

from __future__ import annotations

_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
)
_CHATML = "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
_CHATML_END = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_HEADER = "'<|start_header_id|>' + {role} + '<|end_header_id|>\n\n'"
_LLAMA_TURNS = (
    "{% for m in messages %}{{ "
    + _HEADER.format(role="m['role']")
    + " + m['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ "
    + _HEADER.format(role="'assistant'")
    + " }}{% endif %}"
)

TEMPLATES: dict[str, str] = {
    # A date that another reader may set, in the system message, which is always there.
    "llama 3.1": (
        "{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}"
        "{%- if not date_string is defined %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
        "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
        "{{- "
        + _HEADER.format(role="'system'")
        + " }}{%- if tools is not none %}{{- 'Environment: ipython\n' }}{%- endif %}"
        "{{- 'Cutting Knowledge Date: December 2023\nToday Date: ' + date_string + '\n\n' + system + '<|eot_id|>' }}"
        + _LLAMA_TURNS
    ),
    # Reads the clock where there is one.
    "llama 3.2": (
        "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
        "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}"
        "{%- endif %}{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
        "{{- "
        + _HEADER.format(role="'system'")
        + " + 'Today Date: ' + date_string + '\n\n' + system + '<|eot_id|>' }}"
        + _LLAMA_TURNS
    ),
    "granite 3": (
        "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}"
        "{%- else %}{%- set system = 'Today\\'s Date: ' + strftime_now('%B %d, %Y') + '.\nYou are Granite.' %}"
        "{%- if thinking %}{%- set system = system + ' Think first.' %}{%- endif %}{%- set rest = messages %}{%- endif %}"
        "{{- '<|start_of_role|>system<|end_of_role|>' + system + '<|end_of_text|>\n' }}{%- for m in rest %}"
        "{{- '<|start_of_role|>' + m['role'] + '<|end_of_role|>' + m['content'] + '<|end_of_text|>\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_of_role|>assistant<|end_of_role|>' }}{%- endif %}"
    ),
    # The system message stands before the last question, wherever that is; a blank after a marker; roles alternate.
    "mistral v3": (
        "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}"
        "{%- else %}{%- set rest = messages %}{%- endif %}{{- bos_token }}{%- for m in rest %}"
        + _ALTERNATE
        + "{%- if m['role'] == 'user' %}{%- if loop.last and system is defined %}"
        "{{- '[INST] ' + system + '\n\n' + m['content'] + '[/INST]' }}{%- else %}{{- '[INST] ' + m['content'] + '[/INST]' }}"
        "{%- endif %}{%- else %}{{- ' ' + m['content'] + eos_token }}{%- endif %}{%- endfor %}"
    ),
    "mistral small 3": (
        "{%- set today = strftime_now('%Y-%m-%d') %}{%- set default = 'The current date is ' + today + '.' %}{{- bos_token }}"
        "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set rest = messages[1:] %}"
        "{%- else %}{%- set system = default %}{%- set rest = messages %}{%- endif %}"
        "{{- '[SYSTEM_PROMPT]' + system + '[/SYSTEM_PROMPT]' }}{%- for m in rest %}{%- if m['role'] == 'user' %}"
        "{{- '[INST]' + m['content'] + '[/INST]' }}{%- elif m['role'] == 'assistant' %}{{- m['content'] + eos_token }}"
        "{%- else %}{{- raise_exception('Only user, system and assistant roles are supported!') }}{%- endif %}{%- endfor %}"
    ),
    "qwen 2.5": (
        "{%- if messages[0]['role'] != 'system' %}{{- '<|im_start|>system\nYou are Qwen.<|im_end|>\n' }}{%- endif %}"
        "{%- if tools %}{{- '<tools>' }}{%- for tool in tools %}{{- tool | tojson }}{%- endfor %}{%- endif %}"
        "{%- for m in messages %}" + _CHATML + "{%- endfor %}" + _CHATML_END
    ),
    # The last answer gets an empty thought; a switch closes the thought of the answer that follows.
    "qwen 3": (
        "{%- set ns = namespace(last=messages | length - 1) %}{%- for m in messages[::-1] %}"
        "{%- if m['role'] == 'user' and not ns.found %}{%- set ns.found = true %}"
        "{%- set ns.last = messages | length - 1 - loop.index0 %}{%- endif %}{%- endfor %}{%- for m in messages %}"
        "{%- if m['role'] == 'assistant' %}{%- set content = m['content'].split('</think>')[-1].lstrip('\n') %}"
        "{{- '<|im_start|>assistant\n' }}{%- if loop.index0 > ns.last %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
        "{{- content + '<|im_end|>\n' }}{%- else %}" + _CHATML + "{%- endif %}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
        "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
        "{%- endif %}"
    ),
    # Full-width markers, the system text without one, and a prompt that opens a thought.
    "deepseek r1": (
        "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}"
        "{% set ns.system = m['content'] %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system }}{% for m in messages %}"
        "{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{% endif %}{% if m['role'] == 'assistant' %}"
        "{% set content = m['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}"
        "{% endif %}{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %}"
    ),
    # An empty system message at the beginning, and no end token after a question.
    "exaone 3.5": (
        "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ '[|system|][|endofturn|]\n' }}{% endif %}"
        "{{ '[|' + m['role'] + '|]' + m['content'] }}{% if m['role'] == 'user' %}{{ '\n' }}{% else %}"
        "{{ '[|endofturn|]\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
    ),
    "exaone deep": (
        "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ '[|system|][|endofturn|]\n' }}{% endif %}"
        "{% set content = m['content'] %}{% if '</thought>' in content %}"
        "{% set content = content.split('</thought>')[-1].lstrip('\\n') %}{% endif %}{{ '[|' + m['role'] + '|]' + content }}"
        "{% if not m['role'] == 'user' %}{{ '[|endofturn|]' }}{% endif %}{% if not loop.last %}{{ '\n' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '\n[|assistant|]<thought>\n' }}{% endif %}"
    ),
    # Headings of plain text, no end token after an answer in the template.
    "solar": (
        "{% for m in messages %}{% if m['role'] == 'system' %}{% if m['content'] %}"
        "{{ '### System:\n' + m['content'] + '\n\n' }}{% endif %}{% elif m['role'] == 'user' %}"
        "{{ '### User:\n' + m['content'] + '\n\n' }}{% elif m['role'] == 'assistant' %}"
        "{{ '### Assistant:\n' + m['content'] + '\n\n' }}{% endif %}{% if loop.last and add_generation_prompt %}"
        "{{ '### Assistant:\n' }}{% endif %}{% endfor %}"
    ),
    "kanana": "{{- bos_token }}" + _LLAMA_TURNS,
    # A list of tools, though there are no tools, and two end tokens.
    "hyperclova x seed": (
        "{% if tools is not defined or tools is none %}{{ '<|im_start|>tool_list\n<|im_end|>\n' }}{% endif %}"
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}"
        "{% if m['role'] == 'assistant' and loop.last %}{{ '<|endofturn|>' }}{% endif %}{{ '\n' }}{% endfor %}"
        + _CHATML_END
    ),
    "gemma 2": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for m in messages %}" + _ALTERNATE + "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
        "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
    # The system text begins the first question; content may be a list of parts.
    "gemma 3": (
        "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}"
        "{%- set prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}"
        "{%- set prefix = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}{%- set rest = messages[1:] -%}"
        "{%- else -%}{%- set prefix = '' -%}{%- set rest = messages -%}{%- endif -%}{%- for m in rest -%}"
        + _ALTERNATE
        + "{%- set role = 'model' if m['role'] == 'assistant' else m['role'] -%}"
        "{{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else '') }}{%- if m['content'] is string -%}"
        "{{ m['content'] | trim }}{%- else -%}{{ raise_exception('Invalid content type') }}{%- endif -%}"
        "{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
    ),
    "phi 4": (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
    ),
    # Writes an end token where no answer is asked for.
    "phi 3": (
        "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
    ),
    "command r": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
        "{% set system = messages[0]['content'] %}{% elif false == true %}{% set rest = messages %}{% set system = 'x' %}"
        "{% else %}{% set rest = messages %}{% set system = false %}{% endif %}{% if system != false %}"
        "{{ '<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>' + system + '<|END_OF_TURN_TOKEN|>' }}{% endif %}"
        "{% for m in rest %}" + _ALTERNATE + "{% set content = m['content'] %}{% if m['role'] == 'user' %}"
        "{{ '<|START_OF_TURN_TOKEN|><|USER_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}"
        "{% elif m['role'] == 'assistant' %}"
        "{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' + content.strip() + '<|END_OF_TURN_TOKEN|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}{% endif %}"
    ),
    # Macros read the clock; `generation` marks what is learned.
    "gpt-oss": (
        "{%- macro write_system() -%}{{- 'You are ChatGPT.\nCurrent date: ' + strftime_now('%Y-%m-%d') + '\n\n' }}"
        "{%- if reasoning_effort is not defined %}{%- set reasoning_effort = 'medium' %}{%- endif %}"
        "{{- 'Reasoning: ' + reasoning_effort }}{%- endmacro -%}{{- '<|start|>system<|message|>' + write_system() + '<|end|>' }}"
        "{%- for m in messages -%}{%- if m['role'] == 'system' -%}{{- '<|start|>developer<|message|># Instructions\n\n' +"
        " m['content'] + '\n\n<|end|>' }}{%- elif m['role'] == 'assistant' -%}{%- generation -%}"
        "{{- '<|start|>assistant<|channel|>final<|message|>' + m['content'] }}{%- endgeneration -%}"
        "{{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}{%- else -%}"
        "{{- '<|start|>user<|message|>' + m['content'] + '<|end|>' }}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|start|>assistant' }}{%- endif -%}"
    ),
    # A switch in the system text, and a date in a form of its own.
    "smollm 3": (
        "{%- if enable_thinking is not defined %}{%- set enable_thinking = true %}{%- endif %}"
        "{%- set mode = '/think' if enable_thinking else '/no_think' %}{%- if messages[0]['role'] == 'system' %}"
        "{%- set system = messages[0]['content'] %}{%- if '/no_think' in system %}{%- set mode = '/no_think' %}{%- endif %}"
        "{%- set rest = messages[1:] %}{%- else %}{%- set system = 'You are SmolLM.' %}{%- set rest = messages %}{%- endif %}"
        "{%- set today = strftime_now('%d %B %Y') %}{{- '<|im_start|>system\nToday: ' ~ today ~ '\nMode: ' ~ mode ~ '\n\n' }}"
        "{{- system ~ '<|im_end|>\n' }}{%- for m in rest %}" + _CHATML + "{%- endfor %}" + _CHATML_END
    ),
    "zephyr, cycler and range": (
        "{% set names = cycler('a', 'b') %}{% for m in messages %}{% if loop.index0 not in range(100) %}{% continue %}"
        "{% endif %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
}
"""By model."""

MARKERS = (
    "<s> </s> <|start_header_id|> <|end_header_id|> <|eot_id|> <|start_of_role|> <|end_of_role|> <|end_of_text|> [INST] [/INST]"
    " [SYSTEM_PROMPT] [/SYSTEM_PROMPT] <|im_start|> <|im_end|> <|im_sep|> <think> </think> <｜User｜> <｜Assistant｜>"
    " <｜end▁of▁sentence｜> [|system|] [|user|] [|assistant|] [|endofturn|] <|endofturn|> <start_of_turn> <end_of_turn> <|user|>"
    " <|assistant|> <|system|> <|end|> <|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|>"
    " <|CHATBOT_TOKEN|> <|start|> <|message|> <|channel|> <|return|>"
).split()

_LOOP = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}{{ '<|assistant|>' }}"
)

REFUSED: dict[str, tuple[str, str]] = {
    "random filter": ("{{ ['a', 'b'] | random }}\n" + _LOOP, "line 1: the filter random chooses another value"),
    "random filter by name": ("{{ ['ab'] | map('random') | first }}" + _LOOP, "line 1: the filter random chooses"),
    "filter from a variable": (
        "{% set f = 'rand' ~ 'om' %}\n{{ ['ab'] | map(f) | first }}" + _LOOP,
        "line 2: the filter map gets the name of a filter from a variable",
    ),
    "random in a branch that is seldom taken": (
        _LOOP + "\n\n{% if tools %}{{ range(9) | random }}{% endif %}",
        "line 3: the filter random",
    ),
    "lipsum": (_LOOP + "{{ lipsum(n=1) }}", "line 1: lipsum differs with time, place or chance"),
    "now": (_LOOP + "\n{{ now().strftime('%Y') }}", "line 2: now differs with time"),
    "datetime": ("{{ datetime.now().isoformat() }}" + _LOOP, "line 1: datetime differs with time"),
    "datetime where there is one": (
        "{% if datetime is defined %}{{ datetime.now() }}{% endif %}" + _LOOP,
        "line 1: datetime differs with time",
    ),
    "environment": ("{{ env['USER'] }}" + _LOOP, "line 1: env differs with time, place or chance"),
    "unknown function": (_LOOP + "{{ get_uuid() }}", r"line 1: get_uuid\(\) is no function that readers"),
    "syntax": ("{% for m in messages %}{{ m['content'] }}", "line 1: "),
    "several problems": (
        "{{ lipsum() }}\n{{ ['a'] | random }}" + _LOOP,
        "(?s)line 1: lipsum.*\n  line 2: the filter random",
    ),
}
"""Templates whose text may differ from call to call, with a part of the message about them."""

FAILING: dict[str, tuple[str, str]] = {
    "raise_exception": (
        "{{ raise_exception('tools only') }}" + _LOOP,
        "fails on the messages user: tools only; correct the template, or set prompt.format",
    ),
    "a huge range": (
        "{% for i in range(10 ** 9) %}{{ i }}{% endfor %}" + _LOOP,
        "fails on the messages user: Range too big",
    ),
    "an undefined value": ("{{ options.style.name }}" + _LOOP, "fails on the messages user: .*undefined"),
    "an unknown filter": ("{{ 'a' | shout }}" + _LOOP, "fails on the messages user: .*shout"),
    "forbidden access": ("{{ ''.__class__.__mro__ }}" + _LOOP, "fails on the messages user: .*unsafe"),
    "a message twice": (_LOOP + "{{ messages[0]['content'] }}", r"writes message 1 \(user\) 2 times"),
    "no message": ("<|user|>{{ messages | length }}<|assistant|>", r"omits message 1 \(user\)"),
    "letters in capitals": (
        _LOOP.replace("m['content']", "m['content'] | upper"),
        r"changes the text of message 1 \(user\)",
    ),
    "escaped markup": (_LOOP.replace("m['content']", "m['content'] | e"), r"changes the text of message 1 \(user\)"),
    "JSON": (_LOOP.replace("m['content']", "m['content'] | tojson"), r"changes the text of message 1 \(user\)"),
    "joined lines": (
        _LOOP.replace("m['content']", "m['content'].replace('\\n', ' ')"),
        "changes the text of message 1",
    ),
    "a cut text": (_LOOP.replace("m['content']", "m['content'][:20]"), "changes the text of message 1"),
}
"""Templates that cannot render a question as it is, with a part of the message about them."""
