"""Chat templates with tools, in the kinds of public models, with the control tokens of the tiny model."""

HERMES = """
{%- if tools %}<|user|># Tools
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools><|end|>{% endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}<|user|><tool_response>
{{ message.content }}
</tool_response><|end|>
{%- elif message.role == 'assistant' %}<|assistant|>{{ message.content }}
{%- for call in message.tool_calls or [] %}
{%- if message.content or not loop.first %}{{ '\\n' }}{% endif -%}
{{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}
{%- endfor %}<|end|>
{%- else %}<|user|>{{ message.content }}<|end|>{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""
LLAMA = """
{%- for message in messages %}
{%- if message.role == 'tool' %}<|user|>{{ message.content | tojson }}<|end|>
{%- elif message.tool_calls %}
{%- if message.tool_calls | length != 1 %}{{ raise_exception('one call only') }}{% endif %}
{%- set call = message.tool_calls[0].function -%}
<|assistant|>{{ '{"name": "' + call.name + '", "parameters": ' }}{{ call.arguments | tojson }}{{ '}' }}<|end|>
{%- elif message.role == 'assistant' %}<|assistant|>{{ message.content }}<|end|>
{%- else %}<|user|>{% if loop.last and tools %}{% for tool in tools %}{{ tool | tojson(indent=4) }}
{% endfor %}{% endif %}{{ message.content }}<|end|>{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""
MARKED = (
    HERMES.replace("<tool_call>\\\\n", "<|pad|>").replace("<tool_call>\\n", "<|pad|>").replace("\\n</tool_call>", "")
)
"""The call begins with a control token, which the text of an answer does not have."""
MISTRAL = """
{%- set turn = namespace(index=0) %}
{%- for message in messages %}
{%- if message.role != 'tool' and not message.tool_calls %}
{%- if (message.role == 'user') != (turn.index % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{%- set turn.index = turn.index + 1 %}{% endif %}
{%- if message.role == 'tool' %}<|user|>{"content": {{ message.content }}, "call_id": "{{ message.tool_call_id }}"}
{%- elif message.tool_calls %}<|pad|>[
{%- for call in message.tool_calls %}
{%- if call.id | length != 9 %}{{ raise_exception('ids have 9 characters') }}{% endif %}
{{- (call.function | tojson)[:-1] + ', "id": "' + call.id + '"}' }}{{ '' if loop.last else ', ' }}
{%- endfor %}]<|end|>
{%- elif message.role == 'assistant' %}{{ message.content }}<|end|>
{%- else %}{% if tools and loop.index0 == messages | map(attribute='role') | list | length - 1 %}{{ tools | tojson }}{% endif -%}
<|user|>{{ message.content }}<|assistant|>{% endif %}
{%- endfor %}"""
"""An answer begins where the question ends, and the ids of calls follow their arguments."""
NUMBERED = HERMES.replace('{"name": "', '{"number": "\' ~ loop.index ~ \'", "name": "').replace("' + call", "' ~ call")
THOUGHTFUL = HERMES.replace("add_generation_prompt %}<|assistant|>", "add_generation_prompt %}<|assistant|><think>")
BARE = MARKED.replace(
    '{"name": "\' + call.function.name + \'", "arguments": \' }}', "' + call.function.name }}<|pad|>"
).replace("{{ '}' }}", "")
"""Control tokens alone divide the parts of a call."""
NO_CALLS = HERMES.replace("message.tool_calls or []", "[]")
XML = HERMES.replace("| tojson }}{{ '}\\n</tool_call>' }}", "| length }}")
