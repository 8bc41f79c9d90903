// Values that were written as plain text become what the tool's schema says.
#include "core/json.h"
#include "support.h"
#include "text/syntax/tool_set.h"

namespace varve::text::syntax {
namespace {

TEST(TypedValue, StringsStayStrings) {
  for (const std::string text : {"7", "true", "null", "[1]", "007", " x ", "", "{\"a\": 1}"}) {
    EXPECT_EQ(typed_json(text, kString), json::dump(text));
  }
}

TEST(TypedValue, OtherTypesAreRead) {
  EXPECT_EQ(typed_json(" 7 ", kInteger), "7");
  EXPECT_EQ(typed_json("230.0", kInteger), "230");
  EXPECT_EQ(typed_json("12345678901234567890123", kInteger), "12345678901234567890123") << "digits are kept";
  EXPECT_EQ(typed_json("2.5", kNumber), "2.5");
  EXPECT_EQ(typed_json("7", kNumber), "7");
  EXPECT_EQ(typed_json("True", kBoolean), "true");
  EXPECT_EQ(typed_json("FALSE", kBoolean), "false");
  EXPECT_EQ(typed_json("None", kNull | kInteger), "null");
  EXPECT_EQ(typed_json("['a', 1,]", kArray), R"(["a", 1])");
  EXPECT_EQ(typed_json("{'a': None}", kObject), R"({"a": null})");
}

TEST(TypedValue, WhatDoesNotFitIsAString) {
  EXPECT_EQ(typed_json("2.5", kInteger), "\"2.5\"");
  EXPECT_EQ(typed_json("2026-01-15", kInteger), "\"2026-01-15\"");
  EXPECT_EQ(typed_json("abc", kNumber | kBoolean), "\"abc\"");
  EXPECT_EQ(typed_json("[1", kArray), "\"[1\"");
  EXPECT_EQ(typed_json("7", kObject), "\"7\"");
}

TEST(TypedValue, OfUnionsTheOtherTypesComeFirst) {
  EXPECT_EQ(typed_json("null", kString | kNull), "null");
  EXPECT_EQ(typed_json("nullable", kString | kNull), "\"nullable\"");
  EXPECT_EQ(typed_json("5", kString | kInteger), "5");
  EXPECT_EQ(typed_json("007", kString | kInteger), "\"007\"");
}

TEST(TypedValue, WithoutATypeJsonIsTakenAsSuchButNoQuotes) {
  EXPECT_EQ(typed_json("{\"a\": [1]}", kUnknownType), "{\"a\": [1]}");
  EXPECT_EQ(typed_json("7", kUnknownType), "7");
  EXPECT_EQ(typed_json("plain", kUnknownType), "\"plain\"");
  EXPECT_EQ(typed_json("\"x\"", kUnknownType), R"("\"x\"")");
}

TEST(SchemaTypes, ComeFromAllTheWordsThatSayThem) {
  const auto types = [](const char* json) {
    const Value schema = json::parse(json).value();
    return schema_types(schema, schema);
  };
  EXPECT_EQ(types(R"({"type": "string"})"), kString);
  EXPECT_EQ(types(R"({"type": ["integer", "null"]})"), kInteger | kNull);
  EXPECT_EQ(types(R"({"enum": ["a", 1, null]})"), kString | kInteger | kNull);
  EXPECT_EQ(types(R"({"const": true})"), kBoolean);
  EXPECT_EQ(types(R"({"anyOf": [{"type": "string"}, {"type": "array"}]})"), kString | kArray);
  EXPECT_EQ(types(R"({"anyOf": [{"type": "string"}, {}]})"), kUnknownType);
  EXPECT_EQ(types(R"({"allOf": [{"type": "string"}, {"minLength": 1}]})"), kString);
  EXPECT_EQ(types(R"({"properties": {}})"), kObject);
  EXPECT_EQ(types(R"({"$ref": "#/$defs/a/b", "$defs": {"a": {"b": {"type": "number"}}}})"), kNumber);
  EXPECT_EQ(types(R"({"$ref": "#"})"), kUnknownType) << "a circle";
  EXPECT_EQ(types(R"({"$ref": "#/nowhere"})"), kUnknownType);
  EXPECT_EQ(types(R"({"$ref": "https://example.org"})"), kUnknownType);
  EXPECT_EQ(types(R"({"type": 3})"), kUnknownType);
  EXPECT_EQ(types("true"), kUnknownType);
}

TEST(SchemaTypes, ParametersAreFoundThroughReferences) {
  const Tool& search = *offered_tools().find("search");
  EXPECT_EQ(parameter_types(search, "filters"), kObject);
  EXPECT_EQ(parameter_types(search, "after"), kString | kNull);
  EXPECT_EQ(parameter_types(search, "any"), kUnknownType);
  EXPECT_EQ(parameter_types(search, "unheard_of"), kUnknownType);
  EXPECT_EQ(parameter_types(*offered_tools().find("free"), "x"), kUnknownType);
}

}  // namespace
}  // namespace varve::text::syntax
