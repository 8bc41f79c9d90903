#include "text/detokenizer.h"

#include <fmt/format.h>

#include "core/log.h"
#include "text/textkit_call.h"
#include "text/tokenizer.h"

namespace varve::text {

void Detokenizer::Free::operator()(tk_stream* stream) const { tk_stream_free(stream); }

Detokenizer::Detokenizer(const Tokenizer& tokenizer, tk_stream* stream)
    : tokenizer_(&tokenizer), stream_(stream) {}

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : Detokenizer(tokenizer, tk_stream_new(skip_special)) {}

void Detokenizer::prime(std::span<const int32_t> ids) {
  for (const int32_t id : ids) push(id);
}

std::string Detokenizer::push(int32_t id) {
  Bytes out;
  Bytes error;
  if (id < 0 || tk_stream_push(tokenizer_->handle(), stream_.get(), static_cast<uint32_t>(id), out.out(),
                               error.out()) != TK_OK) {
    log::error(fmt::format("tokenizer: token {} could not be decoded: {}", id, error.str()));
  }
  return out.str();
}

std::string Detokenizer::finish() {
  Bytes out;
  Bytes error;
  if (tk_stream_finish(tokenizer_->handle(), stream_.get(), out.out(), error.out()) != TK_OK) {
    log::error(fmt::format("tokenizer: the end of a text could not be decoded: {}", error.str()));
  }
  return out.str();
}

Detokenizer Detokenizer::fork() const { return {*tokenizer_, tk_stream_clone(stream_.get())}; }

}  // namespace varve::text
