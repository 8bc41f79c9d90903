#!/usr/bin/env python3
"""The anthropic package against a running server: anthropic_sdk_test.py URL

Needs the package anthropic. What depends on how good the model is, is not asserted."""
import sys
import unittest

import anthropic

URL = sys.argv.pop(1) if len(sys.argv) > 1 else "http://127.0.0.1:8080"
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [
    {"name": "get_weather", "description": "The weather in a city",
     "input_schema": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
                      "required": ["city"], "additionalProperties": False}},
    {"name": "add", "description": "Adds", "cache_control": {"type": "ephemeral"},
     "input_schema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}},
                      "required": ["a"], "additionalProperties": False}},
]


class Anthropic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0, timeout=300)
        # The newest types know no temperature; the protocol does.
        cls.greedy = {"temperature": 0}

    def message(self, **more):
        arguments = {"model": "claude-opus", "messages": HELLO, "max_tokens": 12, "extra_body": self.greedy, **more}
        return self.client.messages.create(**arguments)

    def test_message(self):
        message = self.message()
        self.assertEqual((message.type, message.role), ("message", "assistant"))
        self.assertIn(message.stop_reason, ("end_turn", "max_tokens"))
        self.assertEqual(message.content[0].type, "text")
        usage = message.usage
        self.assertGreater(usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens, 0)
        self.assertLessEqual(usage.output_tokens, 12)

    def test_stream_equals_whole(self):
        whole = self.message()
        with self.client.messages.stream(model="claude-opus", messages=HELLO, max_tokens=12,
                                         extra_body=self.greedy) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, whole.content[0].text)
        self.assertEqual(final.content[0].text, text)
        self.assertEqual(final.stop_reason, whole.stop_reason)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)

    def test_raw_stream_order(self):
        kinds = [event.type for event in self.message(stream=True)]
        self.assertEqual(kinds[0], "message_start")
        self.assertEqual(kinds[-2:], ["message_delta", "message_stop"])
        self.assertEqual(kinds.count("content_block_start"), kinds.count("content_block_stop"))

    def test_count_tokens(self):
        arguments = {"model": "claude-opus", "messages": HELLO, "system": "Be brief.", "tools": TOOLS}
        counted = self.client.messages.count_tokens(**arguments).input_tokens
        usage = self.client.messages.create(max_tokens=1, **arguments).usage
        self.assertEqual(counted, usage.input_tokens + usage.cache_read_input_tokens +
                         usage.cache_creation_input_tokens)

    def test_stop_sequences(self):
        whole = self.message().content[0].text
        cut = whole[len(whole) // 2]
        message = self.message(stop_sequences=[cut])
        self.assertEqual((message.stop_reason, message.stop_sequence), ("stop_sequence", cut))

    def test_tools(self):
        more = {"tools": TOOLS, "max_tokens": 300}
        for choice, names in (({"type": "any", "disable_parallel_tool_use": True}, ("get_weather", "add")),
                              ({"type": "tool", "name": "add", "disable_parallel_tool_use": True}, ("add",))):
            message = self.message(tool_choice=choice, **more)
            self.assertEqual(message.stop_reason, "tool_use")
            calls = [block for block in message.content if block.type == "tool_use"]
            self.assertTrue(calls)
            for call in calls:
                self.assertIn(call.name, names)
                self.assertIsInstance(call.input, dict)
        none = self.message(tool_choice={"type": "none"}, tools=TOOLS)
        self.assertNotIn("tool_use", [block.type for block in none.content])
        self.message(tool_choice={"type": "auto"}, tools=TOOLS)

    def test_tools_streamed(self):
        with self.client.messages.stream(model="x", messages=HELLO, max_tokens=300, tools=TOOLS,
                                         tool_choice={"type": "tool", "name": "get_weather",
                                                      "disable_parallel_tool_use": True},
                                         extra_body=self.greedy) as stream:
            final = stream.get_final_message()
        self.assertEqual(final.stop_reason, "tool_use")
        self.assertIn("city", [b for b in final.content if b.type == "tool_use"][0].input)

    def test_tool_results(self):
        first = self.message(tools=TOOLS, max_tokens=300, tool_choice={"type": "any", "disable_parallel_tool_use": True})
        for content in ("12 degrees", [{"type": "text", "text": "12 degrees"}]):
            results = [{"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": False}
                       for block in first.content if block.type == "tool_use"]
            self.message(tools=TOOLS, messages=[*HELLO, {"role": "assistant", "content": first.content},
                                                {"role": "user", "content": results}])

    def test_schema(self):
        schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"],
                  "additionalProperties": False}
        message = self.message(max_tokens=100, output_config={"format": {"type": "json_schema", "schema": schema}})
        self.assertIn(message.content[-1].text.replace(" ", "").replace("\n", ""),
                      ('{"yes":true}', '{"yes":false}'))

    def test_what_agents_send(self):
        message = self.message(
            system=[{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=12345;"},
                    {"type": "text", "text": "You are brief.", "cache_control": {"type": "ephemeral"}}],
            messages=[*HELLO, {"role": "system", "content": "<total_tokens>99 tokens left</total_tokens>"}],
            thinking={"type": "adaptive"}, output_config={"effort": "high"}, metadata={"user_id": "u"},
            service_tier="auto")
        self.assertEqual(message.type, "message")

    def test_models(self):
        models = list(self.client.models.list())
        self.assertEqual(len(models), 1)
        self.assertGreater(models[0].max_input_tokens, 0)
        self.assertEqual(self.client.models.retrieve(models[0].id).id, models[0].id)
        with self.assertRaises(anthropic.NotFoundError):
            self.client.models.retrieve("no-such-model")

    def test_errors(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
        for more, word in (({"extra_body": {"temperature": 1000}}, "temperature"),
                           ({"messages": [{"role": "user", "content": [image]}]}, "image"),
                           ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
                           ({"extra_body": {"telepathy": 1}}, "Extra inputs are not permitted"),
                           ({"messages": [{"role": "user", "content": "word " * 200_000}]}, "prompt is too long")):
            with self.subTest(word), self.assertRaises(anthropic.BadRequestError) as caught:
                self.message(**more)
            self.assertEqual(caught.exception.type, "invalid_request_error")
            self.assertIn(word, caught.exception.api_message)


if __name__ == "__main__":
    unittest.main(verbosity=2)
