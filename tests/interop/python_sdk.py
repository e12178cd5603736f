"""Asks a service through OpenAI's own Python SDK, and writes down what the SDK reads.

Standard input: {"base_url", "asks": [{"how", "body"}]}. Standard output: one entry per ask, either what was read or
{"error": [class, text]}. How: `whole`, `chunks` (streamed, put together by the SDK's accumulator), `helper` (its stream
helper with events), `response` and `response_helper` (the same of the Responses API), `feed_back` (asks, answers every call with "done", asks again).
"""

import json
import sys
from collections.abc import Iterable, Mapping

import openai
import pydantic
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import CompletionCreateParams
from openai.types.responses import ResponseCreateParams


def read(completion):
    [choice] = completion.choices
    message = choice.message
    return {
        "content": message.content,
        "refusal": message.refusal,
        "calls": [[call.function.name, call.function.arguments] for call in message.tool_calls or []],
        "ids": [call.id for call in message.tool_calls or []],
        "finish_reason": choice.finish_reason,
        "tokens": completion.usage and completion.usage.total_tokens,
    }


def whole(client, body):
    return read(client.chat.completions.create(**body))


def chunks(client, body):
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}):
        state.handle_chunk(chunk)
    return read(state.get_final_completion())


def helper(client, body):
    done = []
    with client.chat.completions.stream(**body, stream_options={"include_usage": True}) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.done":
                done.append([event.name, event.arguments])
        return read(stream.get_final_completion()) | {"done": done}


def feed_back(client, body):
    message = client.chat.completions.create(**body).choices[0].message
    call = lambda call: call.model_dump(include={"id", "type", "function"})
    asked = {"role": "assistant", "content": message.content, "tool_calls": [call(it) for it in message.tool_calls]}
    answers = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in message.tool_calls]
    return whole(client, body | {"messages": [*body["messages"], asked, *answers]})


def read_response(response):
    calls = [item for item in response.output if item.type == "function_call"]
    return {
        "content": response.output_text,
        "calls": [[call.name, call.arguments] for call in calls],
        "ids": [call.call_id for call in calls],
        "kinds": [item.type for item in response.output],
        "finish_reason": response.status,
        "tokens": response.usage.total_tokens,
    }


def response(client, body):
    return read_response(client.responses.create(**body))


def response_helper(client, body):
    done = []
    with client.responses.stream(**body) as stream:
        for event in stream:
            if event.type == "response.output_item.done" and event.item.type == "function_call":
                done.append([event.item.name, event.item.arguments])
        return read_response(stream.get_final_response()) | {"done": done}


def walk(value):
    """Pydantic validates what is declared as an iterable only when it is read."""
    if isinstance(value, Mapping):
        for part in value.values():
            walk(part)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for part in value:
            walk(part)


CHAT = {"whole": whole, "chunks": chunks, "helper": helper, "feed_back": feed_back}
RESPONSES = {"response": response, "response_helper": response_helper}


def main():
    job = json.load(sys.stdin)
    client = openai.OpenAI(api_key="scripted", base_url=job["base_url"], max_retries=1)
    chat, responses = pydantic.TypeAdapter(CompletionCreateParams), pydantic.TypeAdapter(ResponseCreateParams)
    answers = []
    for ask in job["asks"]:
        request = chat if ask["how"] in CHAT else responses
        try:
            walk(request.validate_python(ask["body"], strict=True))
            answers.append((CHAT | RESPONSES)[ask["how"]](client, ask["body"]))
        except Exception as error:
            answers.append({"error": [type(error).__name__, str(error)]})
    json.dump(answers, sys.stdout)


main()
