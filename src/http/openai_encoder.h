#pragma once
// What answers of the OpenAI protocols have in common: the object around the choices, chunks, usage, and one
// end. A stream ends with "data: [DONE]"; an answer that was cancelled or failed has an error object before
// it and never a finish_reason.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/openai_common.h"
#include "http/protocol.h"

namespace varve::http {

struct OpenaiForm {
  std::string model;
  bool stream = false;
  StreamOptions options;
  bool logprobs = false;  // are sent; `tokenizer` is there
  const text::Tokenizer* tokenizer = nullptr;
  std::vector<int32_t> prompt_of = {0};  // by choice
};

class OpenaiEncoder : public Encoder {
 public:
  struct Words {
    std::string_view id_prefix;
    std::string_view object;
    std::string_view chunk_object;
  };
  void event(const engine::Event& event, std::string& out) final;
  void broken(const Failure& failure, std::string& out) final;
  int status() const final { return status_; }

 protected:
  OpenaiEncoder(OpenaiForm form, const Words& words);

  // What a protocol does with a choice that has not ended.
  virtual void begin(size_t choice, std::string& out) = 0;  // once, before the others
  virtual void add(size_t choice, const engine::AnswerEvent& answer, std::string& out) = 0;
  virtual void finish(size_t choice, const engine::FinishEvent& finish, std::string& out) = 0;
  /// Of the whole object.
  virtual Value choice_value(size_t choice) = 0;

  /// A chunk with this choice in it, its index added at the front.
  void send(size_t choice, Table members, std::string& out) const;
  size_t choices() const { return progress_.size(); }
  const OpenaiForm& form() const { return form_; }

 private:
  struct Progress {
    bool begun = false;
    bool ended = false;
  };
  Progress* at(int32_t choice);
  void on(const engine::StartEvent& start, std::string& out);
  void on(const engine::AnswerEvent& answer, std::string& out);
  void on(const engine::FinishEvent& finish, std::string& out);
  void on(const engine::ErrorEvent& error, std::string& out);
  void begin_once(Progress& progress, int32_t choice, std::string& out);
  Table head(std::string_view object) const;
  void end(std::string& out);

  OpenaiForm form_;
  Words words_;
  std::string id_;
  int64_t created_;
  UsageSum usage_;
  std::vector<Progress> progress_;
  bool ended_ = false;
  int status_ = 200;
};

}  // namespace varve::http
