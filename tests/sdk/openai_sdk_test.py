#!/usr/bin/env python3
"""The openai package against a running server: openai_sdk_test.py URL

What depends on how good the model is (whether it calls a tool of its own accord) is not asserted; what the
protocol promises is. Needs the package openai; the server's only model is used."""
import json
import sys
import unittest

import openai
from pydantic import BaseModel

URL = sys.argv.pop(1) if len(sys.argv) > 1 else "http://127.0.0.1:8080"
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather in a city",
     "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
                    "required": ["city"], "additionalProperties": False}}},
    {"type": "function", "function": {"name": "add", "description": "Adds two numbers",
     "parameters": {"type": "object", "properties": {"a": {"type": "integer", "maximum": 99, "minimum": 0}},
                    "required": ["a"], "additionalProperties": False}}},
]


class Person(BaseModel):
    grown_up: bool


class OpenAi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0, timeout=300)
        cls.model = cls.client.models.list().data[0].id

    def chat(self, **more):
        arguments = {"model": self.model, "messages": HELLO, "max_tokens": 12, "temperature": 0, **more}
        return self.client.chat.completions.create(**arguments)

    def test_models(self):
        models = list(self.client.models.list())
        self.assertEqual(len(models), 1)
        self.assertGreater(models[0].context_length, 0)
        self.assertEqual(models[0].max_model_len, models[0].context_length)
        self.assertEqual(self.client.models.retrieve(self.model).id, self.model)
        with self.assertRaises(openai.NotFoundError):
            self.client.models.retrieve("no-such-model")

    def test_chat(self):
        answer = self.chat()
        choice = answer.choices[0]
        self.assertIn(choice.finish_reason, ("stop", "length"))
        self.assertTrue(choice.message.content)
        self.assertEqual(choice.message.role, "assistant")
        self.assertEqual(answer.model, self.model)
        usage = answer.usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        self.assertLessEqual(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens)
        self.assertLessEqual(usage.completion_tokens, 12)

    def test_stream_equals_whole(self):
        whole = self.chat().choices[0]
        text, reasons, usage = "", [], None
        for chunk in self.chat(stream=True, stream_options={"include_usage": True}):
            if chunk.usage:
                self.assertEqual(chunk.choices, [])
                usage = chunk.usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                if choice.finish_reason:
                    reasons.append(choice.finish_reason)
        self.assertEqual(text, whole.message.content)
        self.assertEqual(reasons, [whole.finish_reason])
        self.assertGreater(usage.completion_tokens, 0)

    def test_stream_helper(self):
        # The helper refuses an answer that is cut short, so this one is made to end.
        ends = {"extra_body": {"guided_regex": "[ab]{3}"}}
        with self.client.chat.completions.stream(model=self.model, messages=HELLO, temperature=0, **ends) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, self.chat(**ends).choices[0].message.content)

    def test_seeds_repeat(self):
        first, second = (self.chat(temperature=1, seed=7).choices[0].message.content for _ in range(2))
        self.assertEqual(first, second)

    def test_several_answers(self):
        answer = self.chat(n=3, temperature=1, seed=1)
        self.assertEqual([c.index for c in answer.choices], [0, 1, 2])
        alone = self.chat(temperature=1, seed=1)
        self.assertEqual(answer.choices[0].message.content, alone.choices[0].message.content)
        texts = {0: "", 1: "", 2: ""}
        for chunk in self.chat(n=3, temperature=1, seed=1, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
        self.assertEqual(texts, {c.index: c.message.content for c in answer.choices})

    def test_logprobs(self):
        choice = self.chat(logprobs=True, top_logprobs=3).choices[0]
        tokens = choice.logprobs.content
        spelled = b"".join(bytes(t.bytes or []) for t in tokens).decode()
        self.assertIn(choice.message.content.strip(), spelled)
        for token in tokens:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertGreaterEqual(token.top_logprobs[0].logprob, token.top_logprobs[1].logprob)
        streamed = [t.token for chunk in self.chat(logprobs=True, stream=True) for c in chunk.choices
                    for t in (c.logprobs.content if c.logprobs else [])]
        self.assertEqual(streamed, [t.token for t in tokens])

    def test_stop(self):
        whole = self.chat().choices[0].message.content
        cut = whole[len(whole) // 2]
        stopped = self.chat(stop=[cut]).choices[0]
        self.assertNotIn(cut, stopped.message.content)
        self.assertEqual(stopped.finish_reason, "stop")

    def test_json_object(self):
        answer = self.chat(response_format={"type": "json_object"}, max_tokens=200)
        if answer.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_parse(self):
        answer = self.client.chat.completions.parse(model=self.model, messages=HELLO, response_format=Person,
                                                    max_tokens=200, temperature=0)
        self.assertIsInstance(answer.choices[0].message.parsed, Person)

    def test_choice_and_regex(self):
        for extra, allowed in (({"guided_choice": ["yes", "n.o"]}, ("yes", "n.o")),
                               ({"guided_regex": "[ab]{3}"}, None)):
            text = self.chat(extra_body=extra).choices[0].message.content
            if allowed:
                self.assertIn(text, allowed)
            else:
                self.assertRegex(text, "^[ab]{3}$")

    def check_call(self, message, names):
        self.assertTrue(message.tool_calls)
        ids = [call.id for call in message.tool_calls]
        self.assertEqual(len(set(ids)), len(ids))
        for call in message.tool_calls:
            self.assertIn(call.function.name, names)
            self.assertIsInstance(json.loads(call.function.arguments), dict)

    def test_tools(self):
        more = {"tools": TOOLS, "max_tokens": 300, "parallel_tool_calls": False}
        names = ["get_weather", "add"]
        required = self.chat(tool_choice="required", **more).choices[0]
        self.assertEqual(required.finish_reason, "tool_calls")
        self.assertEqual(len(required.message.tool_calls), 1)
        self.check_call(required.message, names)
        named = self.chat(tool_choice={"type": "function", "function": {"name": "add"}}, **more).choices[0]
        self.check_call(named.message, ["add"])
        self.assertIn("a", json.loads(named.message.tool_calls[0].function.arguments))
        none = self.chat(tool_choice="none", tools=TOOLS).choices[0]
        self.assertFalse(none.message.tool_calls)
        self.assertIn(self.chat(tool_choice="auto", tools=TOOLS).choices[0].finish_reason,
                      ("stop", "length", "tool_calls"))

    def test_tools_streamed(self):
        with self.client.chat.completions.stream(
                model=self.model, messages=HELLO, tools=TOOLS, max_tokens=300, temperature=0, parallel_tool_calls=False,
                tool_choice={"type": "function", "function": {"name": "get_weather"}}) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion().choices[0]
        self.assertEqual(final.finish_reason, "tool_calls")
        self.check_call(final.message, ["get_weather"])

    def test_tool_results(self):
        call = self.chat(tools=TOOLS, max_tokens=300, tool_choice="required", parallel_tool_calls=False).choices[0].message
        for content in ("12 degrees", [{"type": "text", "text": "12"}, {"type": "text", "text": "degrees"}]):
            results = [{"role": "tool", "tool_call_id": c.id, "content": content} for c in call.tool_calls]
            answer = self.chat(messages=[*HELLO, call, *results], tools=TOOLS)
            self.assertEqual(len(answer.choices), 1)

    def test_completions(self):
        arguments = {"model": self.model, "max_tokens": 8, "temperature": 0}
        whole = self.client.completions.create(prompt="Once upon a time", logprobs=2, **arguments)
        self.assertTrue(whole.choices[0].text)
        self.assertEqual(len(whole.choices[0].logprobs.tokens), len(whole.choices[0].logprobs.token_logprobs))
        text = "".join(c.text for chunk in self.client.completions.create(
            prompt="Once upon a time", stream=True, **arguments) for c in chunk.choices)
        self.assertEqual(text, whole.choices[0].text)
        both = self.client.completions.create(prompt=["Once upon a time", "The cat"], n=2, **arguments)
        self.assertEqual([c.index for c in both.choices], [0, 1, 2, 3])
        self.assertEqual(both.choices[0].text, text)
        echoed = self.client.completions.create(prompt="Once upon a time", echo=True, **arguments)
        self.assertEqual(echoed.choices[0].text, "Once upon a time" + text)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.completions.create(prompt="a", suffix="b", **arguments)
        self.assertEqual(caught.exception.param, "suffix")

    def test_errors(self):
        for more, param in (({"temperature": 1000}, "temperature"), ({"n": 17}, "n"), ({"store": True}, "store"),
                            ({"extra_body": {"temprature": 1}}, "temprature"),
                            ({"tool_choice": "required"}, "tool_choice"), ({"messages": []}, "messages"),
                            ({"prediction": {"type": "content", "content": "x"}}, "prediction")):
            with self.subTest(param), self.assertRaises(openai.BadRequestError) as caught:
                self.chat(**more)
            self.assertEqual(caught.exception.param, param)
            self.assertEqual(caught.exception.type, "invalid_request_error")
            self.assertTrue(caught.exception.message)
        with self.assertRaises((openai.NotFoundError, openai.BadRequestError)) as caught:
            self.chat(model="no-such-model")
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(messages=[{"role": "user", "content": "word " * 200_000}])
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_members_without_effect(self):
        self.chat(store=False, user="u", metadata={"a": "b"}, service_tier="auto", parallel_tool_calls=True,
                  extra_body={"prompt_cache_key": "k", "safety_identifier": "s"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
