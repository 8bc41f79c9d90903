#include <gtest/gtest.h>

#include "http/anthropic_models.h"
#include "http/openai_models.h"
#include "protocol_support.h"

namespace varve::http {

TEST(Models, TellTheContextUnderEveryName) {
  const ServedModel model = bare_model();
  const Value list = parsed(openai_models_body(std::span(&model, 1)));
  std::string where;
  EXPECT_TRUE(contains(list, parsed(R"({"object": "list", "data": [{"id": "m", "object": "model",
      "created": 1700000000, "context_length": 1000, "max_model_len": 1000, "context_window": 1000,
      "max_output_tokens": 50, "meta": {"n_ctx_train": 1000}}]})"),
                       where))
      << where;
  EXPECT_EQ(parsed(openai_model_body(std::span(&model, 1), "m").value()), list.find("data")->array()[0]);
  EXPECT_FALSE(openai_model_body(std::span(&model, 1), "x").has_value());
}

TEST(Models, AreListedForTheOtherClientsToo) {
  const ServedModel model = bare_model();
  const Value list = parsed(anthropic_models_body(std::span(&model, 1)));
  std::string where;
  EXPECT_TRUE(contains(list,
                       parsed(R"({"has_more": false, "first_id": "m", "last_id": "m", "data": [{"id": "m",
      "type": "model", "display_name": "m", "created_at": "2023-11-14T22:13:20Z", "max_input_tokens": 1000,
      "max_tokens": 50}]})"),
                       where))
      << where;
  EXPECT_TRUE(anthropic_model_body(std::span(&model, 1), "m").has_value());
  EXPECT_FALSE(anthropic_model_body(std::span(&model, 1), "x").has_value());
  EXPECT_FALSE(speaks_anthropic(NoHeaders()));
}

}  // namespace varve::http
